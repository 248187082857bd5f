"""The table of a report, in tasks whose agreement is a share, an error, or not defined."""

import pytest

from odtf.metrics import MeanAbsoluteError
from odtf.tasks import Classification, Task
from odtf.training import report as report_lib


class Value(Task):
    """A number for an image."""

    name = output = "value"
    metrics = {"error": MeanAbsoluteError()}  # noqa: RUF012


class Compared(Value):
    agreement = MeanAbsoluteError()


def rendered(task, agreement):
    """The last line of the table of a run of `task`; None: of a run made before there were tasks."""
    row = None if task is None else report_lib.task_row(task)
    name = "top1" if row is None else row["metric"]
    figures = {f"{split}_{name}": 0.5 for split in ("val", "test", "last_test")}
    peer = {"name": "peer_0", "params": 1, "macs": 1, **figures}
    export = {"target": "soc", "quantization": "int8", "bytes": 1, "path": "PATH", "latency_us_p50": 1.0, **figures}
    report = {
        "peers": [peer],
        "teacher": None,
        "student": {**peer, "epoch": 1},
        "seconds": {"train": 1.0},
        "exports": [{**export, "agreement": agreement}],
    }
    return report_lib.render(report if row is None else {**report, "task": row}).splitlines()[-1].split()


@pytest.mark.parametrize(
    ("task", "agreement", "shown"),
    [
        (None, 0.9, ["50.00%", "90.00%"]),
        (Classification(), 0.9, ["50.00%", "90.00%"]),
        (Value(), None, ["0.5", "-"]),
        (Compared(), 0.12, ["0.5", "0.12"]),
    ],
)
def test_agreement_is_shown_as_the_task_means_it(task, agreement, shown):
    assert rendered(task, agreement)[3:5] == shown


def test_a_card_says_what_taught_a_network_and_how_much_larger_it_is():
    student = {"name": "peer_0", "params": 1000, "macs": 20_000}
    wide = {"name": "wide", "params": 14_500, "macs": 260_000, "role": "teacher"}
    report = {"peers": [student, wide], "teacher": None}
    words = "wide, of 14.5 times the parameters and 13.0 times the multiply-accumulates"
    assert report_lib.taught_by(report, student) == words
    assert report_lib.taught_by(report, wide) == ""
    # A file of another framework has no operators to count; what peers make together is no network.
    taught = {"peers": [student], "teacher": {"params": 2500, "macs": None}}
    assert report_lib.taught_by(taught, student) == "teacher, of 2.5 times the parameters"
    assert report_lib.taught_by({"peers": [student], "teacher": {"test_top1": 0.5}}, student) == ""
