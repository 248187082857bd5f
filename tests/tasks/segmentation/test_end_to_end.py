"""From a config to trained networks, verified files and their evaluation, through the real commands."""

import json

import numpy as np
import pytest
from PIL import Image

from odtf import data, export
from odtf.runs import Run
from odtf.tasks import Segmentation
from odtf.tflite.runner import Runner


@pytest.fixture(scope="module")
def trained(zygote, tmp_path_factory):
    """Workdir and report of a run on the embedded scenes."""
    workdir = tmp_path_factory.mktemp("scenes") / "run"
    flags = [
        "--config=configs/camvid.py:smoke,method=dml",
        f"--workdir={workdir}",
        "--config.epochs=3",
        "--config.task.class_weights=inverse",
        "--config.export.targets=('soc', 'phone')",
    ]
    status, _, err = zygote.run("odtf-train", *flags, seconds=300)
    assert status == 0, err
    return workdir, json.loads((workdir / "report.json").read_text())


def evaluated(zygote, path, tmp_path, *more):
    flags = str(path), "--data=digit_scenes", "--task=segmentation", f"--json={tmp_path / 'figures.json'}", *more
    status, out, err = zygote.run("odtf-evaluate", *flags)
    assert status == 0, err
    return json.loads((tmp_path / "figures.json").read_text()), out


def test_training_reports_the_metrics_of_masks(trained):
    workdir, report = trained
    assert report["task"] == {
        "name": "segmentation",
        "metric": "miou",
        "title": "mIoU",
        "better": "max",
        "share": True,
        "agreement": {"share": True},
    }
    assert [peer["name"] for peer in report["peers"]] == ["peer_0", "peer_1"]
    for peer in report["peers"]:
        for metric in ("miou", "pixel_accuracy", "images_50", "images_60", "images_70", "image_variance"):
            assert 0.0 <= peer[f"test_{metric}"] <= 1.0
    assert report["student"]["val_miou"] == max(peer["val_miou"] for peer in report["peers"])
    assert '"peer_0/pixel_accuracy"' in (workdir / "log.jsonl").read_text()


@pytest.mark.parametrize("target", ["soc", "phone"])
def test_a_file_is_verified_and_evaluates_to_the_same(target, trained, zygote, tmp_path):
    workdir, report = trained
    (row,) = (row for row in report["exports"] if row["target"] == target)
    assert row["quantization"] == "int8" and row["agreement"] > 0.8
    assert abs(row["test_miou"] - row["student_test_miou"]) < 0.04
    found, out = evaluated(zygote, workdir / row["path"], tmp_path)
    assert found["miou"] == pytest.approx(row["test_miou"], abs=1e-5)
    assert [entry["name"] for entry in found["classes"]] == ["background", *map(str, range(10))]
    present = [entry["iou"] for entry in found["classes"] if entry["iou"] is not None]
    assert np.mean(present) == pytest.approx(found["miou"])
    assert "mIoU" in out and "background" in out
    assert (tmp_path / "figures.csv").is_file()
    card = (workdir / "export" / target / "MODEL_CARD.md").read_text()
    assert "image segmenter" in card and "background" in card


def test_a_file_of_classes_is_the_largest_score_of_one_of_logits(trained, zygote, tmp_path):
    """The same student once more, for a device that takes the class of every pixel."""
    workdir, _ = trained
    network = Run(workdir).network()
    task = Segmentation(answers="classes")
    dataset = data.load("digit_scenes", targets=task.targets)
    for target, kind in (("soc", np.int32), ("phone", np.uint8)):
        # As many training images set the ranges as in the run.
        options = {"task": task, "target": target, "calibration_examples": 64, "max_examples": 40}
        row = export.export_student(network, dataset, tmp_path / target, **options)
        file = Runner(tmp_path / target / "student_int8.tflite")
        assert file.output["dtype"] == kind and tuple(file.output["shape"]) == (1, 48, 48)
        images = dataset.splits["test"].take(np.arange(4))[0]
        scores = Runner(workdir / "export" / target / "student_int8.tflite").predict(images)
        # Scores of one level are two classes alike, whichever was ahead before they were rounded.
        clear = (scores == scores.max(-1, keepdims=True)).sum(-1) == 1
        assert clear.mean() > 0.3
        np.testing.assert_array_equal(file.predict(images)[clear], scores.argmax(-1)[clear])
        assert row["max_error"] == pytest.approx(1.0 - row["agreement"], abs=0.05)
        found, _ = evaluated(zygote, row["path"], tmp_path, "--max_examples=40")
        assert found["file"]["answers"] == "classes" and 0.0 < found["miou"] < 1.0


# Bad input: one line, exit status 2, nothing half-written ------------------------------------------------------------


def write_folder(root):
    for i in range(8):
        for kind, pixels in (("images", np.full((32, 32, 3), 9 * i)), ("masks", np.full((32, 32), i % 3))):
            (root / kind).mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels.astype(np.uint8)).save(root / kind / f"{i}.png")
    (root / "classes.txt").write_text("sky\nroad\ncar\n")


def of_another_size(root):
    Image.fromarray(np.zeros((30, 32), np.uint8)).save(root / "masks" / "5.png")
    return "masks/5.png of 30x32"


def of_an_unknown_class(root):
    Image.fromarray(np.full((32, 32), 3, np.uint8)).save(root / "masks" / "5.png")
    return "masks/5.png"


def missing(root):
    (root / "masks" / "5.png").unlink()
    return "images/5.png, and no 5.png"


def a_photograph(root):
    Image.fromarray(np.zeros((32, 32, 3), np.uint8)).save(root / "masks" / "5.jpg", "JPEG")
    (root / "masks" / "5.png").unlink()
    return "masks/5.jpg, which is JPEG"


def damaged(root):
    (root / "masks" / "5.png").write_bytes(b"no image")
    return "masks/5.png"


@pytest.mark.parametrize("fault", [of_another_size, of_an_unknown_class, missing, a_photograph, damaged])
def test_a_fault_of_the_data_is_one_line_before_anything_is_written(fault, zygote, tmp_path):
    write_folder(tmp_path / "data")
    named = fault(tmp_path / "data")
    flags = (
        "--config=configs/camvid.py:smoke",
        f"--config.data.name=folder:{tmp_path / 'data'}",
        "--config.batch_size=2",
    )
    status, out, err = zygote.run("odtf-train", *flags, f"--workdir={tmp_path / 'run'}")
    assert (status, out) == (2, ""), err
    (line,) = err.strip().splitlines()
    assert named in line and "Received: " in line
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--config.task.loss=huber", "loss is one of"),
        ("--config.task.class_weights=squares", "class_weights is None"),
        ("--config.task={'name': 'segmentation', 'class_weights': [1.0, 2.0]}", "one number for each of 11 classes"),
        ("--config.network={'name': 'encoder_decoder', 'stride': 3}", "power of 2"),
        ("--config.data.name=digits", "Data must have the targets"),
        ("--config.data.augment.scale=(2.0, 1.0)", "in this order"),
    ],
)
def test_what_a_config_says_wrongly(flag, message, zygote, tmp_path):
    status, _, err = zygote.run("odtf-train", "--config=configs/camvid.py:smoke", f"--workdir={tmp_path / 'run'}", flag)
    assert status == 2 and message in err
    assert len(err.strip().splitlines()) == 1 and not (tmp_path / "run").exists()
