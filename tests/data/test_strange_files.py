"""Folders that anybody may have filled: pipes, links, foreign formats, damaged files. Each is a line or passed over."""

import contextlib
import io
import itertools
import os
import signal
import struct
import zlib

import numpy as np
import pytest
import tensorflow as tf
from PIL import EpsImagePlugin, Image

from odtf import data
from odtf.data.decoding import decode, decode_target, header_size
from odtf.data.samples import Target
from odtf.errors import UserError
from odtf.tasks import Segmentation, Translation
from tests.data.conftest import CLASSES, write_images

POSTSCRIPT = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 5 6\n%%EndComments\n(HARM) (w) file closefile\nshowpage\n"
PIXELS = np.arange(6 * 5 * 3, dtype=np.uint8).reshape(6, 5, 3)


def encoded(form="PNG", **options):
    file = io.BytesIO()
    Image.fromarray(PIXELS).save(file, form, **options)
    return file.getvalue()


def with_chunk(kind, body, before):
    """A PNG file with one more chunk, before another one: after IDAT it is read when the picture has been decoded."""
    content, made = encoded(), struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    place = content.index(before) - 4
    return content[:place] + made + content[place:]


# Pillow raises another error for each; for the last three none that is of images.
DAMAGED = {
    "transparency": with_chunk(b"tRNS", b"\0", b"IDAT"),
    "transparency at the end": with_chunk(b"tRNS", b"\0", b"IEND"),
    "profile": with_chunk(b"iCCP", b"", b"IEND"),
    "text": b"no picture",
    "nothing": b"",
    "PostScript": POSTSCRIPT,
    "TIFF": encoded("TIFF"),
    "HEIC": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
}


@contextlib.contextmanager
def in_seconds(seconds):
    """Fails where something takes longer, as to wait for the writer of a pipe."""

    def late(*_):
        raise AssertionError("it waits")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.fixture(autouse=True)
def no_other_program(monkeypatch):
    """Ghostscript, as Pillow would run it."""

    def run(*_, **__):
        raise AssertionError("Ghostscript was run")

    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", run)


def classes(root):
    """A folder of classes; returns where another picture goes, and what a task wants of it."""
    write_images(root)
    return root / "ash" / "z.jpg", {}


def masks(root):
    for i, kind in itertools.product(range(10), ("images", "masks")):
        (root / kind).mkdir(parents=True, exist_ok=True)
        pixels = PIXELS if kind == "images" else np.full((6, 5), i % 3, np.uint8)
        Image.fromarray(pixels).save(root / kind / f"{i}.png")
    Image.fromarray(PIXELS[..., 0] % 3).save(root / "masks" / "z.png")
    return root / "images" / "z.jpg", {"targets": Segmentation.targets}


def pictures(root):
    for i, kind in itertools.product(range(10), ("trainA", "trainB")):
        (root / kind).mkdir(parents=True, exist_ok=True)
        Image.fromarray(PIXELS).save(root / kind / f"{i}.png")
    (root / "trainA" / "z.png").write_bytes(encoded())
    return root / "trainB" / "z.jpg", {"targets": Translation().targets}


def joined(root):
    (root / "train").mkdir(parents=True)
    for i in range(10):
        Image.fromarray(np.hstack([PIXELS, PIXELS])).save(root / "train" / f"{i}.png")
    return root / "train" / "z.jpg", {"targets": Translation().targets}


LAYOUTS = [classes, masks, pictures, joined]


@pytest.mark.parametrize("kind", ["pipe", "link to nowhere", "link to itself", "link to a device", "PostScript"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_is_no_picture_is_named_or_skipped(kind, layout, tmp_path):
    path, options = layout(tmp_path / "it")
    make = {
        "pipe": os.mkfifo,
        "link to nowhere": lambda path: path.symlink_to("nowhere"),
        "link to itself": lambda path: path.symlink_to(path.name),
        "link to a device": lambda path: path.symlink_to("/dev/zero"),
        "PostScript": lambda path: path.write_bytes(POSTSCRIPT),
    }
    make[kind](path)
    with in_seconds(60):
        with pytest.raises(UserError, match=r"z\.jpg") as caught:
            data.load(f"folder:{tmp_path / 'it'}", **options)
        assert "\n" not in str(caught.value)
        for budget in (1, 0):
            with pytest.warns(UserWarning, match="1 corrupt images skipped"):
                data.load(f"folder:{tmp_path / 'it'}", skip_corrupt=True, memory_budget_mb=budget, **options)


def test_what_lies_beside_the_classes_is_passed_over(tmp_path):
    root = write_images(tmp_path / "trees")
    (root / "loop").symlink_to("loop")
    (root / "gone").symlink_to("nowhere")
    os.mkfifo(root / "pipe")
    (root / "oak").symlink_to("ash")  # A link to a folder is one.
    (root / "oak" / "link.png").symlink_to("00.png")  # And one to a picture is one.
    with in_seconds(60):
        dataset = data.load(f"folder:{root}")
    assert dataset.names == (*CLASSES, "oak")
    assert sum(len(split) for split in dataset.splits.values()) == 42


@pytest.mark.parametrize("name", DAMAGED)
def test_whatever_a_decoder_raises_is_a_corrupt_image(name):
    with pytest.raises(UserError, match=r"^Corrupt image: .* Received: my\.png \(.+\)\.$"):
        decode(DAMAGED[name], (4, 4), name="my.png")
    for target in (Target(None, "int32", "nearest"), Target((None, None, 3), "uint8", "nearest")):
        with pytest.raises(UserError, match=r"^Corrupt image: .*my\.png"):
            decode_target(DAMAGED[name], target, name="my.png")
    assert header_size(io.BytesIO(DAMAGED[name])) in (None, (6, 5))


@pytest.mark.parametrize("budget", [1, 0], ids=["in memory", "streamed"])
def test_a_damaged_profile_is_named_wherever_it_is_met(budget, image_folder):
    path = image_folder / "birch" / "03.png"
    path.write_bytes(DAMAGED["profile"])
    with pytest.warns(UserWarning, match="1 corrupt images"):
        data.load(f"folder:{image_folder}", skip_corrupt=True, memory_budget_mb=budget)
    fixed = {"mean": (0, 0, 0), "std": (1, 1, 1), "memory_budget_mb": budget}
    if budget:
        with pytest.raises(UserError, match=str(path)):
            data.load(f"folder:{image_folder}", **fixed)
        return
    dataset = data.load(f"folder:{image_folder}", **fixed)
    (part,) = (split for split in dataset.splits.values() if 13 in split.rows)  # The fourth of the second class.
    with pytest.raises(UserError, match=str(path)):  # As odtf-evaluate reads.
        part.take(np.arange(len(part)))
    with pytest.raises(tf.errors.InvalidArgumentError) as caught:
        list(data.eval_dataset(part, dataset, batch_size=4))
    assert str(path) in str(data.user_error_from(caught.value))


def test_a_photograph_of_several_pictures_is_its_first():
    """Phones write such, which are JPEG to all who know no more."""
    content = encoded("MPO", save_all=True, append_images=[Image.fromarray(255 - PIXELS)])
    with Image.open(io.BytesIO(content)) as image:
        assert image.format == "MPO"
    np.testing.assert_array_equal(decode(content), decode(encoded("JPEG")))


EXIF = {
    "no header": b"Exif\0\0XX",
    "cut": b"Exif\0\0II*\0\x08\0\0\0\xff\xff",
    "far away": b"Exif\0\0II*\0\xff\xff\xff\x7f",
    "of another type": b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x02\0\x09\0\0\0\x1a\0\0\0\0\0\0\0sideways\0",
    "of none": b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x63\0\x01\0\0\0\x06\0\0\0\0\0\0\0",
}


@pytest.mark.parametrize("name", EXIF)
def test_damaged_exif_leaves_the_image_unturned(name):
    for content in (encoded("JPEG", exif=EXIF[name]), with_chunk(b"eXIf", EXIF[name][6:], b"IDAT")):
        sound = encoded("JPEG") if content[:2] == b"\xff\xd8" else encoded()
        np.testing.assert_array_equal(decode(content), decode(sound))
        assert header_size(io.BytesIO(content)) == (6, 5)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_images_are_turned_as_pillow_turns_them(orientation):
    from PIL import ImageOps

    exif = Image.Exif()
    exif[0x0112] = orientation
    content = encoded(exif=exif)
    with Image.open(io.BytesIO(content)) as image:
        expected = np.asarray(ImageOps.exif_transpose(image))
    np.testing.assert_array_equal(decode(content), expected)
    assert header_size(io.BytesIO(content)) == expected.shape[:2]
