"""log.jsonl as it is read: what is no whole line of it is passed over, and whoever draws it meets none."""

import json
import os
import types

import pytest

from odtf import log_lines
from odtf.compare import learning_curves
from odtf.page import training_log
from tests.data.test_strange_files import in_seconds

ROWS = [
    {"step": 5, "kind": "train", "loss": 2.0, "peer_0/top1": float("nan")},
    {"step": 10, "kind": "validation", "epoch": 1, "peer_0/top1": 0.75},
]


def drawn(workdir):
    run = types.SimpleNamespace(workdir=workdir, student="peer_0")
    return learning_curves.of([(run, "peer_0", run)], "top1"), training_log.read(workdir, ["peer_0"])


@pytest.mark.parametrize(
    "line",
    [
        *("", "[]", "3", '"text"', "[" * 100_000, '{"step": 3, "kind": "tra'),
        *('{"step": 3, "kind": ["train"]}', '{"step": "3", "kind": "train"}', '{"step": 0, "kind": "train"}'),
        *('{"step": 1e999, "kind": "train"}', '{"step": 3, "kind": "validation", "epocj": 1, "peer_0/top1": 0.5}'),
        '{"step": 3, "kind": "validation", "epoch": 1, "peer_0/top1": "0.5"}',
    ],
)
def test_what_is_no_line_is_passed_over(line, tmp_path):
    lines = [json.dumps(row) for row in ROWS]
    (tmp_path / "log.jsonl").write_text("\n".join([lines[0], line, lines[1]]))
    assert [row["step"] for row in log_lines.read(tmp_path)] == [5, 10]
    (curves, _) = drawn(tmp_path)
    assert [point["mean"] for point in curves["student"]] == [0.75]


def test_a_pipe_is_no_log(tmp_path):
    os.mkfifo(tmp_path / "log.jsonl")
    with in_seconds(10):
        assert log_lines.read(tmp_path) == []


def test_no_flipped_bit_is_a_traceback(tmp_path):
    content = "\n".join(map(json.dumps, ROWS)).encode()
    for position in range(len(content)):
        for bit in range(8):
            damaged = bytearray(content)
            damaged[position] ^= 1 << bit
            (tmp_path / "log.jsonl").write_bytes(damaged)
            assert len(log_lines.read(tmp_path)) <= len(ROWS)
            drawn(tmp_path)
