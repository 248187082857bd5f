"""Targets are found by their files, and naming them costs nothing."""

import subprocess
import sys

import pytest

from odtf.errors import UserError
from odtf.targets import QUANTIZATIONS, TARGETS, find_target


def test_every_target_has_the_name_of_its_file():
    for name, target in TARGETS.items():
        assert target.name == name
        assert f"odtf.targets.{name.replace('-', '_')}" in sys.modules
        assert set(target.tensors) <= set(QUANTIZATIONS)
    assert set(TARGETS) == {"soc", "micro", "ethos-u55", "ethos-u65", "phone", "phone-gpu", "web"}
    assert QUANTIZATIONS == ("int8", "int16x8", "float16", "dynamic", "float32")


def test_a_new_target_is_one_file(tmp_path):
    """The command line takes it, and so does the export."""
    (tmp_path / "watch.py").write_text(
        "import dataclasses\nfrom odtf.targets import soc\n"
        "TARGET = dataclasses.replace(soc.TARGET, name='watch', title='a watch')\n"
    )
    code = (
        "import importlib.util, sys\n"
        "found = importlib.util.find_spec('odtf.targets')\n"
        "found.submodule_search_locations.append(sys.argv[1])\n"
        "sys.modules['odtf.targets'] = module = importlib.util.module_from_spec(found)\n"
        "found.loader.exec_module(module)\n"
        "from absl import flags\n"
        "from odtf.commands import export\n"
        "assert flags.FLAGS['target'].parser.enum_values == [*module.TARGETS, 'all']\n"
        "assert module.find_target('watch', 'int16x8').title == 'a watch'\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)


def test_the_command_line_knows_targets_without_tensorflow():
    code = "import sys; from odtf.commands import export; assert not {'tensorflow', 'keras'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_targets_are_checked_with_the_quantization():
    assert find_target("soc", "int8") is TARGETS["soc"]
    assert find_target(TARGETS["phone"], "float16") is TARGETS["phone"]
    with pytest.raises(UserError, match=r"must be one of ethos-u55, .*Received: target='toaster'"):
        find_target("toaster", "int8")
