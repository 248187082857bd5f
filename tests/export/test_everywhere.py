"""One command for every target: what a workdir gets, and what it says of the targets that refuse."""

import contextlib
import errno
import json
import os
import types

import pytest

from odtf import export, run_exports, runs
from odtf.commands import export as command
from odtf.errors import UserError
from odtf.export import TARGETS, output, several
from odtf.runs import finished_run
from odtf.training import report as report_lib
from odtf.training.config import default_config, load_config, to_json


@pytest.fixture
def run(tmp_path, student, digits, monkeypatch):
    """The workdir of a finished run, as far as an export looks at it; targets in `run.refusing` refuse its network."""
    peer = {"name": "peer_0", "params": 1, "macs": 1}
    kept = {"target": "soc", "quantization": "int16x8", "path": "export/soc/student_int16x8.tflite"}
    report = {
        "method": "Solo",
        "dataset": "digits",
        "peers": [peer],
        "exports": [kept],
        "seconds": {"train": 1.0, "export": 0.0},
    }
    report["student"] = {**peer, "epoch": 1, "step": 20}
    (tmp_path / "config.json").write_text(json.dumps(to_json(default_config())))
    (tmp_path / "report.json").write_text(json.dumps(report))
    run = types.SimpleNamespace(path=tmp_path, calls={}, refusing=())

    def export_student(network, dataset, folder, *, target, quantization, about, **options):
        run.calls[target.name] = quantization, about
        if target.name in run.refusing:
            raise UserError(f"The {target.name} target does not run OWL")
        (path,) = export.publish(folder, {f"student_{quantization}.tflite": b"file"}, options["atomic"])
        return {"target": target.name, "quantization": quantization, "path": str(path)}

    monkeypatch.setattr(runs.Run, "dataset", digits)
    monkeypatch.setattr(runs.Run, "data_changes", ())
    monkeypatch.setattr(runs.Run, "network", lambda run, name=None, info=None: student("resnet8 line"))
    monkeypatch.setattr(several, "export_student", export_student)
    return run


def test_every_target_in_the_form_that_it_takes(run):
    report, refused = run_exports.export_everywhere(run.path)
    assert not refused
    assert [row["target"] for row in report["exports"]] == ["soc", *TARGETS]
    assert report == runs.read_report(run.path)
    chosen = {target: quantization for target, (quantization, _) in run.calls.items()}
    assert chosen == {**dict.fromkeys(TARGETS, "int8"), "phone-gpu": "float16"}
    assert (run.path / "student.keras").exists()
    about = run.calls["micro"][1]
    assert about["name"] == "peer_0"
    assert about["training"]["seed"] == 0
    assert about["training"]["method"] == "Solo, alone"


def test_a_report_from_before_02_leaves_the_network_of_a_peer_to_the_config():
    def named(arg, name):
        found = finished_run.network_before_02(load_config(f"configs/{arg}.py", "smoke"), name)
        return dict(found.items())

    assert named("mcod", "peer_1") == {"name": "cifar_resnet", "depth": 8, "width": 8}
    assert named("oem", "peer_2")["widths"] == (2, 5, 10)
    assert named("takd", "assistant_1")["widths"] == (32, 64)
    assert named("takd", "teacher")["widths"] == (32, 64, 128)
    assert named("takd", "peer_0")["widths"] == (32, 32)
    assert named("ffsd", "leader") == named("ffsd", "peer_0")


def test_refusals_stop_nobody_else(run):
    run.refusing = ("phone-gpu", "micro")
    report, refused = run_exports.export_everywhere(run.path, "int16x8")
    assert {target: str(error) for target, error in refused.items()} == {
        target: f"The {target} target does not run OWL" for target in run.refusing
    }
    written = [(row["target"], row["quantization"]) for row in report["exports"]]
    # The row that was there is replaced, since its file is.
    assert written == [(name, "int16x8") for name in TARGETS if name not in run.refusing]


@pytest.mark.parametrize(
    ("refusing", "wanted"),
    [
        (
            ("phone-gpu", "micro"),
            r"^2 of 7 targets .*; the others are written\. Received: micro, phone-gpu\.$",
        ),
        (tuple(TARGETS), r"^7 of 7 targets have no new file, for the reasons above\. Received: .*soc"),
        ((), None),
    ],
)
def test_the_command_fails_where_a_target_refuses(refusing, wanted, run, monkeypatch, capsys):
    """With UserError, that is: every command line answers it with status 2."""
    run.refusing = refusing
    monkeypatch.setattr(report_lib, "render", lambda report: "table")
    given = {"workdir": str(run.path), "target": "all"}
    monkeypatch.setattr(command, "_OF_MODEL", types.SimpleNamespace(are_given=False, refuse=lambda: None))
    for name in ("workdir", "target", "peer", "quantization", "budget", "web_library", "allow_code"):
        flag = types.SimpleNamespace(name=name, value=given.get(name))
        monkeypatch.setattr(command, f"_{name.upper()}", flag)
    with pytest.raises(UserError, match=wanted) if wanted else contextlib.nullcontext():
        command._main(["odtf-export"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["", "table"]
    assert [line for line in lines if "refused" in line] == [
        f"{target}: refused. The {target} target does not run OWL" for target in TARGETS if target in refusing
    ]


def test_one_target_that_refuses_is_an_error_and_changes_nothing(run):
    run.refusing = ("micro",)
    before = (run.path / "report.json").read_text()
    with pytest.raises(UserError, match="micro target does not run OWL"):
        run_exports.export_workdir(run.path, "micro")
    assert (run.path / "report.json").read_text() == before
    assert not (run.path / "student.keras").exists()


@pytest.mark.parametrize("place", ["student.keras", "report.json"])
def test_a_full_disk_at_the_end_leaves_nothing_new(place, run, monkeypatch):
    """Files without a row in the report would be there without a word of what they are."""
    export.publish(run.path / "export" / "soc", {"student_int8.tflite": b"before"})
    before = {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}
    replace, written = os.replace, []

    def full(source, destination):
        if destination.name == place and not written:
            written.append(destination)
            raise OSError(errno.ENOSPC, "No space left on device")
        replace(source, destination)

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(
        UserError, match=rf"Cannot write .*{place}: No space left on device\. What was there is untouched"
    ):
        run_exports.export_everywhere(run.path)
    assert written
    after = {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}
    assert after == before


def test_a_disk_that_is_full_at_the_student_leaves_nothing_new(run, monkeypatch):
    """There the file is written by Keras."""

    def full(path, *_, **__):
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(output.file_record, "write", full)
    before = sorted(run.path.rglob("*"))
    with pytest.raises(UserError, match=r"Cannot write .*student\.keras: No space left"):
        run_exports.export_everywhere(run.path)
    assert sorted(run.path.rglob("*")) == before
