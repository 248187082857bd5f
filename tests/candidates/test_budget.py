"""The choice by budget: its logic on made-up candidates, and one small run from training to the chosen file."""

import dataclasses
import itertools
import json
import shutil

import numpy as np
import pytest

from odtf import files, runs
from odtf.candidates import budget, kept, measurement, overview
from odtf.candidates.pool import Pool
from odtf.errors import UserError
from odtf.metrics import Accuracy, MeanAbsoluteError
from odtf.tflite import arena
from tests.export.conftest import fit

TOP1 = budget.Quality("top1", Accuracy("top-1"))


def candidate(peer, val_top1, bytes, cycles=None, macs=1000, latency_us=10.0, quantization="int8", **more):
    return {
        "peer": peer,
        "quantization": quantization,
        "val_top1": val_top1,
        "bytes": bytes,
        "cycles": cycles,
        "sram_bytes": None,
        "arena_bytes": None,
        "macs": macs,
        "latency_us": latency_us,
        **more,
    }


# Bytes, cycles and latency each rank them differently.
ROWS = [
    candidate("large", 0.98, 35_000, cycles=12_000, macs=193_000, latency_us=5.0),
    candidate("middle", 0.97, 22_000, cycles=30_000, macs=91_000, latency_us=7.5),
    candidate("small", 0.94, 14_000, cycles=9_000, macs=28_000, latency_us=9.0),
    candidate("large", 0.99, 41_000, macs=193_000, latency_us=40.0, quantization="int16x8"),
]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("bytes=65536", {"bytes": 65536}),
        ("bytes=64K", {"bytes": 65536}),
        ("bytes=1.5MiB", {"bytes": 3 * 2**19}),
        ("bytes=2e3B", {"bytes": 2000}),
        (
            "bytes=65536,cycles=250k,macs=8e6,latency_us=150",
            {"bytes": 65536, "cycles": 250_000, "macs": 8_000_000, "latency_us": 150},
        ),
        (" macs = 1_000_000 , cycles=.5M", {"macs": 1_000_000, "cycles": 500_000}),
        ("latency_us=0.25ms", {"latency_us": 250}),
        ("latency_us=2.5us,sram_bytes=1k", {"latency_us": 2.5, "sram_bytes": 1024}),
    ],
)
def test_budgets_are_read(text, wanted):
    assert budget.parse(text) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", "NAME=NUMBER.*bytes, cycles.*Received: ''"),
        ("bytes", "NAME=NUMBER.*Received: 'bytes'"),
        ("bytes=1,", "NAME=NUMBER.*Received: ''"),
        ("size=5", "NAME=NUMBER.*Received: 'size=5'"),
        ("bytes=5,bytes=6", "once.*bytes twice"),
        *((f"bytes={value}", f"positive number.*Received: bytes={value}") for value in ("0", "-5", "nan", "inf", "x")),
        *((f"bytes={value}", f"positive number.*KIB.*bytes={value}") for value in ("64KB", "1e999", "1.2.3", "K")),
        ("latency_us=5K", "US, MS, S.*latency_us=5K"),
        ("cycles=5KiB", "K, M, G.*cycles=5KiB"),
    ],
)
def test_what_is_no_budget_is_refused(text, wanted):
    with pytest.raises(UserError, match=wanted):
        budget.parse(text)


@pytest.mark.parametrize(
    ("limits", "wanted"),
    [
        ({"bytes": 100_000}, "large int16x8"),
        ({"bytes": 35_000}, "large int8"),
        ({"bytes": 34_999}, "middle int8"),
        ({"bytes": 20_000}, "small int8"),
        ({"bytes": 30_000, "cycles": 20_000}, "small int8"),
        ({"cycles": 1_000_000}, "large int8"),  # What has no cycles is not within a limit of them.
        ({"latency_us": 8.0, "macs": 100_000}, "middle int8"),
    ],
)
def test_the_most_accurate_candidate_within_all_limits_is_chosen(limits, wanted):
    for rows in itertools.permutations(ROWS):
        assert budget.name_of(budget.choose(rows, limits, TOP1)) == wanted


def test_random_choices_are_right_by_their_definition():
    random = np.random.RandomState(0)
    for _ in range(200):
        rows = [
            candidate(f"peer_{i}", random.randint(90, 95) / 100, *map(int, random.randint(1, 10, 3))) for i in range(6)
        ]
        limits = {name: int(random.randint(1, 10)) for name in ("bytes", "cycles", "macs")}
        within = [row for row in rows if all(row[name] <= limit for name, limit in limits.items())]
        if within:
            chosen = budget.choose(rows, limits, TOP1)
            assert chosen in within
            assert chosen["val_top1"] == max(row["val_top1"] for row in within)
        else:
            with pytest.raises(UserError, match="No candidate fits"):
                budget.choose(rows, limits, TOP1)


def test_ties_go_to_the_smaller_file_and_never_to_the_faster_one():
    rows = [candidate("a", 0.9, 20, latency_us=1.0), candidate("b", 0.9, 10, latency_us=9.0)]
    assert budget.choose(rows, {"latency_us": 10}, TOP1)["peer"] == "b"
    rows = [candidate("a", 0.9, 10, macs=7), candidate("b", 0.9, 10, macs=6)]
    assert budget.choose(rows, {"latency_us": 10}, TOP1)["peer"] == "b"


def explanation(limits, rows=ROWS):
    with pytest.raises(UserError) as caught:
        budget.choose(rows, limits, TOP1)
    return str(caught.value)


def test_the_constraint_that_binds_is_named_with_the_best_value_and_the_nearest_candidate():
    line = explanation({"bytes": 10_000, "macs": 100_000})
    assert "bytes binds. The least that any reaches: bytes 14,000 (small int8), macs 28,000 (small int8)." in line
    assert "The nearest is small int8, validation 94.00%, with bytes 14,000, 1.40 times the limit." in line
    assert line.endswith("Received: bytes=10,000, macs=100,000.")
    assert "bytes and cycles bind." in explanation({"bytes": 1, "cycles": 2})


def test_limits_that_only_together_are_too_tight_are_called_so():
    line = explanation({"bytes": 15_000, "latency_us": 6.0})
    assert "each limit can be met alone, but not all of them together" in line
    # 22,000 of 15,000 bytes is less over than 9.0 of 6.0 us, or 35,000 of 15,000 bytes.
    assert "nearest is middle int8, validation 97.00%, with bytes 22,000, 1.47 times" in line
    assert "latency_us 7.5, 1.25 times the limit" in line


def test_a_value_that_no_candidate_has_is_called_so():
    notes = ["Vela is not installed"]
    line = explanation({"cycles": 5, "bytes": 99_999}, [candidate("a", 0.9, 10, notes=notes)])
    assert "none has cycles; Vela is not installed" in line


def test_refused_candidates_are_never_chosen():
    refused = candidate("broken", None, None, notes=["it answers NaN"])
    assert budget.choose([refused, ROWS[2]], {"bytes": 99_999}, TOP1) is ROWS[2]
    assert "no export was accepted; it answers NaN." in explanation({"bytes": 5}, [refused])


def test_the_front_holds_what_no_other_candidate_beats():
    assert [budget.name_of(row) for row in budget.front(ROWS, "cycles", TOP1)] == ["small int8", "large int8"]
    assert [row["bytes"] for row in budget.front(ROWS, "bytes", TOP1)] == [14_000, 22_000, 35_000, 41_000]
    twins = [candidate("a", 0.9, 10), candidate("b", 0.9, 10), candidate("c", 0.9, 11), candidate("d", None, 1)]
    assert [row["peer"] for row in budget.front(twins, "bytes", TOP1)] == ["a", "b"]


def test_the_table_shows_all_candidates_and_what_was_refused(tmp_path):
    refused = candidate("broken", None, None, macs=None, latency_us=None, notes=["it answers NaN"])
    rows = [{"notes": [], **row} for row in (refused, *ROWS)]
    header, _, *lines = overview.render(rows, TOP1, rows[2]).splitlines()
    assert "SRAM" not in header, "a column that nobody has a value for"
    names = ["large int16x8", "large int8", "middle int8 (chosen)", "small int8", "broken int8"]
    assert [line.startswith(name) for line, name in zip(lines, names, strict=True)] == [True] * 5
    assert lines[-1].split() == ["broken", "int8", "refused", "-", "-", "-", "-"]
    assert lines[2].endswith("bytes, macs")
    written = overview.write(rows, TOP1, "soc", {"bytes": 30_000}, rows[2], tmp_path / "c.json")
    text = (tmp_path / "c.md").read_text()
    assert "Candidates for soc within bytes=30,000: **middle int8**." in text
    assert "| middle int8 (chosen) | 97.00% | 22,000 | 30,000 | 91,000 | 7.5 | bytes, macs |" in text
    assert "* broken int8: it answers NaN" in text
    assert (tmp_path / "c.png").stat().st_size > 5000
    assert "c.png" in written


def test_a_metric_of_which_less_is_better_turns_choice_and_front_around(tmp_path):
    error = budget.Quality("mae", MeanAbsoluteError())
    rows = [
        {**candidate(peer, None, bytes), "val_mae": value, "notes": []}
        for peer, value, bytes in (("good", 0.5, 30), ("bad", 2.25, 20), ("worse", 3.0, 25), ("refused", None, None))
    ]
    assert budget.choose(rows, {"bytes": 40}, error)["peer"] == "good"
    assert budget.choose(rows, {"bytes": 29}, error)["peer"] == "bad"
    assert [row["peer"] for row in budget.front(rows, "bytes", error)] == ["bad", "good"]
    with pytest.raises(UserError, match=r"nearest is bad int8, validation 2\.25, with bytes 20, 2\.00 times"):
        budget.choose(rows, {"bytes": 10}, error)
    header, _, *lines = overview.render(rows, error, rows[0]).splitlines()
    assert "val mean absolute error" in header
    assert [line.split()[0] for line in lines] == ["good", "bad", "worse", "refused"]
    overview.write(rows, error, "soc", {"bytes": 40}, rows[0], tmp_path / "c.json")
    assert (tmp_path / "c.png").stat().st_size > 5000


def test_candidates_of_an_earlier_version_are_read(tmp_path):
    """A row as odtf 0.2 wrote it is taken; for another task it is none."""
    made_with = {"weights": "0123456789abcdef", "calibration_examples": 256, "odtf": "0.2.0", "tensorflow": "2.21.0"}
    row = candidate("peer_0", 0.97, 22_000, sha256="ab", agreement=0.99, notes=[], target="soc", made_with=made_with)
    (tmp_path / "export").mkdir()
    path = tmp_path / "export" / "candidates.json"
    path.write_text(json.dumps({"candidates": [row], "choice": None}))
    assert kept.read(tmp_path / "export", "val_top1") == [row]
    assert kept.read(tmp_path / "export", "val_mae") == []


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A workdir as a finished training of two peers of different sizes leaves it, made without training."""
    from odtf import data, models
    from odtf.training import config

    settings = config.default_config()
    settings.export.calibration_examples = 16
    workdir = tmp_path_factory.mktemp("run")
    runs.claim(workdir, settings)
    dataset = data.load("digits")
    peers = {}
    for name, widths in (("peer_0", (4, 8)), ("peer_1", (1, 2))):
        spec = {"name": "plain_cnn", "widths": widths, "padding": "symmetric", "embedding": 0}
        peers[name] = fit(models.build(spec, (8, 8, 1), 10, seed=0, name=name), dataset)
    (workdir / "chosen").mkdir()
    (workdir / "chosen" / "step-0.npz").write_bytes(b"weights")
    rows = [{"name": name, "params": 1, "macs": 1, "network": {"name": "plain_cnn"}} for name in peers]
    student = {"name": "peer_0", "step": 0, "epoch": 1}
    report = {"method": "OnlineEnsemble", "dataset": "digits", "peers": rows, "student": student}
    files.write_json(workdir / "report.json", {**report, "exports": [], "seconds": {"train": 1, "export": 0}})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runs.Run, "network", lambda run, name=None, info=None: peers[name or run.student])
        yield workdir


def measured(workdir):
    return json.loads((workdir / "export" / "candidates.json").read_text())


def test_a_run_is_asked_twice_and_measured_once(run, monkeypatch):
    from odtf import data, export
    from odtf.candidates import choose
    from odtf.export import student
    from odtf.tflite import vela

    # A compilation and a plot take a second, a conversion three, and all of one peer are alike.
    convert, converted = student._convert, {}

    def convert_once(network, *how):
        if network.name not in converted:
            converted[network.name] = convert(network, *how)
        return converted[network.name]

    monkeypatch.setattr(student, "_convert", convert_once)
    monkeypatch.setattr(vela, "available", lambda: False)
    monkeypatch.setattr(overview, "draw", lambda *_: None)
    int8 = dataclasses.replace(export.SOC, tensors={"int8": ("int8", "int8")})
    monkeypatch.setitem(export.TARGETS, "soc", int8)
    said = []
    with pytest.raises(UserError, match=r"macs binds.*nearest is peer_1 int8.*Received: macs=1\."):
        choose.export_within(run, "soc", {"macs": 1}, said.append)
    assert [path.name for path in (run / "export").iterdir() if path.is_dir()] == []
    assert [line.split("]")[0] for line in said] == ["[1/2", "[2/2"]
    assert measured(run)["choice"]["peer"] is None
    rows = measured(run)["candidates"]
    assert sorted(map(budget.name_of, rows)) == ["peer_0 int8", "peer_1 int8"]
    with pytest.raises(
        UserError, match=r"Limits of cycles need Arm's Vela: pip install ethos-u-vela\. Received: cycles=9"
    ):
        choose.export_within(run, "soc", {"cycles": 9}, said.append)
    with pytest.raises(UserError, match=r"Only integer files for an NPU have cycles; the phone target .*cycles=9"):
        choose.export_within(run, "phone", {"cycles": 9}, said.append)
    assert len(said) == 2, "nothing was measured for these"

    said.clear()
    images, labels = data.load("digits").splits["validation"].take(np.arange(143))
    answers = {}
    sizes = [row["bytes"] for row in rows]
    for limit in (max(sizes), min(sizes)):
        report = choose.export_within(run, "soc", {"bytes": limit}, said.append)
        best = max(row["val_top1"] for row in rows if row["bytes"] <= limit)
        choice = measured(run)["choice"]
        chosen = next(row for row in rows if all(row[key] == choice[key] for key in ("peer", "quantization")))
        exported = report["exports"][-1]
        assert chosen["val_top1"] == best
        assert {key: exported[key] for key in ("peer", "quantization", "bytes", "sha256")}.items() <= chosen.items()
        assert exported["path"] == f"export/soc/student_{chosen['quantization']}.tflite"
        # The whole arena, structures included, and who says so.
        taken = arena.arena((run / exported["path"]).read_bytes())
        assert chosen["arena_bytes"] == taken["bytes"] >= taken["head_bytes"] + taken["tail_bytes"]
        assert chosen["arena_by"] == taken["by"]
        assert f"by {taken['by']}" in (run / "export" / "candidates.md").read_text()
        predicted = export.Runner(run / exported["path"]).predict(images).argmax(-1)
        assert np.mean(predicted == labels) == pytest.approx(best)
        answers[limit] = choice["peer"]
    # A file whose documents are another file's is exported again.
    proof = run / "export" / "soc" / "verification.json"
    written = proof.read_text()
    proof.write_text(json.dumps({**json.loads(written), "sha256": "another"}))
    choose.export_within(run, "soc", {"bytes": min(sizes)}, said.append)
    assert proof.read_text() == written
    assert set(answers.values()) == {"peer_0", "peer_1"}
    assert not any("..." in line for line in said), "measured again"
    # A budget that none fits takes away nothing of what was chosen for another.
    kept_files = [run / "export" / f"candidates.{suffix}" for suffix in ("json", "md")]
    before = [path.read_text() for path in kept_files]
    with pytest.raises(UserError, match="macs binds"):
        choose.export_within(run, "soc", {"macs": 1}, said.append)
    assert [path.read_text() for path in kept_files] == before
    assert f"**{choice['peer']} {choice['quantization']}**" in (run / "export" / "candidates.md").read_text()


def test_new_weights_are_measured_anew_and_an_interruption_keeps_the_rest(run, monkeypatch, tmp_path):
    from odtf.tflite import vela

    monkeypatch.setattr(vela, "available", lambda: False)
    asked = []

    def measure(network, target, quantization, pool, key):
        asked.append(quantization)
        if len(asked) == 3:
            raise KeyboardInterrupt
        return {**candidate("x", 0.5, len(asked)), "sha256": "", "agreement": 1.0, "notes": []} | {
            "peer": network.name,
            "quantization": quantization,
        }

    monkeypatch.setattr(measurement, "_measure", measure)
    workdir = shutil.copytree(run, tmp_path / "run")
    (workdir / "export" / "candidates.json").write_text("[")
    with pytest.raises(KeyboardInterrupt):
        measurement.measure(Pool.of(runs.Run(workdir)), "soc", lambda line: None)
    assert len(measurement.measure(Pool.of(runs.Run(workdir)), "soc", lambda line: None)) == 4
    assert asked == ["int8", "int16x8", "int8", "int8", "int16x8"]
    measurement.measure(Pool.of(runs.Run(workdir)), "soc", lambda line: None)
    assert len(asked) == 5
    with open(workdir / "chosen" / "step-0.npz", "ab") as file:
        file.write(b" ")
    measurement.measure(Pool.of(runs.Run(workdir)), "soc", lambda line: None)
    assert len(asked) == 9
