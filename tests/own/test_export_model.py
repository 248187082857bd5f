"""Keras models that know nothing of odtf, exported by the real command and by the function behind it."""

import hashlib
import json
import pathlib

import keras
import numpy as np
import pytest
from keras import layers

from odtf import data, export, models, quantization
from odtf.candidates import measurement
from odtf.errors import UserError
from odtf.model_exports import export_model
from odtf.models import file_record
from odtf.tasks import Classification, Segmentation
from tests.own.keras_files import BAD, ORDER, SAID, digits, learned, make_bare, make_scaled, write_bad, write_labels


@pytest.fixture(scope="module")
def bare():
    return make_bare()


@pytest.fixture(scope="module")
def folder(tmp_path_factory, bare):
    """The files of models, good and bad, and of labels."""
    folder = tmp_path_factory.mktemp("models")
    bare.save(folder / "bare.keras")
    make_scaled(bare).save(folder / "scaled.keras")
    write_labels(folder)
    write_bad(folder)
    return folder


def test_a_model_of_plain_keras_becomes_files_for_every_target(zygote, folder, bare, tmp_path):
    flags = (f"--model={folder}/scaled.keras", "--data=digits", f"--labels={folder}/labels.txt")
    status, out, err = zygote.run("odtf-export", *flags, "--target=all", f"--output={tmp_path}/out")
    assert status == 0, err
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(export.TARGETS)
    images, labels = digits("test")
    answers = bare.predict(images / 127.5 - 1, verbose=0).argmax(-1)
    assert np.mean(answers == 9 - labels) > 0.9
    for target in export.TARGETS:
        (file,) = (path for path in (tmp_path / "out" / target).glob("student_*.tflite") if "vela" not in path.name)
        content = file.read_bytes()
        assert str(file) in out
        assert (file.parent / "labels.txt").read_text().split() == ORDER
        found = (
            export.Runner(content).predict(images.repeat(3, -1) if export.TARGETS[target].rgb else images).argmax(-1)
        )
        assert np.mean(found == answers) > 0.97
        report = json.loads((file.parent / "verification.json").read_text())
        assert report["sha256"] == hashlib.sha256(content).hexdigest()
        (accuracy,) = (check for check in report["checks"] if check.get("split") == "test")
        assert accuracy["top1"] == pytest.approx(np.mean(found == 9 - labels)) and accuracy["agreement"] > 0.97
        card = (file.parent / "MODEL_CARD.md").read_text()
        assert "scaled.keras, a Keras model that was trained elsewhere" in card
        assert "Validation chose" not in card and "is not known here" in card


def test_pixels_and_classes_are_known_from_a_record_or_said_or_refused(folder, tmp_path):
    options = {"quantization": "int8", "calibration_examples": 64}
    for missing, words in (("labels", "order of its classes must be said"), ("pixels", "range of its pixels must be")):
        with pytest.raises(UserError, match=words):
            export_model(folder / "bare.keras", "digits", tmp_path / "out", **{**SAID, missing: None})
    assert not (tmp_path / "out").exists()
    ((row,), _) = export_model(folder / "bare.keras", "digits", tmp_path / "said", **SAID, **options)
    recorded = tmp_path / "recorded.keras"
    recorded.write_bytes((folder / "bare.keras").read_bytes())
    file_record.write(recorded, ORDER, [0.5], [0.5])
    ((same,), refused) = export_model(recorded, data.load("digits"), tmp_path / "recorded", **options)
    assert same["sha256"] == row["sha256"] and row["test_top1"] > 0.9 and not refused
    keras.models.load_model(recorded)  # Which passes over what it does not know.
    for said, words in ({"labels": ORDER[::-1]}, "records the order"), ({"pixels": "0..1"}, "records other pixels"):
        with pytest.raises(UserError, match=words):
            export_model(recorded, "digits", tmp_path / "out", **said)


def test_the_student_of_a_run_is_exported_by_itself(bare, tmp_path):
    dataset = data.load("digits")
    network = keras.Model(bare.input, {"logits": bare.layers[-2].output})
    path = export.save_student(network, tmp_path / "student.keras", info=dataset.info)
    assert file_record.read(path) == {
        "names": list(dataset.names),
        "mean": list(dataset.mean),
        "std": list(dataset.std),
        "pixels": "0..255",
    }
    _, seen, fed = export.read_model(path, dataset, Classification())
    assert (fed.mean, fed.std, fed.names) == (dataset.mean, dataset.std, dataset.names)
    assert not any(isinstance(layer, layers.Rescaling) for layer in seen.layers)
    # As before 0.2, when it took normalised images: the same file, byte for byte.
    former = tmp_path / "former" / "student.keras"
    former.parent.mkdir()
    models.deploy(network).save(former)
    file_record.write(former, dataset.names, dataset.mean, dataset.std)
    options = {"quantization": "int8", "calibration_examples": 64}
    rows = [export_model(file, dataset, file.parent / "out", **options)[0][0] for file in (path, former)]
    assert rows[0]["sha256"] == rows[1]["sha256"] and rows[0]["test_top1"] == rows[1]["test_top1"]
    with pytest.raises(UserError, match=r"records other pixels, 0\.\.255"):
        export_model(path, dataset, tmp_path / "out", pixels="0..1")


def test_trained_ranges_become_those_of_the_int8_file(bare, tmp_path):
    aware = quantization.quantization_aware(bare, input_range=(-1.004, 1.004))
    learned(aware, digits()[0] / 127.5 - 1, epochs=2)
    aware.save(tmp_path / "aware.keras")
    ((row,), _) = export_model(tmp_path / "aware.keras", "digits", tmp_path, **SAID)
    assert row["calibration"] == "training" and row["test_top1"] > 0.9
    images, _ = digits("test")
    wanted = aware.predict(images / 127.5 - 1, verbose=0)
    runner = export.Runner(pathlib.Path(row["path"]).read_bytes())
    logits = keras.Model(aware.input, aware.layers[-2].output).predict(images / 127.5 - 1, verbose=0)
    step = runner.output["quantization"][0]
    assert np.mean(np.abs(runner.predict(images) - logits) < 1.01 * step) > 0.95
    # An app gets one softmax, not one of another.
    ((row,), _) = export_model(tmp_path / "aware.keras", "digits", tmp_path, target="phone", **SAID)
    scores = export.Runner(pathlib.Path(row["path"]).read_bytes()).predict(images.repeat(3, -1))
    assert np.mean(np.abs(scores - wanted)) < 0.01 and row["ops"]["SOFTMAX"] == 1
    with pytest.raises(UserError, match="is exported as int8"):
        export_model(tmp_path / "aware.keras", "digits", tmp_path, target="phone-gpu", **SAID)


def test_a_budget_chooses_among_the_quantisations(bare, tmp_path, monkeypatch):
    monkeypatch.setattr(measurement, "LATENCY_ROUNDS", 1)
    said = []
    options = {**SAID, "target": "soc", "log": said.append, "calibration_examples": 64}
    ((row,), _) = export_model(bare, "digits", tmp_path, budget="bytes=64K", **options)
    written = json.loads((tmp_path / "candidates.json").read_text())
    assert {each["quantization"] for each in written["candidates"]} == {"int8", "int16x8"}
    (chosen,) = (each for each in written["candidates"] if each["quantization"] == written["choice"]["quantization"])
    assert chosen["sha256"] == row["sha256"] and chosen["val_top1"] == row["val_top1"]
    assert max(each["val_top1"] for each in written["candidates"]) == row["val_top1"]
    assert (tmp_path / "soc" / f"student_{row['quantization']}.tflite").is_file()
    with pytest.raises(UserError, match="bytes binds"):
        export_model(bare, "digits", tmp_path, budget="bytes=10", **options)
    assert sum("..." in line for line in said) == 2, "measured again"


def test_a_model_of_another_task_answers_as_that_task_does(tmp_path):
    keras.utils.set_random_seed(0)
    dataset = data.load("digit_scenes", image_size=24, targets=Segmentation.targets, max_train_examples=64)
    image = keras.Input((24, 24, dataset.image_shape[-1]))
    x = layers.Conv2D(8, 3, padding="same", activation="relu")(image)
    model = keras.Model(image, layers.Conv2D(len(dataset.names), 1, activation="softmax")(x))
    options = {"labels": list(dataset.names)[::-1], "pixels": "0..1", "task": Segmentation()}
    ((row,), _) = export_model(model, dataset, tmp_path, **options)
    images, masks = dataset.splits["test"].take(np.arange(len(dataset.splits["test"])))
    found = len(dataset.names) - 1 - export.Runner(pathlib.Path(row["path"]).read_bytes()).predict(images).argmax(-1)
    counts = masks != 255
    assert row["test_pixel_accuracy"] == pytest.approx(np.mean(found[counts] == masks[counts]))
    assert "SOFTMAX" not in row["ops"]


@pytest.mark.parametrize("name", BAD)
def test_bad_models_are_refused_in_one_line_and_nothing_is_written(name, folder, tmp_path, monkeypatch):
    # Code that a file names is found, and would leave a trace.
    monkeypatch.chdir(tmp_path)
    (tmp_path / "somebody.py").write_text("import pathlib\npathlib.Path('HARM').touch()\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UserError) as caught:
        export_model(folder / f"{name}.keras", "digits", tmp_path / "out", target="all", **SAID)
    line = str(caught.value)
    assert "\n" not in line and all(words in line for words in BAD[name]), line
    assert [path.name for path in tmp_path.iterdir()] == ["somebody.py"]


MODEL = ("--model=$/bare.keras", "--data=digits", "--labels=$/labels.txt", "--pixels=-1..1")


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (("--model=$/lambda.keras",), "Received: Lambda of keras.layers"),
        (("--model=$/absent.keras",), "--model is a file.*absent"),
        (("--model=$/labels.txt",), "A .keras file is needed"),
        (("--labels=$/nine.txt",), "Received: 9 names, without 0"),
        (("--labels=$/gap.txt",), "whose line 4 is empty"),
        (("--labels=$/absent.txt",), "--labels is a file"),
        (("--pixels=0..2",), "--pixels=0..2"),
        (("--mean=0.5", "--std=0.5"), "--pixels says what --mean and --std would say"),
        (("--data=folder:/nowhere",), "/nowhere"),
        (("--data=",), "--data is required"),
        (("--output=",), "--output is required"),
        (("--workdir=x",), "--model is no run: leave --workdir out"),
        (("--peer=x",), "--model is no run: leave --peer out"),
        (("--allow_code",), "--model is no run: leave --allow_code out"),
        (("--quantization=float16",), "soc target takes int8 or int16x8"),
        (("--budget=size=5",), "A budget is NAME=NUMBER"),
        (("--budget=bytes=10", "--target=all"), "--budget chooses for one target"),
        (("--task=telepathy",), "'telepathy'"),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_bad_flags_are_refused_in_one_line_and_nothing_is_written(zygote, folder, tmp_path, changed, words):
    flags = [flag.replace("$", str(folder)) for flag in (*MODEL, f"--output={tmp_path}/out", *changed)]
    status, _, err = zygote.run("odtf-export", *flags)
    (line,) = err.splitlines()
    assert status == 2 and all(part in line for part in words.split(".*")), line
    assert not (tmp_path / "out").exists()
