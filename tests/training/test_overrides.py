"""Overrides: keys that a config leaves out, and names whose arguments are others."""

import json
import subprocess
import sys

import pytest

from odtf.errors import UserError
from odtf.training import overrides
from odtf.training.config import free, load_config


def prepared(given, **parts):
    """The config and the lines that it says."""
    config, lines = load_config("configs/digits.py"), []
    for name, values in parts.items():
        config[name] = free(values)
    overrides.prepare(config, given, "--config.", lines.append)
    return config, lines


def test_an_argument_that_a_config_leaves_out_can_be_set():
    config, lines = prepared({"method.detach_teacher": "True", "network.width": "4", "data.augment.also": "x.py:y"})
    config.method.detach_teacher, config.network.width, config.data.augment.also = True, 4, "x.py:y"
    assert lines == [] and config.method.num_peers == 4


def test_an_argument_of_a_network_inside_a_method_too():
    method = {"name": "OfflineDistillation", "teacher_network": {"name": "resnet8"}, "teacher_epochs": 1}
    config, _ = prepared({"method.teacher_network.widths": "(4, 8, 8)"}, method=method)
    assert config.method.teacher_network.widths is None


@pytest.mark.parametrize(
    ("given", "parts", "left", "line"),
    [
        (
            {"method.name": "Solo"},
            {"method": {"name": "DeepMutualLearning", "num_peers": 3, "temperature": 2.0}},
            {"name"},
            "--config.method.name=Solo: num_peers, temperature of the config dropped, which it does not take.",
        ),
        (
            {"network.name": "resnet8"},
            {"network": {"name": "cifar_resnet", "depth": 8, "conv": "depthwise"}},
            {"name", "conv"},
            "--config.network.name=resnet8: depth of the config dropped, which it does not take.",
        ),
        (
            {"optimizer.name": "adam"},
            {},
            {"name"},
            "--config.optimizer.name=adam: momentum, nesterov of the config dropped, which it does not take.",
        ),
        (
            {"task.name": "tests/own/examples/dark_pixels.py:Ink"},
            {"task": {"name": "classification", "label_smoothing": 0.1}},
            {"name"},
            "--config.task.name=tests/own/examples/dark_pixels.py:Ink: label_smoothing of the config dropped, which it "
            "does not take.",
        ),
        (
            {"method.teacher_network.name": "resnet8"},
            {"method": {"name": "TAKD", "teacher_network": {"name": "cifar_resnet", "depth": 8}}},
            {"name", "teacher_network"},
            "--config.method.teacher_network.name=resnet8: depth of the config dropped, which it does not take.",
        ),
    ],
)
def test_another_name_drops_what_it_does_not_take(given, parts, left, line):
    config, lines = prepared(given, **parts)
    assert lines == [line]
    assert set(config[line.removeprefix("--config.").partition(".")[0]]) == left


def test_what_the_command_gives_is_never_dropped_and_what_fits_is_kept():
    given = {"method.name": "KDCL", "method.num_peers": "2", "method.beta": "3"}
    method = {"name": "DeepMutualLearning", "num_peers": 3, "temperature": 2.0}
    config, lines = prepared(given, method=method)
    assert set(config.method) == {"name", "num_peers", "temperature", "beta"} and lines == []
    config, lines = prepared({"method.name": "DeepMutualLearning"}, method=method)
    assert set(config.method) == {"name", "num_peers", "temperature"} and lines == []


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"epoch": "3"}, r"--config.epoch: config has the keys .*did you mean epochs\?\)\. Received: 'epoch'"),
        ({"dada.name": "x"}, r"--config.dada.name: config has the keys .*did you mean data\?\)\. Received: 'dada'"),
        ({"data.nmae": "x"}, r"config.data has the keys .*did you mean name\?\)\. Received: 'nmae'"),
        ({"epochs.x.y": "3"}, r"config.epochs is one value, without keys\. Received: 'x.y'"),
        ({"method.name": "Lazy"}, r"config.method.name must be one of .*Solo.*Received: 'Lazy'"),
        ({"network.name": "resnet9"}, r"config.network: Unknown network; .*resnet8.*Received: name='resnet9'"),
        (
            {"optimizer.name": "sgdd"},
            r"config.optimizer.name must be one of sgd, adam \(did you mean sgd\?\)\. Received: 'sgdd'",
        ),
    ],
)
def test_what_there_is_not_is_refused_in_one_line(given, message):
    with pytest.raises(UserError, match=message) as caught:
        prepared(given, method={"name": "DeepMutualLearning", "num_peers": 3})
    assert "\n" not in str(caught.value)


def parsed(*arguments):
    """What a command of these flags has for its config, and what it printed before; a process of its own."""
    code = (
        "import json, sys\nfrom absl import flags\nfrom odtf.training import config_file\n"
        "holder = config_file.define('config', 'A config.')\nflags.FLAGS(sys.argv)\n"
        "print(json.dumps(holder.value.to_dict()))\nprint('tensorflow' in sys.modules)"
    )
    command = [sys.executable, "-c", code, "--config=configs/digits.py", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    *lines, config, heavy = done.stdout.splitlines()
    return json.loads(config), lines, heavy == "True"


def test_values_have_the_types_that_they_look_like():
    config, lines, heavy = parsed(
        *(
            "--config.method.detach_teacher",
            "--noconfig.method.warm",
            "--config.method.b=False",
            "--config.method.c=true",
        ),
        *("--config.network.widths=[8, 16]", "--config.network.stem=(3,)", "--config.network.cut=None"),
        *("--config.task.supervised=a.py:b", "--config.optimizer.global_clipnorm=1e-3", "--config.method.n=-2"),
    )
    method = {key: config["method"][key] for key in ("detach_teacher", "warm", "b", "c", "n")}
    assert method == {"detach_teacher": True, "warm": False, "b": False, "c": True, "n": -2}
    assert config["network"]["widths"] == [8, 16] and config["network"]["stem"] == [3]
    assert config["network"]["cut"] is None and config["task"]["supervised"] == "a.py:b"
    assert config["optimizer"]["global_clipnorm"] == 1e-3
    assert lines == [] and not heavy


def test_a_command_says_once_what_it_drops():
    config, lines, _ = parsed("--config.method.name=Solo", "--config.epochs=3")
    assert config["method"] == {"name": "Solo"} and config["epochs"] == 3
    assert lines == ["--config.method.name=Solo: num_peers, temperature of the config dropped, which it does not take."]
