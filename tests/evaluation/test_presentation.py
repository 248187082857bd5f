"""Where the result of an evaluation goes."""

import json
import types

from odtf.evaluation import presentation


def test_what_the_task_has_to_show_goes_beside_a_plain_file_alone(tmp_path):
    (tmp_path / "null").symlink_to("/dev/null")
    beside = []
    study = types.SimpleNamespace(write=lambda result, path: beside.append(path) or ["figures.csv"])
    assert presentation.write({"a": 1}, study, tmp_path / "null") == f"All of it: {tmp_path / 'null'}"
    assert (tmp_path / "null").is_char_device() and beside == []
    path = tmp_path / "new" / "figures.json"
    assert presentation.write({"a": 1}, study, path) == f"All of it: {path}, figures.csv"
    assert json.loads(path.read_text()) == {"a": 1} and beside == [path]
