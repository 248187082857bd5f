"""odtf-benchmark as it is typed."""

import json

import pytest

from tests import processes

BAD = {
    "no command": ([], "odtf-benchmark train, or odtf-benchmark edge"),
    "unknown command": (["fly"], "Received: fly"),
    "train takes no files": (["train", "x.tflite"], "Received: x.tflite"),
    "unknown measurement": (["train", "--only=group_conv,speed"], "Received: 'speed'"),
    "depth": (["train", "--depth=9"], "6n + 2"),
    "batch size": (["train", "--batch_size=1"], "--batch_size"),
    "repeats": (["train", "--repeats=0"], "--repeats"),
    "edge without files": (["edge"], "needs the files"),
    "edge without the file": (["edge", "absent.tflite"], "absent.tflite"),
    "accelerator": (["edge", "setup.cfg", "--accelerator=tpu"], "ethos-u55-128"),
    "threads": (["edge", "setup.cfg", "--threads=1,none"], "Received: '1,none'"),
    "no threads": (["edge", "setup.cfg", "--threads=0"], "integers from 1 to 256"),
    "json is a directory": (["train", "--json=tests"], "'tests'"),
    "json without a name": (["train", "--json="], "--json must name a file"),
    "json beneath a file": (["train", "--json=setup.cfg/figures.json"], "setup.cfg"),
}


@pytest.mark.parametrize("flags, message", BAD.values(), ids=BAD)
def test_bad_input(flags, message):
    status, out, err = processes.run(*flags, program="benchmark")
    assert status == 2
    assert out == ""
    assert message in err
    assert err.count("\n") == 1


def test_table_and_json(zygote, tmp_path):
    path = tmp_path / "new" / "figures.json"
    flags = ["train", f"--json={path}", "--only=cheap_layers", "--repeats=1"]
    status, out, err = zygote.run("odtf-benchmark", *flags)
    assert (status, err) == (0, "")
    assert "cheap_layers ..." in out
    assert "LineConv2D" in out
    figures = json.loads(path.read_text("utf-8"))
    assert figures["benchmark"] == "train"
    assert figures["environment"]["repeats"] == 1
    assert [row["baseline"] for row in figures["measurements"]["cheap_layers"]] == ["Conv2D"] * 5
    assert [path.name for path in path.parent.iterdir()] == ["figures.json"]


def test_commands_for_a_phone_need_no_model(tmp_path):
    """Only the names matter; TensorFlow is not imported for them."""
    file = tmp_path / "student.tflite"
    file.touch()
    status, out, err = processes.run("edge", str(file), "--adb", "--threads=4", program="benchmark")
    assert (status, err) == (0, "")
    assert f"adb push {file}" in out
    assert "--num_threads=4" in out
