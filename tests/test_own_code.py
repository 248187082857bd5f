"""Names of the user's own code: what they find, and what they say where there is nothing."""

import sys

import pytest

from odtf import own_code
from odtf.errors import UserError


def test_a_name_of_a_module_and_of_a_file(tmp_path, monkeypatch):
    (tmp_path / "mine_of_test.py").write_text("class Thing:\n    pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    by_module = own_code.find("mine_of_test:Thing", "a thing")
    assert by_module.__module__ == "mine_of_test"
    by_path = own_code.find(f"{tmp_path}/mine_of_test.py:Thing", "a thing")
    assert own_code.find(f"{tmp_path}/mine_of_test.py:Thing", "a thing") is by_path
    assert own_code.find("os.path:join", "a function")("a", "b") == "a/b"


@pytest.mark.parametrize(
    "name", ["digits", "folder:/data/photos", "folder:photos", "cifar10:3.0.2", "a/b:c", ":x", "x:", 3]
)
def test_other_names_are_not_of_own_code(name):
    assert not own_code.is_own(name)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("no_such_module_x:a", r"a network: beside the config, on PYTHONPATH.*no module no_such_module_x"),
        ("os.path:no_such", r"a network called no_such in .*path.py"),
        ("/nowhere/x.py:a", r"no file /nowhere/x.py"),
        ("digits", r"package.module:attribute or FILE.py:attribute"),
    ],
)
def test_what_was_looked_for_is_named(name, message):
    with pytest.raises(UserError, match=message):
        own_code.find(name, "a network")


def test_an_error_of_the_code_keeps_its_traceback(tmp_path):
    (tmp_path / "broken.py").write_text("import no_such_module_y\n")
    with pytest.raises(ModuleNotFoundError, match="no_such_module_y"):
        own_code.find(f"{tmp_path}/broken.py:a", "a network")
    assert not any("broken" in name for name in sys.modules)


def test_names_in_a_config_are_found_once():
    config = {"network": {"name": "a.b:c"}, "method": {"networks": [{"name": "a.b:c"}, {"name": "x.py:y"}], "t": 1.0}}
    assert list(own_code.names_in(config)) == ["a.b:c", "x.py:y"]


def test_a_file_imports_what_lies_beside_it(tmp_path):
    (tmp_path / "beside_of_test.py").write_text("VALUE = 3\n")
    (tmp_path / "importing.py").write_text("from beside_of_test import VALUE\n\ndef f():\n    return VALUE\n")
    assert own_code.find(f"{tmp_path}/importing.py:f", "a function")() == 3
