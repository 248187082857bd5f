"""The program that ends commands at random moments notices what does not go on as it should."""

import random
import sys

import pytest

from tests.programs import kill_and_resume

_SOUND = """
import json, os, pathlib, sys, time
folder = pathlib.Path(sys.argv[1], "run")
folder.mkdir(exist_ok=True)
for step in range(4):
    if not (folder / f"{step}").exists():
        time.sleep(0.1)
        (folder / f"{step}").touch()
(folder / ".half").write_text(json.dumps({"seconds": time.time(), "where": str(folder), "value": 3}))
os.replace(folder / ".half", folder / "report.json")
"""
_BEGUN = 'with open(folder / "begun", "a") as file:\n    file.write("x")\n'
# Each differs from the sound one by one line.
_FAULTY = {
    "says another thing": _SOUND.replace('"value": 3', '"value": os.path.getsize(folder / "begun")').replace(
        "for step", f"{_BEGUN}for step"
    ),
    "only in one": _SOUND.replace("for step", "(folder / str(os.getpid())).touch()\nfor step"),
    "in place of 0": _SOUND.replace("for step", f"{_BEGUN}for step")
    + 'sys.exit(os.path.getsize(folder / "begun") > 1)\n',
    "goes on after": _SOUND.replace(
        "for step",
        'import subprocess\nsubprocess.Popen([sys.executable, "-c", '
        '"import time; time.sleep(3)", str(folder)])\nfor step',
    ),
}


class Work(kill_and_resume.Work):
    settles = 0.1

    def command(self, folder):
        return [sys.executable, "-c", self.name, str(folder)]


def test_what_goes_on_is_equal(tmp_path, capsys):
    assert kill_and_resume.disturb(Work(_SOUND, 0), tmp_path, 3, random.Random(0)) == []
    assert "0 to go" in capsys.readouterr().out
    assert [path.name for path in tmp_path.iterdir()] == ["quiet"]


def test_what_is_refused_proves_nothing(tmp_path):
    work = Work("import sys\nsys.exit(2)", 0)
    assert kill_and_resume.disturb(work, tmp_path, 3, random.Random(0)) == ["undisturbed it ends with status 2"]


@pytest.mark.parametrize("fault", _FAULTY)
def test_what_does_not_is_found(fault, tmp_path):
    found = kill_and_resume.disturb(Work(_FAULTY[fault], 0), tmp_path, 3, random.Random(0))
    assert any(fault in text for text in found), found
