"""What every command line answers at once: its help, and the versions."""

import configparser

import keras
import pytest
import tensorflow as tf

import odtf
from tests.processes import ROOT


def scripts():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    lines = setup["options.entry_points"]["console_scripts"].splitlines()
    return [line.partition("=")[0].strip() for line in lines if line.strip()]


@pytest.mark.parametrize("program", scripts())
def test_every_command_says_its_version(program, zygote):
    status, out, err = zygote.run(program, "--version")
    assert (status, err) == (0, "")
    assert out.startswith(f"{program} {odtf.__version__} (Python 3.")
    assert f"tensorflow {tf.__version__}, keras {keras.__version__})" in out


def test_a_target_that_there_is_not_is_told_the_nearest(zygote):
    status, _, err = zygote.run("odtf-export", "--workdir=x", "--target=ethos_u55")
    assert status == 2 and "one of <ethos-u55|" in err and "(did you mean ethos-u55?)" in err


def test_help_of_a_config_stands_in_place_of_the_flags(zygote):
    status, out, _ = zygote.run("odtf-train", "--config=digits:depth=14", "--help")
    assert status == 0 and out.startswith("The quick start") and "  --config.network.depth=14\n" in out
    status, out, _ = zygote.run("odtf-train", "--help")
    assert status == 0 and "  --workdir: " in out and "  --version: " in out
    status, out, err = zygote.run("odtf-compare", "--config=dgits", "--help")
    assert (status, out) == (2, "") and "did you mean digits?" in err and err.count("\n") == 1
