"""Random parts of JPEG files: what is cut, of files of every kind, and the same on any replicas and after a resume."""

import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from odtf import data
from odtf.data import jpeg_parts
from odtf.errors import UserError

SHAPE = (24, 32, 3)
AREA, RATIO = (0.1, 1.0), (3 / 4, 4 / 3)


def picture(height=90, width=120):
    """A picture without sharp edges, each of whose places has a colour of its own; the same in any size."""
    rows, columns = np.mgrid[0:height, 0:width]
    colors = [
        255 * rows / height,
        255 * columns / width,
        127 + 100 * np.sin(6 * rows / height) * np.cos(6 * columns / width),
    ]
    return Image.fromarray(np.stack(colors, axis=-1).astype(np.uint8))


def saved(image=None, form="JPEG", **options):
    file = io.BytesIO()
    (image or picture()).save(file, form, **{"quality": 95, **options} if form == "JPEG" else options)
    return file.getvalue()


def turned():
    exif = Image.Exif()
    exif[0x0112] = 6
    return saved(picture().transpose(Image.Transpose.ROTATE_90), exif=exif)


def upright_exif():
    exif = Image.Exif()
    exif[0x010F] = "a camera"
    return saved(exif=exif)


FILES = {
    "jpeg": saved(),
    "progressive": saved(progressive=True),
    "exif": upright_exif(),
    "damaged exif": saved(exif=b"Exif\0\0XX"),
    "grey": saved(picture().convert("L")),
    "turned": turned(),
    "cmyk": saved(picture().convert("CMYK")),
    "png": saved(form="PNG"),
    "large": saved(picture(720, 960)),
}


@pytest.mark.parametrize("name", ["jpeg", "progressive", "exif", "grey", "large"])
def test_header(name):
    size = (720, 960) if name == "large" else (90, 120)
    assert jpeg_parts.header(FILES[name]) == jpeg_parts.Header(*size, 1 if name == "grey" else 3, False)


def test_headers_that_are_left_to_pillow():
    assert jpeg_parts.header(FILES["turned"]).turned
    assert jpeg_parts.header(FILES["cmyk"]).channels == 4
    for content in (
        FILES["png"],
        FILES["jpeg"][:-400],
        b"",
        b"\xff\xd8\xff\xd9",
        b"\xff\xd8" + b"\xff" * 50 + b"\xff\xd9",
    ):
        assert jpeg_parts.header(content) is None
    assert jpeg_parts.header(FILES["jpeg"] + bytes(9)) is not None


def test_windows_lie_inside_and_have_their_area_and_shape():
    numbers = np.random.default_rng(0).random((2000, 4))
    found = np.array([jpeg_parts.window(row, 375, 500, (0.08, 1.0), RATIO) for row in numbers])
    top, left, high, wide = found.T
    assert np.all((top >= 0) & (left >= 0) & (top + high <= 375) & (left + wide <= 500) & (high > 0) & (wide > 0))
    free = (high < 375) & (wide < 500)
    shares = 0.08 + numbers[:, 0] * 0.92
    np.testing.assert_allclose((high * wide / (375 * 500))[free], shares[free], rtol=0.02)
    shapes = np.exp(np.log(0.75) + numbers[:, 1] * (np.log(4 / 3) - np.log(0.75)))
    np.testing.assert_allclose((wide / high)[free], shapes[free], rtol=0.02)
    assert jpeg_parts.window((1 - 1e-7, 0.5, 1 - 1e-7, 1 - 1e-7), 1, 1, AREA, RATIO) == (0, 0, 1, 1)


def cut(contents, numbers, shape=SHAPE):
    given = [
        jpeg_parts.wanted(data, row, shape, AREA, RATIO, "it") for data, row in zip(contents, numbers, strict=True)
    ]
    contents, places, scales = zip(*given, strict=True)
    made = tf.function(lambda *given: jpeg_parts.decoded(*given, shape))
    return made(tf.constant(contents), tf.constant(places, tf.int32), tf.constant(scales, tf.int32)).numpy()


@pytest.mark.parametrize("name", FILES)
def test_the_part_in_numpy(name):
    """Bilinear between the centres of the pixels of what Pillow decodes; a larger picture has the same colours."""
    numbers = np.random.default_rng(1).random((6, 4))
    images = cut([FILES[name]] * 6, numbers)
    grey = name == "grey"
    whole = np.float64(picture().convert("L").convert("RGB") if grey else picture())
    for image, row in zip(images, numbers, strict=True):
        size = (720, 960) if name == "large" else (90, 120)
        top, left, high, wide = (value * 90 / size[0] for value in jpeg_parts.window(row, *size, AREA, RATIO))
        rows = np.clip(top + (np.arange(24) + 0.5) * high / 24 - 0.5, 0, 89)
        columns = np.clip(left + (np.arange(32) + 0.5) * wide / 32 - 0.5, 0, 119)
        expected = whole[np.rint(rows).astype(int)][:, np.rint(columns).astype(int)]
        # JPEG's loss, half a pixel of rounding (a step of 3 in the steepest colour), and a decoder's coarser grid.
        assert np.abs(image - expected).mean() < 4, name


def test_grey_images_of_grey_and_coloured_files():
    numbers = np.random.default_rng(2).random((2, 4))
    images = cut([FILES["grey"], FILES["turned"]], numbers, (*SHAPE[:2], 1))
    colored = cut([FILES["grey"], FILES["turned"]], numbers)
    luma = colored @ [0.299, 0.587, 0.114]
    np.testing.assert_allclose(images[..., 0], luma, atol=3)


@pytest.fixture(scope="module")
def streamed(tmp_path_factory):
    """A data set of two classes whose files are of all kinds."""
    root = tmp_path_factory.mktemp("photos")
    for label in ("a", "b"):
        (root / label).mkdir()
        for number in range(3):
            for name, content in FILES.items():
                (root / label / f"{number}_{name}.{'png' if name == 'png' else 'jpg'}").write_bytes(content)
    return data.load(f"folder:{root}", image_size=SHAPE[:2], memory_budget_mb=0)


def pipeline(dataset, **options):
    augment = {"crop_area": AREA, "flip": True}
    return data.TrainPipeline(dataset, batch_size=16, seed=5, augment=augment, **options)


@pytest.mark.parametrize("num_views", [1, 2])
def test_one_replica_equals_two_and_a_resume_equals_the_run(streamed, num_views):
    made = pipeline(streamed, num_views=num_views)
    assert made.dataset().element_spec[0].shape == (16, *([2] if num_views == 2 else []), *SHAPE)
    whole = made.batch(1)
    halves = [made.batch(1, replica, 2) for replica in (0, 1)]
    run = [batch for batch, _ in zip(made.dataset(), range(2), strict=False)]
    resumed = next(iter(made.dataset(start_step=1)))
    for one, parts, other, again in zip(whole, zip(*halves, strict=True), run[1], resumed, strict=True):
        np.testing.assert_array_equal(one, np.concatenate(parts))
        np.testing.assert_array_equal(one, other)
        np.testing.assert_array_equal(one, again)
    if num_views == 2:
        assert not np.array_equal(whole[0][:, 0], whole[0][:, 1])


def test_what_is_cut_is_not_cut_again(streamed):
    """A crop of all of the image, in its own shape, is the image."""
    augment = {"crop_area": (1.0, 1.0), "crop_ratio": (4 / 3, 4 / 3)}
    images, labels = data.TrainPipeline(streamed, batch_size=16, seed=5, augment=augment).batch(0)
    pixels = 255 * (np.asarray(images) * streamed.std + streamed.mean)
    plain, same = data.TrainPipeline(streamed, batch_size=16, seed=5).batch(0)
    assert np.abs(pixels - 255 * (np.asarray(plain) * streamed.std + streamed.mean)).mean() < 4
    np.testing.assert_array_equal(labels, same)


def test_a_broken_file_is_one_line(tmp_path):
    """The header is sound and the end is there, so that the decoder of the graph finds it."""
    content = bytearray(FILES["jpeg"])
    tables = content.index(b"\xff\xc4")
    content[tables + 5 : tables + 21] = b"\xff" * 16  # More codes than bits have room for.
    for label in ("a", "b"):
        (tmp_path / label).mkdir()
        for number in range(9):
            (tmp_path / label / f"{number}.jpg").write_bytes(content)
    mean = (0.5,) * 3

    def gone(row):
        raise UserError(f"An image cannot be read. Received: {row}.jpg")

    jpeg_parts.handing(gone, [3])
    broken = data.load(f"folder:{tmp_path}", image_size=SHAPE[:2], memory_budget_mb=0, mean=mean, std=mean)
    with pytest.raises(UserError, match=r"^Corrupt image: .* Received: .*[ab]/\d\.jpg \("):
        data.TrainPipeline(broken, batch_size=4, seed=0, augment={"crop_area": AREA}).batch(0)
