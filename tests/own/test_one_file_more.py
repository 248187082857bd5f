"""A new network, method, target, task or data source of odtf's is one file: listed and taken with no other edit."""

import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

import odtf

FILES = {
    "models/backbones/pancake.py": """
from odtf.models.backbones.resnet8 import resnet8

def pancake(input_shape, head, *, seed=0, name="network", synchronized=False):
    return resnet8(input_shape, head, seed=seed, name=name, synchronized=synchronized)
""",
    "methods/lone_wolf.py": """
from odtf.methods.solo import Solo

class LoneWolf(Solo):
    pass
""",
    "targets/wrist.py": """
import dataclasses
from odtf.targets import micro

TARGET = dataclasses.replace(micro.TARGET, name="wrist", title="a wrist")
""",
    "tasks/guessing.py": """
from odtf.tasks import Task

class Guessing(Task):
    name = "guessing"
""",
    "data/sources/noise.py": """
import numpy as np
from odtf.data.dataset import Split
from odtf.data.stores import MemoryStore

FORM = "'noise:COUNT'"

def open_source(argument, *, data_dir, image_size, targets):
    labels = np.arange(int(argument)) % 2
    images = np.random.RandomState(0).randint(0, 256, (len(labels), 8, 8, 1)).astype("uint8")
    return ("a", "b"), {"train": Split(MemoryStore(images, {"label": labels}, targets))}
""",
}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Function that runs Python with a copy of odtf that has these files; returns (output, status)."""
    root = tmp_path_factory.mktemp("copy")
    shutil.copytree(pathlib.Path(odtf.__file__).parent, root / "odtf", ignore=shutil.ignore_patterns("__pycache__"))
    for name, text in FILES.items():
        (root / "odtf" / name).write_text(text)

    def run(*arguments):
        environment = {**os.environ, "PYTHONPATH": str(root), "TF_CPP_MIN_LOG_LEVEL": "3"}
        done = subprocess.run(
            [sys.executable, *arguments], cwd=root, env=environment, capture_output=True, text=True, timeout=120
        )
        return done.stdout + done.stderr, done.returncode

    return run


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("train", ["network.name: .*pancake", "method.name: .*LoneWolf", "task.name: .*guessing", "'noise:COUNT'"]),
        ("train", ["export.targets: .*wrist"]),
        ("compare", ["network.name: .*pancake", "method.name: .*LoneWolf", "task.name: .*guessing", "'noise:COUNT'"]),
        ("export", [r"--target: <.*\|wrist\|all>"]),
        ("finetune", ["--target: .*, wrist,"]),
        ("evaluate", ["--task: .*, guessing,", "--data: .*'noise:COUNT'"]),
    ],
)
def test_help_lists_it(command, words, run):
    out, status = run("-m", f"odtf.commands.{command}", "--help")
    assert status == 0, out
    for word in words:
        assert re.search(word, out), (word, out)


def test_errors_list_it_and_names_find_it(run):
    code = """
from odtf import data, methods, models, tasks
from odtf.errors import UserError
from odtf.targets import find_target
from odtf.training import config_checks
from odtf.training.config import default_config

def said(function, *arguments):
    try:
        function(*arguments)
    except (UserError, ValueError) as error:
        return str(error)

for word, function, arguments in [
    ("pancake", lambda: models.build({"name": "x"}, (8, 8, 1), 10, seed=0), ()),
    ("LoneWolf", methods.find, ("x",)),
    ("wrist", find_target, ("x", "int8")),
    ("guessing", tasks.find, ("x",)),
    ("'noise:COUNT'", data.load, ("",)),
]:
    assert word in said(function, *arguments), (word, said(function, *arguments))
config = default_config()
config.data.name = ""
assert "'noise:COUNT'" in said(config_checks.check, config)

assert models.build({"name": "pancake"}, (8, 8, 1), 10, seed=0).count_params() and models.pancake
assert methods.find("LoneWolf") is methods.LoneWolf and "LoneWolf" in methods.available()
assert find_target("wrist", "int8").title == "a wrist"
assert tasks.find("guessing")().name == "guessing"
noise = data.load("noise:40")
assert noise.name == "noise:40" and noise.names == ("a", "b") and len(noise.splits["test"]) == 8
"""
    out, status = run("-c", code)
    assert status == 0, out
