"""launches.json: who began a run and went on with it."""

import json

import pytest

from odtf import launches


@pytest.mark.parametrize(
    ("arguments", "command"),
    [
        (["/usr/bin/odtf-train", "--config=digits"], "odtf-train --config=digits"),
        (["/x/odtf/commands/train.py", "--workdir=a b"], "odtf-train '--workdir=a b'"),
        (["/x/ipykernel_launcher.py", "-f", "secret"], None),
    ],
)
def test_every_launch_is_noted_after_those_before(arguments, command, tmp_path, monkeypatch):
    assert launches.read(tmp_path) == []
    launches.note(tmp_path, ["1 x CPU"])
    monkeypatch.setattr("sys.argv", arguments)
    launches.note(tmp_path, ["2 x GPU"])
    first, second = launches.read(tmp_path)
    assert (first["devices"], second["devices"]) == (["1 x CPU"], ["2 x GPU"])
    assert second["command"] == command
    assert second["started"] >= first["started"] and second["tensorflow"].count(".") >= 2


def test_a_damaged_record_is_none(tmp_path):
    launches.note(tmp_path)
    path = tmp_path / "launches.json"
    path.write_text(path.read_text().replace('"odtf"', '"odtx"'))
    assert launches.read(tmp_path) == []
    launches.note(tmp_path)
    assert len(launches.read(tmp_path)) == 1 and json.loads(path.read_text())["digest"]
