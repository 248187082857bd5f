"""config.json and report.json of a workdir: damage is one line that names the file, or mended with a word."""

import json
import random

import pytest

from odtf import runs, sealed
from odtf.errors import UserError
from odtf.run_records import earlier_report
from odtf.training import data_record
from odtf.training.config import default_config, to_json
from odtf.training.report import render

PEER = {"name": "peer_0", "params": 10, "macs": 20, "val_top1": 0.5, "test_top1": 0.5}
REPORT = {
    "config": to_json(default_config()),
    "method": "Solo",
    "peers": [PEER, {**PEER, "name": "peer_1"}],
    "teacher": None,
    "student": {**PEER, "step": 20, "epoch": 2},
    "exports": [{"path": "export/soc/student_int8.tflite"}],
    "seconds": {"train": 1.0, "export": 0.5},
}


@pytest.fixture
def workdir(tmp_path):
    sealed.write(tmp_path / "config.json", REPORT["config"])
    sealed.write(tmp_path / "report.json", REPORT)
    return tmp_path


def without_digest(path, change=lambda text: text):
    """Makes a record one of before there were digests."""
    record = json.loads(path.read_text())
    del record["digest"]
    path.write_text(change(json.dumps(record)))


def test_both_are_read_with_and_without_digests(workdir):
    for _ in range(2):
        assert to_json(runs.read_config(workdir)) == REPORT["config"]
        assert runs.read_report(workdir) == REPORT
        for path in workdir.iterdir():
            if "digest" in json.loads(path.read_text()):
                without_digest(path)


@pytest.mark.parametrize("name", ["config", "report"])
def test_flipped_bits_are_one_line_or_change_nothing(name, workdir):
    """A sample of all bits; with a digest and, where the form shows it, without."""
    path = workdir / f"{name}.json"
    if name == "config":
        (workdir / "report.json").unlink()
    read = {"config": lambda: to_json(runs.read_config(workdir)), "report": lambda: runs.read_report(workdir)}[name]
    before, draw = read(), random.Random(0)
    content = path.read_bytes()
    for has_digest in (True, False):
        path.write_bytes(content)
        if not has_digest:
            without_digest(path)
        content = path.read_bytes()
        for _ in range(60):
            damaged = bytearray(content)
            damaged[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
            path.write_bytes(damaged)
            try:
                found = read()
            except UserError as error:
                assert str(path) in str(error) and "\n" not in str(error)
            else:
                assert not has_digest or found == before or b'"digest"' not in damaged


def test_the_config_of_a_finished_run_is_found_in_its_report(workdir, capsys):
    (workdir / "config.json").write_text("[]")
    assert to_json(runs.read_config(workdir)) == REPORT["config"]
    assert "config.json is damaged; the config in report.json" in capsys.readouterr().out
    runs.claim(workdir, default_config())  # As the same odtf-train does, which so mends it.
    assert sealed.read(workdir / "config.json", {}, "") == REPORT["config"]


def test_the_config_of_no_other_run_is_taken_for_it(workdir):
    (workdir / "config.json").write_text("[]")
    (workdir / "report.json").write_text((workdir / "report.json").read_text().replace('"seed": 0', '"seed": 1'))
    with pytest.raises(UserError, match=r"config\.json is damaged: it must have the keys network, method, data"):
        runs.read_config(workdir)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"domains": []', '"domains": [["a"]]', r"data\.domains\[0\] must have the keys name"),
        ('"domains": []', '"domains": 3', r"data\.domains must be a list"),
        ('"epochs": 1', '"epochs": "1"', "epochs must be of the type int"),
        ('"epochs": 1', '"epochr": 1', None),  # It has the default, and the task, which judges it, an argument more.
        ('"schedule": {', '"schedule": 3, "x": {', "schedule.factor must be of the type float"),
        ('"learning_rate": 0.1', '"learning_rate": "a"', "schedule.learning_rate must be of the type float"),
        ('"name": "cifar_resnet"', '"nane": "cifar_resnet"', "network must have the keys name"),
        ('"task": {"name": "classification"}', '"task": 3, "label_smoothing": 0.1', "no config can be made of it"),
    ],
)
def test_a_config_of_before_is_judged_by_its_form(old, new, message, workdir):
    (workdir / "report.json").unlink()
    path = workdir / "config.json"
    without_digest(path, lambda text: text.replace(old, new))
    assert new in path.read_text()
    if message is None:
        assert runs.read_config(workdir).task.epochr == 1
        return
    with pytest.raises(UserError, match=rf"config\.json is damaged: {message}"):
        runs.read_config(workdir)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"student": {"name": "peer_0"', '"student": {"name": "peer_9"', "its student must be one of peer_0, peer_1"),
        ('"step": 20', '"stdp": 20', "student must have the keys name, step, epoch"),
        ('"path"', '"pbth"', r"exports\[0\] must have the keys path"),
        ('"train": 1.0', '"train": null', "seconds.train must be of the type float"),
    ],
)
def test_a_report_of_before_is_judged_by_its_form(old, new, message, workdir):
    path = workdir / "report.json"
    without_digest(path, lambda text: text.replace(old, new))
    assert new in path.read_text()
    with pytest.raises(UserError, match=rf"report\.json is damaged: {message}.*odtf-train .* makes it anew"):
        runs.read_report(workdir)


FIGURES = {f"{key}_top1": 0.5 for key in ("val", "test", "last_test")}
ROW = {
    "path": "x.tflite",
    "target": "soc",
    "quantization": "int8",
    "bytes": 1,
    "agreement": None,
    "latency_us_p50": 1.0,
}
WHOLE = {
    **REPORT,
    "task": {"name": "classification", "metric": "top1", "title": "top-1", "better": "max", "share": True},
    "peers": [{**PEER, **FIGURES}],
    "student": {**PEER, **FIGURES, "step": 20, "epoch": 2},
    "teacher": FIGURES,
    "exports": [{**ROW, **FIGURES}],
}


@pytest.mark.parametrize(
    ("part", "key", "message"),
    [
        ("task", "metric", "task must have the keys metric"),
        ("peers", "last_test_top1", r"peers\[0\] must have the keys params, macs, val_top1, test_top1, last_test_top1"),
        ("teacher", "val_top1", "teacher must have the keys val_top1"),
        ("exports", "target", r"exports\[0\] must have the keys agreement, target"),
    ],
)
def test_a_figure_that_tables_show_is_missed_where_a_report_is_read(part, key, message, workdir):
    """Whoever takes it out may give the rest a digest that is right."""
    sealed.write(workdir / "report.json", WHOLE)
    assert render(runs.read_report(workdir))
    report = json.loads(json.dumps(WHOLE))
    holder = report[part][0] if isinstance(report[part], list) else report[part]
    del holder[key]
    sealed.write(workdir / "report.json", report)
    with pytest.raises(UserError, match=rf"report\.json is damaged: {message}"):
        runs.read_report(workdir)


@pytest.mark.parametrize("agreement", [1e30, 0, "", [], {}, {"share": 1}])
def test_how_agreement_is_shown_is_a_mapping_or_none(agreement, workdir):
    for right in (None, {"share": False}):
        sealed.write(workdir / "report.json", {**WHOLE, "task": {**WHOLE["task"], "agreement": right}})
        assert render(runs.read_report(workdir))
    sealed.write(workdir / "report.json", {**WHOLE, "task": {**WHOLE["task"], "agreement": agreement}})
    with pytest.raises(UserError, match=r"report\.json is damaged: task\.agreement"):
        runs.read_report(workdir)


@pytest.mark.parametrize(
    ("part", "key"), [("peers", "macs"), ("teacher", "params"), ("teacher", "macs"), ("exports", "agreement")]
)
def test_a_figure_that_tables_show_is_a_number(part, key, workdir):
    report = json.loads(json.dumps({**WHOLE, "teacher": {**FIGURES, "params": 1, "macs": None}}))
    sealed.write(workdir / "report.json", report)
    assert render(runs.read_report(workdir))
    (report[part][0] if isinstance(report[part], list) else report[part])[key] = "many"
    sealed.write(workdir / "report.json", report)
    with pytest.raises(UserError, match=rf"report\.json is damaged: {part}\S*{key} must be of the type"):
        runs.read_report(workdir)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda record: record.pop("names"), "it must have the keys name, names"),
        (lambda record: record.update(names=[3]), r"names\[0\] must be of the type str"),
        (lambda record: record["splits"].update(test=3), r"splits\[1\] must be a mapping"),
        (lambda record: record.update(domains=[{}]), r"domains\[0\] must have the keys name"),
    ],
)
def test_a_record_of_data_is_judged_by_its_form_too(change, message, tmp_path):
    record = {"name": "a", "names": ["x"], "image_shape": [8, 8, 1], "mean": [0.5], "std": [1]}
    record |= {"splits": {"train": {}, "test": {}}, "domains": []}
    data_record.write(tmp_path, record)
    assert data_record.read(tmp_path) == record
    change(record)
    data_record.write(tmp_path, record)
    with pytest.raises(UserError, match=rf"data\.json is damaged: .*{message}.*Received: "):
        data_record.read(tmp_path)


def test_a_record_that_is_nested_deeper_than_python_reads_is_damaged(tmp_path):
    (tmp_path / "data.json").write_text("[" * 100_000)
    with pytest.raises(UserError, match=r"data\.json is damaged: .*nested too deeply"):
        data_record.read(tmp_path)


def test_a_damaged_report_is_made_anew_with_a_word(workdir, capsys):
    assert earlier_report(workdir) == REPORT
    (workdir / "report.json").write_text("{")
    assert earlier_report(workdir) is None
    assert "report.json is damaged and made anew" in capsys.readouterr().out
    (workdir / "report.json").unlink()
    assert earlier_report(workdir) is None
    assert capsys.readouterr().out == ""
