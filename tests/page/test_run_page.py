"""The page of a run, made of records that no training wrote."""

import json
import pathlib
import re

import pytest

from odtf import launches, runs, sealed
from odtf.candidates import kept
from odtf.page import run_page
from odtf.training.config import default_config, to_json

METRIC = {"metric": "top1", "title": "top-1", "better": "max", "share": True, "agreement": {"share": True}}


def peer(name, value):
    network = {"name": "plain_cnn", "widths": [4, 8]}
    values = {"val_top1": value, "test_top1": value - 0.01, "last_val_top1": value, "last_test_top1": value - 0.02}
    return {"name": name, "params": 12_345, "macs": 6_789, "network": network, **values}


def candidate(name, quantization, value, size, target="soc"):
    row = {"target": target, "peer": name, "quantization": quantization, "made_with": {}, "notes": [], "sha256": ""}
    costs = {"bytes": size, "cycles": None, "sram_bytes": None, "arena_bytes": size, "macs": size, "latency_us": 1.5}
    return {**row, "val_top1": value, "agreement": 1.0, **costs}


@pytest.fixture
def workdir(tmp_path):
    config = to_json(default_config())
    peers = [peer("peer_0", 0.75), peer("peer_1", 0.875)]
    export = {"path": "export/soc/student_int8.tflite", "target": "soc", "quantization": "int8", "bytes": 25_728}
    export |= {"test_top1": 0.86, "agreement": 0.97, "latency_us_p50": 26.9}
    export |= {"vela": {"cycles": 91_234, "sram_bytes": 13_579}}
    report = {
        "config": config,
        "method": "DeepMutualLearning",
        "task": {"name": "classification", **METRIC},
        "dataset": "digits",
        "remarks": ["passed over in photos: 1 .txt"],
        "seed": 7,
        "peers": peers,
        "teacher": {"val_top1": 0.9, "test_top1": 0.89, "last_test_top1": 0.89},
        "student": {**peers[1], "epoch": 2, "step": 20, "sha256": None},
        "exports": [export],
        "seconds": {"train": 12.0, "export": 1.0},
        "disagreement": {"peer_0-peer_1": 0.125},
    }
    sealed.write(tmp_path / "config.json", config)
    sealed.write(tmp_path / "report.json", report)
    log = []
    for epoch in (1, 2):
        step = {"step": 10 * epoch}
        networks = {f"{name}/top1": 0.4 * epoch for name in ("peer_0", "peer_1", "teacher")}
        log.append({**step, "kind": "train", "loss": 2.0 / epoch, "peer_0/supervised": 1.0 / epoch})
        log.append({**step, "kind": "validation", "epoch": epoch, **networks})
    (tmp_path / "log.jsonl").write_text("\n".join(map(json.dumps, log)))
    return tmp_path


def written(workdir, **options):
    path = workdir / "report.html"
    said = run_page.write(runs.Run(workdir), path, **options)
    assert said == str(path)
    return path.read_text("utf-8")


def test_ratios_to_teachers_and_pictures_that_cannot_be_read(workdir):
    report = json.loads((workdir / "report.json").read_text())
    wide = {**peer("wide", 0.9), "params": 123_450, "macs": 13_578, "role": "teacher"}
    report = {key: value for key, value in report.items() if key != "digest"} | {"peers": [*report["peers"], wide]}
    sealed.write(workdir / "report.json", report)
    (workdir / "pictures").mkdir()
    (workdir / "pictures" / "epoch-00003.png").write_bytes(b"no picture")
    text = text_of(written(workdir, max_examples=0))
    # Ten times the parameters; of the file, 4 * 123,450 / 25,728.
    assert "than parameters MACs smallest file wide 10.0 x 2.0 x 19.2 x" in text
    assert "wide (teacher)" in text and "1 images were left out" in text


def text_of(page):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


def test_the_records_are_all_there(workdir, monkeypatch):
    monkeypatch.setattr("sys.argv", ["/usr/bin/odtf-train", "--config=digits", "--workdir=a b"])
    launches.note(workdir, ["1 x CPU"])
    choice = {"target": "soc", "budget": {"bytes": 1500}, "peer": "peer_0", "quantization": "int8"}
    rows = [candidate("peer_0", "int8", 0.7, 1000), candidate("peer_1", "int8", 0.8, 2000)]
    kept.save(workdir / "export", rows, choice)
    page = written(workdir, max_examples=0)
    text = text_of(page)
    for part in (
        *("DeepMutualLearning on digits", "peer_1 (student)", "teacher", "12,345", "6,789", "87.50%", "86.50%"),
        *("25,728", "91,234", "13,579", "27 us", "86.00%", "0.97", "peer_0-peer_1", "12.50%"),
        *("odtf-train --config=digits &#39;--workdir=a b&#39;", "1 x CPU", "peer_0 int8 (chosen)"),
        *("Passed over in photos: 1 .txt.", "network.name", "supervised", "whole loss"),
    ):
        assert part in text, part
    # Quality, the whole loss, a term, and what candidates are known to cost: bytes, arena, MACs, latency.
    assert page.count("<svg") == 1 + 2 + 4
    assert len(page) < 500_000


def test_curves_are_of_every_network_and_the_teacher(workdir):
    page = written(workdir, max_examples=0)
    quality = page[page.index("<svg") : page.index("</svg>")]
    for name in ("peer_0", "peer_1", "teacher", "chosen", "top-1", "epoch"):
        assert f">{name}</text>" in quality, name


def test_a_run_whose_data_are_gone_has_a_page_that_says_so(workdir):
    config = to_json(default_config())
    config["data"]["name"] = "folder:/nowhere"
    sealed.write(workdir / "config.json", config)
    text = text_of(written(workdir))
    assert "Not shown: " in text and "/nowhere" in text and "12,345" in text


def test_a_report_of_before_the_keys_were_there_has_a_page(workdir):
    report = json.loads((workdir / "report.json").read_text())
    for key in ("digest", "task", "disagreement", "seed", "config", "remarks"):
        del report[key]
    report["teacher"] = None
    report["exports"] = [{"path": "export/soc/student_int8.tflite"}]
    (workdir / "report.json").write_text(json.dumps(report))
    (workdir / "log.jsonl").unlink()
    text = text_of(written(workdir, max_examples=0))
    assert "87.50%" in text and "not recorded" in text


def test_the_command_writes_it_beside_the_report(workdir, zygote):
    status, out, err = zygote.run("odtf-report", f"--workdir={workdir}", "--max_examples=0")
    assert (status, out, err) == (0, f"{workdir / 'report.html'}\n", "")
    status, out, _ = zygote.run("odtf-report", f"--workdir={workdir}", "--max_examples=0", f"--out={workdir}/x.html")
    assert status == 0 and pathlib.Path(out.strip()).read_text() == (workdir / "report.html").read_text()


@pytest.mark.parametrize(
    ("flags", "wanted"),
    [
        ((), "takes --workdir, a run, or --json, a comparison. Received: nothing."),
        (("--workdir=a", "--json=b"), "Received: both."),
        (("--workdir=/nowhere",), "holds no finished run"),
        (("--json=/nowhere.json",), "must be what odtf-compare wrote. Received: /nowhere.json"),
        (("--json=$workdir/report.json",), "must be what odtf-compare wrote: it must have the keys seeds"),
        (("--workdir=$workdir", "--out=$workdir"), "--out must name a file, not a directory"),
    ],
)
def test_what_cannot_be_shown_is_one_line(flags, wanted, workdir, zygote):
    status, out, err = zygote.run("odtf-report", *(flag.replace("$workdir", str(workdir)) for flag in flags))
    assert (status, out) == (2, "") and wanted in err and err.count("\n") == 1
    assert not (workdir / "report.html").exists()
