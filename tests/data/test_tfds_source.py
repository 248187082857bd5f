"""TFDS sets: a small one written here, and real CIFAR-10."""

import json
import os
import shutil

import numpy as np
import pytest

from odtf import data
from odtf.errors import UserError
from tests.data.conftest import CLASSES, prepare_tfds


def test_a_prepared_set(tiny_tfds):
    dataset = data.load("tiny", data_dir=tiny_tfds)
    assert dataset.names == CLASSES and dataset.image_shape == (6, 5, 3)
    assert {name: len(split) for name, split in dataset.splits.items()} == {"train": 22, "validation": 2, "test": 6}
    colours = np.concatenate([split.images[:, 0, 0, 0] for split in dataset.splits.values()])
    labels = np.concatenate([split.targets for split in dataset.splits.values()])
    assert sorted(colours) == list(range(30))
    np.testing.assert_array_equal(labels, colours % 3)


def test_the_network_is_not_tried(tiny_tfds, monkeypatch):
    import socket

    def refuse(*args, **kwargs):
        raise AssertionError("network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    data.load("tiny:1.0.0", data_dir=tiny_tfds)
    with pytest.raises(UserError, match="mnist is not prepared there"):
        data.load("mnist", data_dir=tiny_tfds)


def test_array_record_files_hold_the_same(tmp_path):
    prepare_tfds(tmp_path, file_format="array_record")
    dataset = data.load("tiny", data_dir=tmp_path, memory_budget_mb=0)
    colours = np.concatenate([split.images[:, 0, 0, 0] for split in dataset.splits.values()])
    assert sorted(colours) == list(range(30))
    np.testing.assert_array_equal(dataset.splits["train"].targets, dataset.splits["train"].images[:, 0, 0, 0] % 3)


def test_given_splits_and_sizes(tmp_path):
    prepare_tfds(tmp_path, "grey", shape=(None, None, 1), train=12, test=5)
    dataset = data.load("grey", data_dir=tmp_path, image_size=4)
    assert dataset.image_shape == (4, 4, 1)
    assert {name: len(split) for name, split in dataset.splits.items()} == {"train": 11, "validation": 1, "test": 5}
    assert sorted(dataset.splits["test"].images[:, 3, 3, 0]) == list(range(5))


def test_a_set_with_validation_but_no_test_is_tested_on_it(tmp_path):
    prepare_tfds(tmp_path, train=12, validation=5)
    dataset = data.load("tiny", data_dir=tmp_path)
    assert {name: len(split) for name, split in dataset.splits.items()} == {"train": 11, "validation": 1, "test": 5}


def test_the_newest_version_and_the_only_configuration_are_read(tiny_tfds, tmp_path):
    source = f"{tiny_tfds}/tiny/1.0.0"
    for version in ("2.0.0", "10.0.0"):
        shutil.copytree(source, tmp_path / "tiny" / version)
    from odtf.data.sources.tfds import _find

    assert _find("tiny", tmp_path).name == "10.0.0"
    assert _find("tiny:2.0.0", tmp_path).name == "2.0.0"
    shutil.copytree(source, tmp_path / "other" / "plain" / "1.0.0")
    assert _find("other", tmp_path) == _find("other/plain", tmp_path) == tmp_path / "other" / "plain" / "1.0.0"


def test_a_damaged_example_is_named_or_skipped(tiny_tfds, tmp_path):
    shutil.copytree(f"{tiny_tfds}/tiny", tmp_path / "tiny")
    path = sorted(tmp_path.glob("tiny/1.0.0/*tfrecord*"))[1]
    content = bytearray(path.read_bytes())
    content[12 + 20 : 12 + 60] = b"\xff" * 40
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"tiny, train example 10"):
        data.load("tiny", data_dir=tmp_path)
    with pytest.warns(UserWarning, match="1 corrupt images"):
        dataset = data.load("tiny", data_dir=tmp_path, skip_corrupt=True)
    assert sum(map(len, dataset.splits.values())) == 29


def test_a_set_without_labels_is_not_called_unprepared(tmp_path):
    """TFDS writes -1 where a label is not known, as in the test splits of competitions."""
    prepare_tfds(tmp_path, label=lambda i: -1)
    with pytest.raises(UserError, match=r"seems to be unlabelled\. Received: -1 in example \d+\.$") as caught:
        data.load("tiny", data_dir=tmp_path)
    assert "prepared" not in str(caught.value)


def features(case):
    from tensorflow_datasets import features as kinds

    return {
        "no image": {"number": kinds.Scalar(np.int64), "label": kinds.ClassLabel(num_classes=3)},
        "no label": {"image": kinds.Image(shape=(4, 4, 3))},
        "two labels": {
            "picture": kinds.Image(shape=(4, 4, 3)),
            "fine": kinds.ClassLabel(num_classes=3),
            "coarse": kinds.ClassLabel(num_classes=3),
        },
        "deep": {"image": kinds.Image(shape=(4, 4, 1), dtype=np.uint16), "label": kinds.ClassLabel(num_classes=3)},
        "sizes": {"image": kinds.Image(shape=(None, None, 3)), "label": kinds.ClassLabel(num_classes=3)},
    }[case]


@pytest.mark.parametrize(
    "case, message",
    [
        ("no image", "exactly one image feature"),
        ("no label", "exactly one class label feature"),
        ("two labels", "exactly one class label feature.*coarse.*fine"),
        ("deep", "8-bit images. Received: uint16"),
        ("sizes", "differ in size: give image_size"),
    ],
)
def test_sets_that_are_no_image_classification_are_refused(tmp_path, case, message):
    prepare_tfds(tmp_path, features=features(case))
    with pytest.raises(UserError, match=message) as caught:
        data.load("tiny", data_dir=tmp_path)
    assert "\n" not in str(caught.value)


def described(tiny_tfds, folder, change):
    """A copy of the set whose description is another: `change` is of its text."""
    shutil.copytree(f"{tiny_tfds}/tiny", folder / "tiny")
    path = folder / "tiny" / "1.0.0" / "features.json"
    before = path.read_text()
    path.write_text(change(before))
    assert path.read_text() != before


IMAGE = "tensorflow_datasets.core.features.image_feature.Image"
STRANGERS = {
    "by name": lambda text: text.replace(IMAGE, "stranger.Image"),
    "by its other name": lambda text: text.replace("pythonClassName", "python_class_name").replace(
        IMAGE, "stranger.Image"
    ),
    "in an older set": lambda text: json.dumps({"type": "stranger.Image", "content": {}}),
    "in text": lambda text: json.dumps(
        {
            "pythonClassName": "tensorflow_datasets.core.features.features_dict.FeaturesDict",
            "jsonFeature": {"json": json.dumps({"image": {"type": "stranger.Image", "content": {}}})},
        }
    ),
}


@pytest.mark.parametrize("how", STRANGERS)
def test_a_set_names_no_code_to_import(how, tiny_tfds, tmp_path, monkeypatch):
    (tmp_path / "stranger.py").write_text("import pathlib\npathlib.Path(__file__).with_name('HARM').touch()\n")
    monkeypatch.syspath_prepend(tmp_path)
    described(tiny_tfds, tmp_path, STRANGERS[how])
    with pytest.raises(UserError, match=r"TFDS' own classes.* Received: stranger\.Image in .*features\.json"):
        data.load("tiny", data_dir=tmp_path)
    assert not (tmp_path / "HARM").exists()


def test_files_of_a_set_that_would_be_waited_for_are_refused(tiny_tfds, tmp_path):
    shutil.copytree(f"{tiny_tfds}/tiny", tmp_path / "tiny")
    path = sorted(tmp_path.glob("tiny/1.0.0/*tfrecord*"))[1]
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(UserError, match=f"{path.name}, no regular file"):
        data.load("tiny", data_dir=tmp_path)


@pytest.mark.shared_data
def test_cifar10(cifar_data_dir):
    dataset = data.load("cifar10", data_dir=cifar_data_dir)
    assert {name: len(split) for name, split in dataset.splits.items()} == {
        "train": 45000,
        "validation": 5000,
        "test": 10000,
    }
    assert dataset.image_shape == (32, 32, 3)
    assert dataset.names[:3] == ("airplane", "automobile", "bird")
    assert np.bincount(dataset.splits["test"].targets).tolist() == [1000] * 10
    # The constants in use for CIFAR-10 (OKDDip, PCL).
    np.testing.assert_allclose(dataset.mean, (0.4914, 0.4822, 0.4465), atol=1e-3)
    np.testing.assert_allclose(dataset.std, (0.2470, 0.2435, 0.2616), atol=1e-3)
    streamed = data.load("cifar10", data_dir=cifar_data_dir, memory_budget_mb=10, mean=dataset.mean, std=dataset.std)
    a, b = (
        data.TrainPipeline(d, batch_size=64, seed=5, augment={"pad": 4, "flip": True}).batch(1000)
        for d in (dataset, streamed)
    )
    for got, want in zip(a, b, strict=True):
        np.testing.assert_array_equal(got, want)


def fetched(name, fails=None):
    """Registers a builder with TFDS, as a set's own code does; its number of preparations is a list."""
    import tensorflow_datasets as tfds

    prepared = []

    def _info(self):
        features = {"image": tfds.features.Image(shape=(4, 4, 3)), "label": tfds.features.ClassLabel(names=["a", "b"])}
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

    def _split_generators(self, dl_manager):
        prepared.append(name)
        if fails:
            raise fails
        return {"train": ((i, {"image": np.full((4, 4, 3), i, np.uint8), "label": i % 2}) for i in range(20))}

    functions = {"_info": _info, "_split_generators": _split_generators, "_generate_examples": None}
    type(name, (tfds.core.GeneratorBasedBuilder,), {"VERSION": tfds.core.Version("1.0.0"), **functions})
    return prepared


def test_a_set_is_prepared_once_where_a_download_is_asked_for(tmp_path):
    prepared = fetched("FetchedOfTest")
    with pytest.raises(UserError, match="fetched_of_test is not prepared there: --download"):
        data.load("fetched_of_test", data_dir=tmp_path)
    assert prepared == []
    for _ in range(2):
        data.download("fetched_of_test", tmp_path)
        assert len(data.load("fetched_of_test", data_dir=tmp_path).splits["train"]) == 14
    assert prepared == ["FetchedOfTest"]


def test_a_download_that_fails_is_one_line_and_leaves_no_set(tmp_path):
    fetched("FailingOfTest", OSError(28, "No space left on device"))
    with pytest.raises(UserError, match=r"'failing_of_test'.*Received: OSError: .*No space left on device") as caught:
        data.download("failing_of_test", tmp_path)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.rglob("*.json")) and not list(tmp_path.rglob("1.0.0*"))


@pytest.mark.parametrize("name", ["digits", "folder:/nowhere", "memory:x", "os.path:join", lambda: None])
def test_what_needs_no_download_gets_none(name, tmp_path):
    data.download(name, tmp_path)
    assert list(tmp_path.iterdir()) == []
