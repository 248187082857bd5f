"""Every bad input is one line that names what was wrong, what was received and what would be right."""

import numpy as np
import pytest

from odtf import data
from odtf.errors import UserError
from tests.data.conftest import make_dataset, write_images

LOADING = [
    ({"name": ""}, "A data set is 'digit_pictures', .*'digit_scenes', 'digits'"),
    ({"name": None}, "A data set is 'digit_pictures', .*'digit_scenes', 'digits'"),
    ({"name": "folder:"}, "A data set is 'digit_pictures', .*'digit_scenes', 'digits'"),
    ({"name": "../digits"}, "TFDS name such as"),
    (
        {"name": "cifar10", "data_dir": "/nonexistent"},
        "cifar10 is not prepared there.*/nonexistent.*no folder: it does not exist",
    ),
    ({"validation_fraction": 0}, "validation_fraction.*between 0 and 1.*=0"),
    ({"validation_fraction": 1.0}, "validation_fraction.*=1.0"),
    ({"validation_fraction": "0.1"}, "validation_fraction"),
    ({"seed": -1}, "seed must be an integer from 0.*seed=-1"),
    ({"seed": 1.5}, "seed must be an integer"),
    ({"memory_budget_mb": -1}, "memory_budget_mb"),
    ({"max_train_examples": 0}, "max_train_examples must be an integer of at least 1"),
    ({"max_train_examples": True}, "max_train_examples"),
    ({"image_size": 0}, "image_size"),
    ({"image_size": (8, 8, 1)}, "image_size must be one integer, or height and width"),
    ({"image_size": 16}, "leave image_size out.*16"),
    ({"mean": (0.5, 0.5, 0.5)}, r"mean must give one number per channel, 1 here.*\(0.5, 0.5, 0.5\)"),
    ({"mean": "half"}, "mean must give"),
    ({"std": (0.0,)}, "std must give one positive number"),
    ({"std": -1}, "std must give one positive number"),
]


def one_line(message, function, *args, **kwargs):
    with pytest.raises(UserError, match=message) as caught:
        function(*args, **kwargs)
    assert "\n" not in str(caught.value)
    assert "Received: " in str(caught.value)


@pytest.mark.parametrize("arguments, message", LOADING, ids=lambda v: str(v)[:40])
def test_loading(arguments, message):
    one_line(message, data.load, **{"name": "digits", **arguments})


PIPELINE = [
    ({"batch_size": 41}, "must not exceed the training split, 40 images.*=41"),
    ({"batch_size": 0}, "batch_size must be an integer of at least 1"),
    ({"num_views": 0}, "num_views must be an integer of at least 1"),
    ({"seed": "0"}, "seed"),
    (
        {"augment": {"shear": 3}},
        "known ones are pad, pad_mode, flip, cutout, also, .* mixup, cutmix, alternate. Received: shear",
    ),
    ({"augment": {"pad": -1}}, "augment.pad must be an integer from 0 to 4.*=-1"),
    ({"augment": {"pad": 5, "pad_mode": "reflect"}}, "augment.pad must be an integer from 0 to 4.*=5"),
    ({"augment": {"pad": 2.0}}, "augment.pad"),
    ({"augment": {"pad_mode": "edge"}}, "pad_mode must be 'zero' or 'reflect'.*'edge'"),
    ({"augment": {"scale": 2.0}}, r"scale must be \(least, most\), both above 0.*=2.0"),
    ({"augment": {"scale": (0.0, 1.0)}}, r"scale must be \(least, most\), both above 0.*\(0.0, 1.0\)"),
    ({"augment": {"scale": (2.0, 0.5)}}, r"in this order. Received: scale=\(2.0, 0.5\)"),
    ({"augment": {"rotate": -1}}, "rotate must be degrees from 0 to 180.*=-1"),
    ({"augment": {"color": 1.0}}, r"color must be a number in \[0, 1\).*=1.0"),
    ({"augment": {"flip": 1}}, "flip must be True or False.*=1"),
    ({"augment": {"cutout": 6}}, "augment.cutout must be an integer from 0 to 5.*=6"),
]


@pytest.mark.parametrize("arguments, message", PIPELINE, ids=lambda v: str(v)[:40])
def test_pipeline(arguments, message):
    one_line(message, data.TrainPipeline, make_dataset(), **{"batch_size": 8, "seed": 0, **arguments})


@pytest.mark.parametrize(
    "replicas, num_replicas, message",
    [
        ((0,), 3, "must divide by the number of replicas, 3.*batch_size=8"),
        ((0,), 0, "num_replicas"),
        ((2,), 2, r"replicas must name some of 0 to 1.*\(2,\)"),
        ((), 2, "replicas must name some"),
    ],
)
def test_replicas(replicas, num_replicas, message):
    dataset = make_dataset()
    pipeline = data.TrainPipeline(dataset, batch_size=8, seed=0)
    one_line(message, pipeline.dataset, 0, replicas, num_replicas)
    evaluate = {"batch_size": 8, "replicas": replicas, "num_replicas": num_replicas}
    one_line(message, data.eval_dataset, "train", dataset, **evaluate)


def test_steps_splits_and_counts():
    dataset = make_dataset()
    pipeline = data.TrainPipeline(dataset, batch_size=8, seed=0)
    one_line("start_step", pipeline.dataset, -1)
    one_line("step", pipeline.batch, -1)
    one_line("the splits are train.*'val'", data.eval_dataset, "val", dataset, batch_size=8)
    one_line("count", data.calibration_images, dataset, 0, 0)


def empty(root):
    pass


def one_class(root):
    write_images(root, classes=("ash",))


def empty_class(root):
    write_images(root, classes=("ash", "birch"), per_class=5)
    (root / "cedar").mkdir()


def too_few(root):
    write_images(root, classes=("ash", "birch"), per_class=5)
    write_images(root, classes=("cedar",), per_class=2)


def sizes(root):
    write_images(root, per_class=5)
    write_images(root, classes=("dogwood",), size=(9, 9))


def no_images(root):
    for name in ("ash", "birch"):
        (root / name).mkdir()
        (root / name / "0.png").write_bytes(b"no image")


def truncated(root):
    write_images(root)
    path = root / "birch" / "03.png"
    path.write_bytes(path.read_bytes()[:60])


def unknown_class(root):
    write_images(root / "train")
    write_images(root / "test", classes=("ash", "birch", "cedar", "fir"))


def missing_class(root):
    write_images(root / "train")
    write_images(root / "test", classes=("ash", "birch"))


@pytest.mark.parametrize(
    "make, message",
    [
        (empty, "at least 2 classes.*no sub-folder"),
        (one_class, "at least 2 classes.*ash"),
        (empty_class, "A class has no images.*cedar"),
        (too_few, "'cedar' has too few images.*Received: 1"),
        (sizes, "differ in size: give image_size.*6x5.*9x9"),
        (no_images, "None of the 2 files is an image"),
        (truncated, "Corrupt image.*skip_corrupt=True.*birch/03.png"),
        (unknown_class, "must have the classes of train.*fir"),
        (missing_class, "must have all classes of train.*cedar"),
    ],
    ids=lambda v: getattr(v, "__name__", ""),
)
def test_folders(tmp_path, make, message):
    root = tmp_path / "images"
    root.mkdir()
    make(root)
    one_line(message, data.load, f"folder:{root}")


def test_folders_that_cannot_be_read(tmp_path, image_folder):
    one_line("cannot be read.*nowhere", data.load, f"folder:{tmp_path / 'nowhere'}")
    (tmp_path / "file").write_text("")
    one_line("cannot be read.*file", data.load, f"folder:{tmp_path / 'file'}")
    # Removed after it was listed.
    dataset = data.load(f"folder:{image_folder}", memory_budget_mb=0)
    for path in image_folder.glob("*/*.png"):
        path.unlink()
    one_line("An image cannot be read.*No such file", dataset.splits["train"].take, np.arange(1))


def test_tfds_folders(tiny_tfds, tmp_path):
    one_line("mnist is not prepared there.*which holds tiny", data.load, "mnist", data_dir=tiny_tfds)
    one_line("tiny:3.0.0 is not prepared there.* name one of tiny:1.0.0", data.load, "tiny:3.0.0", data_dir=tiny_tfds)
    broken = tmp_path / "tiny" / "1.0.0"
    broken.mkdir(parents=True)
    (broken / "features.json").write_text("{")
    one_line("cannot be opened: prepare it again", data.load, "tiny", data_dir=tmp_path)
    for config in ("a", "b"):
        (tmp_path / "many" / config / "1.0.0").mkdir(parents=True)
        (tmp_path / "many" / config / "1.0.0" / "features.json").write_text("{}")
    one_line("several configurations: name one of many/a, many/b", data.load, "many", data_dir=tmp_path)


def test_tfds_files(tiny_tfds, tmp_path):
    import shutil

    shutil.copytree(f"{tiny_tfds}/tiny", tmp_path / "tiny")
    path = sorted(tmp_path.glob("tiny/1.0.0/*tfrecord*"))[0]
    whole = path.read_bytes()
    path.write_bytes(whole[:-3])
    one_line("ends inside a record", data.load, "tiny", data_dir=tmp_path)
    path.write_bytes(b"")
    one_line("should have 30 examples in train", data.load, "tiny", data_dir=tmp_path)
    path.unlink()
    one_line("A file of the TFDS set cannot be read", data.load, "tiny", data_dir=tmp_path)
