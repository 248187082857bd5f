"""From a config to a trained generator, verified files and their evaluation, through the real commands."""

import json

import numpy as np
import pytest

from odtf import data, export
from odtf.errors import VerificationError
from odtf.export.verification import verify
from odtf.runs import Run
from odtf.targets import find
from odtf.tasks import Translation
from odtf.tflite import flatbuffer
from odtf.tflite.runner import Runner


@pytest.fixture(scope="module")
def trained(zygote, tmp_path_factory):
    """Workdir and report of a run on the embedded pictures."""
    workdir = tmp_path_factory.mktemp("pictures") / "run"
    flags = "--config=configs/translation.py:smoke,method=dml", f"--workdir={workdir}"
    status, _, err = zygote.run("odtf-train", *flags, seconds=300)
    assert status == 0, err
    return workdir, json.loads((workdir / "report.json").read_text())


def test_training_reports_the_metrics_of_pictures(trained):
    workdir, report = trained
    row = {"name": "translation", "metric": "psnr", "title": "PSNR", "better": "max", "share": False}
    assert report["task"] == {**row, "agreement": {"share": False}}
    assert [peer["name"] for peer in report["peers"]] == ["peer_0", "peer_1"]
    # A picture of the mean grey level of every pixel has 9 dB.
    assert all(peer["test_psnr"] > 12.0 and 0.2 < peer["test_ssim"] < 1.0 for peer in report["peers"])
    assert report["student"]["val_psnr"] == max(peer["val_psnr"] for peer in report["peers"])
    assert '"peer_0/psnr"' in (workdir / "log.jsonl").read_text()


@pytest.fixture(scope="module")
def exported(trained):
    """The network, the data, and the rows of the run's files and of a float16 file."""
    workdir, report = trained
    run = Run(workdir)
    network, dataset = run.network(), run.dataset
    options = {"task": run.task, "target": "phone", "quantization": "float16", "max_examples": 40}
    float16 = export.export_student(network, dataset, workdir / "float16", **options)
    rows = {(row["target"], row["quantization"]): row for row in [*report["exports"], float16]}
    return network, dataset, rows, workdir


@pytest.mark.parametrize(
    ("target", "quantization", "least"), [("soc", "int8", 30.0), ("phone", "int8", 30.0), ("phone", "float16", 35.0)]
)
def test_a_file_answers_as_its_network(target, quantization, least, exported):
    network, dataset, rows, workdir = exported
    row = rows[target, quantization]
    assert row["agreement"] >= least and abs(row["test_psnr"] - row["student_test_psnr"]) < 0.5
    runner = Runner(workdir / row["path"])
    kinds = (np.uint8, np.uint8) if target == "phone" else (np.int8, np.int8)
    assert (runner.input["dtype"], runner.output["dtype"]) == kinds
    if target == "phone":
        assert runner.output["quantization"] == (1.0, 0)
    # Once more without the package's own comparison: PSNR of levels from 0 to 255.
    images, _ = dataset.splits["test"].take(np.arange(24))
    given = runner.predict(images)
    levels = given if target == "phone" else 127.5 * (given + 1.0)
    expected = 127.5 * (network(images / 127.5 - 1.0, training=False)["image"].numpy() + 1.0)
    assert 10 * np.log10(255**2 / np.mean((levels - expected) ** 2)) >= least


@pytest.mark.parametrize(("target", "quantization"), [("soc", "int8"), ("phone", "int8"), ("phone", "float16")])
def test_a_file_with_a_zeroed_channel_is_refused(target, quantization, exported):
    network, dataset, rows, workdir = exported
    content = zeroed((workdir / rows[target, quantization]["path"]).read_bytes())
    options = {"task": Translation(), "max_examples": 40, "max_drop": 100.0}
    with pytest.raises(VerificationError, match=rf"The {quantization} file (does not answer|answers worse)"):
        verify(content, network, dataset, find(target), quantization, **options)


def zeroed(content):
    """The file with the weights of the picture's one channel set to zero, those of its last convolution."""
    model = flatbuffer.unpack(content)
    graph = model.subgraphs[0]
    last = [op for op in graph.operators if flatbuffer.operator_name(model, op) == "CONV_2D"][-1]
    weights = int(last.inputs[1])
    for op in graph.operators:  # float16 weights go through a DEQUANTIZE.
        if weights in op.outputs:
            weights = int(op.inputs[0])
    assert graph.tensors[weights].shape[0] == 1
    buffer = model.buffers[graph.tensors[weights].buffer]
    buffer.data = np.zeros_like(buffer.data)
    return flatbuffer.pack(model)


def test_a_card_and_a_picture_lie_beside_a_file(trained):
    workdir, _ = trained
    card = (workdir / "export" / "phone" / "MODEL_CARD.md").read_text()
    for words in ("an image translator", "| test | PSNR | 120 |", "dB", "pixels from 0 to 255", "inputs[0].writeInt8("):
        assert words in card
    assert (workdir / "export" / "phone" / "student_int8.png").read_bytes()[:4] == b"\x89PNG"
    checks = json.loads((workdir / "export" / "phone" / "verification.json").read_text())["checks"]
    (kernels,) = (check for check in checks if check["check"] == "kernels")
    assert kernels["agreement"] > 30.0 and abs(kernels["psnr"] - kernels["psnr_without_xnnpack"]) < 0.5


def test_files_evaluate_to_the_same(trained, zygote, tmp_path):
    workdir, report = trained
    paths = {row["target"]: str(workdir / row["path"]) for row in report["exports"]}
    flags = f"--against={paths['soc']}", "--data=digit_pictures", "--task=translation", f"--json={tmp_path / 'x.json'}"
    status, out, err = zygote.run("odtf-evaluate", paths["phone"], *flags)
    assert status == 0, err
    found = json.loads((tmp_path / "x.json").read_text())
    for figures, target in ((found, "phone"), (found["against"], "soc")):
        (row,) = (row for row in report["exports"] if row["target"] == target)
        for metric in ("psnr", "ssim"):
            assert figures[metric] == pytest.approx(row[f"test_{metric}"], abs=1e-4)
    assert found["against"]["agreement"] > 30.0 and found["file"]["output"] == "an image, 0 to 255"
    assert "PSNR" in out and "dB" in out and (tmp_path / "x.png").is_file()


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--config.task={'name': 'translation', 'paired': False}", "judged by features"),
        ("--config.task.feature=x.keras", "did you mean features"),
        ("--config.method={'name': 'KDCL'}", "KDCL has no meaning"),
        ("--config.data.augment.load_size=16", "must not be smaller than the images"),
        ("--config.data.name=digits", "Data must have the targets"),
        ("--config.task.features=missing.keras", "missing.keras, which is no file"),
    ],
)
def test_what_a_config_says_wrongly(flag, message, zygote, tmp_path):
    flags = "--config=configs/translation.py:smoke", f"--workdir={tmp_path / 'run'}", flag
    status, _, err = zygote.run("odtf-train", *flags)
    assert status == 2 and message in err
    assert len(err.strip().splitlines()) == 1 and not (tmp_path / "run").exists()


def test_a_run_has_pixels_from_minus_one_to_one(exported):
    _, dataset, _, _ = exported
    assert (dataset.mean, dataset.std) == ((0.5,), (0.5,))
    images, pictures = data.TrainPipeline(dataset, batch_size=4, seed=0).batch(0)
    assert float(images.numpy().min()) == -1.0 and pictures.dtype == "uint8"
