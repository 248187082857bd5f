"""Students of the zoo: every file is small, is what its card says, and gives the number that it says."""

import json
import subprocess
import sys

import pytest

from odtf import export
from odtf.errors import UserError
from odtf.training.config import from_json
from odtf.training.config_checks import check
from odtf.zoo import students


@pytest.mark.parametrize("name", students.names())
def test_a_student_is_what_its_card_says(name):
    card, path = students.card(name), students.path(f"zoo/{name}")
    content = path.read_bytes()
    assert len(content) == card["bytes"] <= students.MAX_BYTES
    assert {"title", "data", "terms", "commands", "method", "network", "agreement"} <= card.keys()
    assert str(export.Runner(content).input["dtype"].__name__) == "int8"
    config = from_json(json.loads((path.parent / f"{name}.config.json").read_text("utf-8")))
    check(config)
    assert (config.data.name, config.method.name) == (card["data"], card["method"])
    assert path.with_suffix(".md").read_text("utf-8").startswith("# ")


@pytest.mark.parametrize("name", [name for name in students.names() if students.card(name)["data"] == "digits"])
def test_the_command_repeats_its_number(name):
    command = [sys.executable, "-m", "odtf.commands.evaluate", f"zoo/{name}"]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    assert f"As its card says: top1 {students.card(name)['quality']:.4f}" in found.stdout


@pytest.fixture
def own(tmp_path, monkeypatch):
    (tmp_path / "own.tflite").write_bytes(b"TFL3")
    about = {"sha256": "0" * 64, "metric": "top1", "quality": 0.5, "data": "digits"}
    (tmp_path / "own.json").write_text(json.dumps(about))
    monkeypatch.setattr(students, "_FOLDER", tmp_path)


@pytest.mark.usefixtures("own")
def test_other_files_and_other_numbers_are_refused():
    with pytest.raises(UserError, match=r"must have the sha256 0000.* Received: "):
        students.path("zoo/own")
    with pytest.raises(UserError, match=r"The students of the zoo are own.*Received: 'oven'"):
        students.card("oven")
    assert students.check_quality("own", {"top1": 0.5}) == "As its card says: top1 0.5000 on the test split of digits."
    with pytest.raises(UserError, match=r"The card of own says top1 0\.5000 .*Received: 0\.4900"):
        students.check_quality("own", {"top1": 0.49})
