"""A whole job on a store, in TensorFlow's memory, gives what it gives on a disk, bit by bit."""

import errno
import io
import json
import re

import numpy as np
import pytest
from PIL import Image

from odtf import paths, run_exports, runs, sealed, stopping, tasks, workflow
from odtf.commands import cli
from odtf.errors import UserError
from odtf.evaluation import evaluator, presentation
from odtf.evaluation.image_file import ImageFile
from odtf.models import file_record, keras_file
from odtf.page import run_page
from odtf.store_path import StorePath
from odtf.training import experiment, strategy
from odtf.training.checkpoints import Checkpoints
from tests.conftest import folder_on_store
from tests.training.test_checkpoints import assert_same, make, state, step
from tests.training.test_experiment import last_weights, small

pytestmark = pytest.mark.usefixtures("eagerly")  # Few steps of each network.
# What is another on every run: times, and what they give.
_TIMES = ("seconds", "latency_us_p50", "latency_us_p90", "images_per_second", "digest", "started")


@pytest.fixture
def store():
    """An empty folder on a store."""
    with folder_on_store("test_stores") as place:
        yield place


def put_pictures(folder):
    folder.mkdir()
    for shade in (0, 1):
        content = io.BytesIO()
        Image.fromarray(np.full((8, 8, 3), 200 * shade, np.uint8)).save(content, "png")
        (folder / f"{shade}.png").write_bytes(content.getvalue())


def config_of_job():
    config = small(epochs=2, batch_size=512)
    config.checkpoint.every_steps = 2
    config.checkpoint.keep = 2
    config.data.max_train_examples = 1024
    config.export.calibration_examples = 16
    return config


def job(workdir, monkeypatch):
    """Trains, is stopped, goes on, exports, evaluates and makes the page; returns what the evaluation gave."""
    add = experiment.Window.add

    def add_and_stop(window, number, values):
        if number == 3:
            stopping.signal.raise_signal(stopping.signal.SIGTERM)
        add(window, number, values)

    with monkeypatch.context() as patch:
        patch.setattr(experiment.Window, "add", add_and_stop)
        with pytest.raises(stopping.Stopped, match="step 3"):
            runs.train(config_of_job(), workdir, strategy.make_placement())
    runs.train(config_of_job(), workdir, strategy.make_placement())
    report = run_exports.export_workdir(workdir, "phone")
    path = paths.at(workdir) / report["exports"][0]["path"]
    result, study = evaluator.evaluate(ImageFile(path), "digits", tasks.make("classification"), max_examples=50)
    presentation.write(result, study, paths.at(workdir) / "evaluation.json")
    run_page.write(runs.Run(workdir), run_page.default_path(workdir), max_examples=20)
    return {**result, "file": None}


def timeless(value):
    """What JSON holds, without times."""
    if isinstance(value, dict):
        return {key: timeless(inner) for key, inner in value.items() if key not in _TIMES}
    return [timeless(inner) for inner in value] if isinstance(value, list) else value


def arrays(path):
    with path.open("rb") as file, np.load(file) as found:
        return {name: found[name] for name in found.files}


def test_a_job_on_a_store_is_that_on_a_disk_bit_by_bit(store, tmp_path, monkeypatch, capsys):
    on_disk, on_store = tmp_path / "run", store / "run"
    assert job(on_disk, monkeypatch) == job(str(on_store), monkeypatch)
    assert "is on a store, which has no locks" in capsys.readouterr().out
    listed = [
        sorted(
            str(path.relative_to(root)) for path in root.rglob("*") if path.is_file() and "tfevents" not in path.name
        )
        for root in (on_disk, on_store)
    ]
    assert listed[0] == listed[1] and {"report.json", "report.html", "evaluation.csv"} <= set(listed[0])
    with paths.local_copy(on_store) as here:
        one, other = last_weights(on_disk), last_weights(here)
    assert one.keys() == other.keys() and all(np.array_equal(one[name], other[name]) for name in one)
    for name in listed[0]:
        here, there = on_disk / name, on_store / name
        if name.endswith((".tflite", ".txt", ".csv")):
            assert here.read_bytes() == there.read_bytes(), name
        elif name.endswith(".npz"):
            np.testing.assert_equal(arrays(here), arrays(there))
        elif name.endswith("log.jsonl"):
            lines = [[timeless(json.loads(line)) for line in path.read_text().splitlines()] for path in (here, there)]
            assert lines[0] == lines[1] and lines[0][-1]["step"] == 4
        elif name.endswith(("report.json", "config.json", "data.json", "progress.json")):
            assert timeless(json.loads(here.read_text())) == timeless(json.loads(there.read_text())), name
    students = [keras_file.load(workdir / "student.keras") for workdir in (on_disk, on_store)]
    assert_same(*([v.numpy() for v in student.variables] for student in students))
    assert file_record.read(on_store / "student.keras") == file_record.read(on_disk / "student.keras") != {}
    assert any("tfevents" in path.name for path in (on_store / "tensorboard").rglob("*"))
    for place in (tmp_path / "pictures", store / "pictures"):
        put_pictures(place)
    file = "export/phone/student_int8.tflite"
    answers = [workflow.predict(run / file, run.parent / "pictures") for run in (on_disk, on_store)]
    assert answers[0] == answers[1] and [row["image"] for row in answers[0]] == ["0.png", "1.png"]
    # What is finished is read: by its files, and as a teacher and a start of others.
    run = runs.Run(str(on_store))
    images = np.zeros((1, *run.dataset.image_shape), np.float32)
    np.testing.assert_array_equal(run.network()(images)["logits"], runs.Run(on_disk).network()(images)["logits"])
    assert runs.teacher_digest(str(on_store)) == run.weights_digest()
    np.testing.assert_equal(runs.load_start(f"{on_store}:peer_1"), runs.load_start(f"{on_disk}:peer_1"))
    assert workflow.curves(str(on_store)).content[:4] == b"\x89PNG"
    monkeypatch.setattr(experiment.Experiment, "_train", None)
    assert runs.train(config_of_job(), str(on_store), strategy.make_placement())["student"] == run.report["student"]


# Checkpoints --------------------------------------------------------------------------------------------------------


@pytest.fixture
def saved(store):
    """A run with checkpoints of the steps 1, 2 and 3, and the state at each."""
    method, states = make(), {}
    checkpoints = Checkpoints(store, method, keep=2)
    for number in (1, 2, 3):
        step(method, number)
        checkpoints.save({"step": number, "chosen": {"step": number, "sha256": checkpoints.save_chosen(number)}})
        states[number] = state(method)
    return store, method, states


def restored(workdir):
    """The step that is found, and the state."""
    method, lines = make(seed=5), []
    progress = Checkpoints(workdir, method, log=lines.append).restore()
    return progress and progress["step"], state(method), lines


def test_a_checkpoint_counts_by_its_marker(saved):
    workdir, _, states = saved
    folder = workdir / "checkpoints"
    assert sorted(path.name for path in folder.iterdir()) == ["step-2", "step-3"]
    assert sorted(path.name for path in (workdir / "chosen").iterdir()) == ["step-2.npz", "step-3.npz"]
    found, values, lines = restored(workdir)
    assert found == 3 and lines == []
    assert_same(values, states[3])
    # One that was cut off in its writing is none, and goes with the next that is written.
    (folder / "step-3" / "progress.json").unlink()
    found, values, lines = restored(workdir)
    assert found == 2 and lines == []
    assert_same(values, states[2])


def test_a_checkpoint_that_was_cut_off_is_no_more_after_the_next(saved, monkeypatch):
    workdir, method, states = saved
    checkpoints = Checkpoints(workdir, method, keep=2)
    with monkeypatch.context() as patch:
        patch.setattr("odtf.sealed.write", cut_off)
        with pytest.raises(KeyboardInterrupt):
            checkpoints.save({"step": 4, "chosen": None})
    assert (workdir / "checkpoints" / "step-4").exists() and restored(workdir)[0] == 3
    checkpoints.save({"step": 3, "chosen": {"step": 3}})  # In place of the one that is there.
    assert sorted(path.name for path in (workdir / "checkpoints").iterdir()) == ["step-2", "step-3"]
    assert_same(restored(workdir)[1], states[3])


def test_a_store_that_does_not_answer_is_no_damage(saved, monkeypatch):
    """Else an older checkpoint would be gone on from, and a report would be made anew without its exports."""
    workdir, _, _ = saved
    (workdir / "report.json").write_text("{}")

    def silent(path):
        raise OSError(errno.EIO, "Could not resolve host", str(path))

    monkeypatch.setattr(StorePath, "read_bytes", silent)
    with pytest.raises(
        UserError, match=r"must let the checkpoint of step 3 be read; the same .*Could not resolve host"
    ):
        restored(workdir)
    with pytest.raises(OSError, match="Could not resolve host") as error:
        runs.earlier_report(workdir)
    line = (
        r"^A store must be there and let itself be used. Received: ram://test_stores/report\.json: Could not resolve "
    )
    assert re.match(line, str(cli._of_path(error.value)))
    monkeypatch.undo()
    (workdir / "report.json").write_text("cut")
    with pytest.raises(sealed.Damaged):
        runs.read_report(workdir)


def cut_off(path, record):
    raise KeyboardInterrupt
