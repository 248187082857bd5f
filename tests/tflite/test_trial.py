"""A file of anybody's is run in another process first: what kills that is a line here."""

import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from odtf import isolated
from odtf.errors import UserError
from odtf.evaluation import pixels
from odtf.evaluation.image_file import ImageFile
from odtf.tflite import flatbuffer, trial
from tests.tflite import handmade

GIVEN = pixels.from_flags("0..1")


def refusal(function, *arguments):
    with pytest.raises(UserError) as caught:
        function(*arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_sound_file_is_run(tmp_path):
    (tmp_path / "x.tflite").write_bytes(handmade.sound())
    images = np.full((2, *handmade.SHAPE[1:]), 255, np.uint8)
    np.testing.assert_allclose(ImageFile(tmp_path / "x.tflite", GIVEN).answers(images), 1.0, atol=1e-6)


def test_the_death_of_litert_is_a_line(tmp_path):
    (tmp_path / "x.tflite").write_bytes(handmade.deadly())
    line = refusal(ImageFile, tmp_path / "x.tflite", GIVEN)
    assert "dies of it" in line and line.endswith(f"Received: SIGSEGV from {tmp_path / 'x.tflite'}.")


def test_what_litert_misses_at_its_first_run_is_a_line(tmp_path):
    (tmp_path / "x.tflite").write_bytes(handmade.lacking())
    assert "Received: Input tensor 3 lacks data" in refusal(ImageFile, tmp_path / "x.tflite", GIVEN)


def test_a_file_without_an_end_is_a_line(monkeypatch):
    monkeypatch.setattr(trial, "_SECONDS", 0.001)
    assert "more than 0.001 s: slow.tflite" in refusal(trial.check, handmade.sound(), "slow.tflite")


def test_what_cannot_be_prepared_is_left_to_who_says_it_better(tmp_path):
    trial.check(b"no model", "x.tflite")
    (tmp_path / "x.tflite").write_bytes(b"no model")
    line = refusal(ImageFile, tmp_path / "x.tflite", GIVEN)
    assert "A TFLite file is needed" in line and line.endswith(f". Received: {tmp_path / 'x.tflite'}.")


def test_nothing_that_litert_logs_stands_before_the_line(tmp_path, capfd):
    """A file whose one operator lacks an input: LiteRT refuses it where it prepares it, after a line on XNNPACK."""
    (tmp_path / "x.tflite").write_bytes(flatbuffer.pack(handmade.model("ADD", (0,), schema.AddOptionsT())))
    line = refusal(ImageFile, tmp_path / "x.tflite", GIVEN)
    assert "cannot prepare it. Received: " in line
    assert capfd.readouterr().err == ""


def test_nothing_of_the_current_folder_is_imported(tmp_path, monkeypatch):
    for name in ("numpy", "runpy", "odtf", "subprocess"):
        (tmp_path / f"{name}.py").write_text("import pathlib\npathlib.Path('HARM').touch()\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["", *sys.path])
    trial.check(handmade.sound(), "as never before.tflite")
    assert not pathlib.Path("HARM").exists()


def test_a_program_of_its_own_gets_its_arguments(tmp_path, monkeypatch):
    (tmp_path / "program_of_test.py").write_text("import sys\nprint(__name__, *sys.argv[1:])\n")
    monkeypatch.syspath_prepend(tmp_path)
    command = isolated.command("program_of_test", 3, tmp_path)
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=os.sep)
    assert done.stdout == f"__main__ 3 {tmp_path}\n"


def test_it_costs_no_tensorflow():
    code = "import sys; from odtf.tflite import runner, trial; assert not {'tensorflow', 'keras'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
