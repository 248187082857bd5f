"""What goes beside a file when its target's own tools prove it: model card, verification report, Vela's file."""

import ast
import json
from pathlib import Path

import keras
import numpy as np
import pytest

from odtf import export, tasks
from odtf.data import framing
from odtf.export import PHONE, TARGETS, VerificationError, proofs, publish_student
from odtf.export import student as student_module
from odtf.export.c_array import resolver_name
from odtf.export.rules import check_limits
from odtf.tasks import Answer, Classification, clients
from odtf.tflite import flatbuffer, metadata_reader, micro_interpreter
from odtf.tflite.arena import arena

KIND = "od_cheap depthwise"
PHONE_GPU = TARGETS["phone-gpu"]
ABOUT = {"name": "peer_3", "training": {"method": "mutual learning of 4", "seed": 7}, "cost": "13,802 parameters"}
NPU = {"accelerator": "ethos-u55-128", "cycles": 32_504, "macs": 217_536}
NPU |= {"sram_bytes": 5_344, "flash_bytes": 20_288, "dram_bytes": 0}


@pytest.fixture
def published(student, digits, converted, tmp_path):
    """Function from (target, conversion) to (row, folder, report) of a file with its card, without converting anew."""

    def publish(target, conversion=("soc", "int8"), **options):
        folder = tmp_path / "out"
        row = publish_student(
            converted(KIND, *conversion),
            student(KIND),
            digits,
            folder,
            target=target,
            quantization=conversion[1],
            about=ABOUT,
            **options,
        )
        return row, folder, json.loads((folder / "verification.json").read_text())

    return publish


def _checks(report):
    return {(check["check"], check.get("split")): check for check in report["checks"]}


def test_card_and_report_say_what_the_row_says(published):
    row, folder, report = published("soc")
    assert (report["bytes"], report["sha256"]) == (row["bytes"], row["sha256"])
    checks = _checks(report)
    assert all(check["passed"] for check in report["checks"])
    assert checks["accuracy", "test"]["top1"] == row["test_top1"]
    assert checks["accuracy", "validation"]["student_top1"] == row["student_val_top1"]
    assert checks["operators", None]["operators"] == row["ops"]
    card = (folder / "MODEL_CARD.md").read_text()
    for said in ("peer_3", "mutual learning of 4", "13,802 parameters", f"{row['bytes']:,} bytes", row["sha256"]):
        assert said in card
    for key in ("test_top1", "student_test_top1", "val_top1", "student_val_top1"):
        assert f"{row[key]:.2%}" in card
    assert "| `image` | int8 | 1 x 8 x 8 x 1 | (stored + 128) |" in card
    assert "pixels[i] - 128" in card
    taken = arena((folder / "student_int8.tflite").read_bytes())
    assert f"constexpr int ARENA_BYTES = {taken['bytes']};" in card
    assert f"{taken['bytes']:,} bytes, {taken['head_bytes']:,} for activations and {taken['tail_bytes']:,} for" in card
    for operator in row["ops"]:
        assert f"resolver.{resolver_name(operator)}() == kTfLiteOk &&" in card
    assert {path.name for path in folder.iterdir()} == {
        *("MODEL_CARD.md", "labels.txt", "student_int8.cc", "student_int8.h", "student_int8.tflite"),
        "verification.json",
    }


@pytest.mark.parametrize(
    ("resize", "words"), [("crop", "Bitmap.createBitmap(bitmap, "), ("fit", "drawColor(Color.BLACK)")]
)
def test_the_way_of_images_to_their_size_is_in_the_file_and_beside_it(published, digits, monkeypatch, resize, words):
    monkeypatch.setattr(digits, "resize", resize)
    _, folder, _ = published("phone", ("phone", "int8"))
    content = (folder / "student_int8.tflite").read_bytes()
    assert metadata_reader.read_resize(content, framing.MODES) == resize
    assert metadata_reader.read(content)[1] == list(digits.names)
    card = (folder / "MODEL_CARD.md").read_text()
    assert framing.MODES[resize] in card and words in card and "BitmapImageBuilder(framed)" in card
    monkeypatch.undo()
    _, folder, _ = published("phone", ("phone", "int8"))
    assert metadata_reader.read_resize((folder / "student_int8.tflite").read_bytes(), framing.MODES) is None
    assert "framed" not in (folder / "MODEL_CARD.md").read_text()


def test_kernels_of_litert_itself(published, monkeypatch):
    found = _checks(published("phone", ("phone", "int8"))[2])["kernels", None]
    assert found["examples"] == 128
    assert 0.9 < found["agreement"] <= 1.0
    assert found["max_difference"] > 0  # They do round in other places.
    monkeypatch.setattr(proofs, "Runner", _Broken)
    with pytest.raises(VerificationError, match="answers worse by LiteRT's own kernels"):
        published("phone", ("phone", "int8"))
    monkeypatch.setattr(micro_interpreter, "available", lambda: False)
    with pytest.raises(VerificationError, match="answers worse by LiteRT's reference kernels"):
        published("micro")


class _Broken(export.Runner):
    def __init__(self, file, num_threads=1, kernels="xnnpack"):
        super().__init__(file, num_threads, kernels)
        self._sign = 1 if kernels == "xnnpack" else -1

    def predict(self, images):
        return self._sign * super().predict(images)


@pytest.mark.needs(package="ethosu")
def test_vela_compiles_what_firmware_embeds(published):
    row, folder, report = published("ethos-u65")
    compiled = (folder / "student_int8_vela.tflite").read_bytes()
    assert flatbuffer.operators(compiled) == {"CUSTOM:ethos-u": 1}
    header = (folder / "student_int8_vela.h").read_text()
    assert "resolver.AddEthosU();" in header
    assert "image, int8 1x8x8x1, value = 1 * (stored - (-128))" in header
    assert row["vela"]["accelerator"] == "ethos-u65-256"
    assert row["vela"]["cycles"] == _checks(report)["vela", None]["cycles"] > 1_000
    assert row["vela"]["bytes"] == len(compiled)
    card = (folder / "MODEL_CARD.md").read_text()
    assert f"{row['vela']['cycles']:,} cycles" in card
    # An Ethos-U65 reads its weights from DRAM.
    assert row["vela"]["flash_bytes"] == 0
    assert row["vela"]["dram_bytes"] > 10_000
    assert f"{row['vela']['dram_bytes']:,} bytes of DRAM, weights included; Vela" in card
    assert "of flash" not in card
    assert '#include "student_int8_vela.h"' in card


def test_operators_on_the_cpu_are_named_and_nothing_appears(published, monkeypatch, tmp_path):
    monkeypatch.setattr(proofs.vela, "available", lambda: True)
    monkeypatch.setattr(proofs.vela, "compiled", lambda *_: ({**NPU, "cpu_operators": ["TRANSPOSE"]}, b"compiled"))
    with pytest.raises(VerificationError, match=r"ethos-u55 target runs a network whole.*TRANSPOSE"):
        published("ethos-u55")
    assert list(tmp_path.iterdir()) == []


def test_missing_tools_are_said_and_not_pretended(published, monkeypatch):
    monkeypatch.setattr(proofs.vela, "available", lambda: False)
    monkeypatch.setattr(clients, "find_spec", lambda name: None)
    row, folder, report = published("ethos-u55")
    assert "vela" not in row
    assert row["notes"] == ["vela not compiled: Vela is not installed (pip install ethos-u-vela)"]
    assert _checks(report)["vela", None]["passed"] is None
    assert not (folder / "student_int8_vela.tflite").exists()
    row, folder, report = published("phone", ("phone", "int8"))
    assert row["notes"] == ["mediapipe not run: MediaPipe is not installed (pip install mediapipe)"]
    assert "| mediapipe | not run |" in (folder / "MODEL_CARD.md").read_text()


def test_what_vela_made_before_does_not_outlive_its_model(published, monkeypatch):
    monkeypatch.setattr(proofs.vela, "available", lambda: True)
    compiled = (published("soc")[1] / "student_int8.tflite").read_bytes()
    monkeypatch.setattr(proofs.vela, "compiled", lambda *_: ({**NPU, "cpu_operators": []}, compiled))
    folder = published("ethos-u55")[1]
    assert (folder / "student_int8_vela.cc").exists()
    assert "20,288 bytes of flash; Vela" in (folder / "MODEL_CARD.md").read_text()
    monkeypatch.setattr(proofs.vela, "available", lambda: False)
    published("ethos-u55")
    assert not [path.name for path in folder.iterdir() if "vela" in path.name]


@pytest.mark.needs(package="mediapipe")
def test_mediapipe_reads_the_labels(published, monkeypatch):
    _, folder, report = published("phone", ("phone", "int8"))
    found = _checks(report)["mediapipe", None]
    assert found["examples"] == 16
    assert found["agreement"] >= 0.9
    assert found["right"] >= 10
    assert "Delegate.CPU" in (folder / "MODEL_CARD.md").read_text()
    monkeypatch.setattr(Classification.client, "classify", lambda file, images: [("owl", 0.9)] * len(images))
    with pytest.raises(VerificationError, match=r"label 'owl', which the data set does not have"):
        published("phone", ("phone", "int8"))


def test_files_for_microcontrollers_are_run_by_reference_kernels(published, monkeypatch):
    monkeypatch.setattr(micro_interpreter, "available", lambda: False)
    _, folder, report = published("micro")
    found = _checks(report)["micro", None]
    assert found["kernels"] == "LiteRT's reference kernels" and "pip install tflite-micro" in found["tflite_micro"]
    assert found["max_difference_steps"] > 0 and found["passed"]
    card = (folder / "MODEL_CARD.md").read_text()
    assert "// estimated for reference kernels on a 64-bit machine." in card
    assert "64-bit machine, estimated" in card
    assert "measured by tflite-micro" not in card


@pytest.mark.needs(package="tflite_micro")
def test_files_for_microcontrollers_are_run_by_tflite_micro(published, monkeypatch):
    _, folder, report = published("soc")
    found = _checks(report)["micro", None]
    assert found["kernels"] == micro_interpreter.title() and found["kernels"].startswith("tflite-micro ")
    assert found["equal_to_reference"] >= 0.99
    assert f"// measured by {micro_interpreter.title()}" in (folder / "MODEL_CARD.md").read_text()


@pytest.mark.needs(package="tflite_micro")
def test_a_file_whose_scores_are_others_on_a_microcontroller_is_refused(published, monkeypatch):
    predict = proofs.MicroRunner.predict

    def shifted(self, images):
        scores = predict(self, images)
        scores[:3, :5] += self.output["quantization"][0]  # A step in 15 of 1,280 values.
        return scores

    monkeypatch.setattr(proofs.MicroRunner, "predict", shifted)
    with pytest.raises(VerificationError, match=r"in 99% of 1,280 at least\. Received: 98\.[0-9]+%"):
        published("micro")


def test_targets_share_conversions(student, digits, converted, tmp_path, monkeypatch):
    calls = []
    content = converted(KIND, "soc", "int8")
    monkeypatch.setattr(student_module, "_convert", lambda *given: calls.append(given[3].name) or content)
    memory = {}
    rows = [
        export.export_student(student(KIND), digits, tmp_path / name, target=name, memory=memory)
        for name in ("soc", "micro", "ethos-u55", "ethos-u65")
    ]
    assert calls == ["soc"]
    assert len({row["sha256"] for row in rows}) == 1
    assert [row["target"] for row in rows] == ["soc", "micro", "ethos-u55", "ethos-u65"]


def _file(layers, target, quantization):
    image = keras.Input((8, 8, 3), batch_size=1)
    outputs = keras.layers.Dense(10)(keras.layers.GlobalAveragePooling2D()(layers(image)))
    if target.finished:
        outputs = keras.layers.Softmax()(outputs)
    images = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3), np.uint8)
    return export.lean(
        export.convert(keras.Model(image, outputs), images, target, quantization, Answer("output", (1, 10)))
    )


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        (lambda x: keras.layers.Conv2D(6, 1)(keras.layers.Conv2D(4, 1)(x)), "CONV_2D to 1x8x8x6 with widths 6"),
        (
            lambda x: keras.layers.Conv2D(8, 3, groups=4)(keras.layers.Conv2D(8, 1)(x)),
            "CONV_2D to 1x6x6x8 with widths 2 and 2",
        ),
        (
            lambda x: keras.layers.Reshape((8, 8, 4))(
                keras.layers.Permute((1, 2, 4, 3))(keras.layers.Reshape((8, 8, 2, 2))(keras.layers.Conv2D(4, 1)(x)))
            ),
            "RESHAPE to 1x8x8x2x2",
        ),
    ],
    ids=["width", "group", "rank"],
)
def test_widths_and_ranks_that_a_gpu_does_not_take(layers, message):
    content = _file(layers, PHONE_GPU, "float16")
    with pytest.raises(VerificationError, match=message):
        check_limits(content, PHONE_GPU)
    check_limits(content, PHONE)


def test_no_stage_asks_which_target_it_works_for():
    """Names of targets occur where they are described, and in no comparison."""
    names = set(TARGETS) | {target.title for target in TARGETS.values()}
    for path in [*Path(export.__file__).parent.glob("*.py"), *Path(tasks.__file__).parent.rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Compare | ast.MatchValue):
                asked = {leaf.value for leaf in ast.walk(node) if isinstance(leaf, ast.Constant)}
                assert not names & {value for value in asked if isinstance(value, str)}, f"{path.name}: {asked}"
                assert not any(
                    isinstance(leaf, ast.Attribute) and leaf.attr == "name" and ast.unparse(leaf.value) == "target"
                    for leaf in ast.walk(node)
                ), path.name
