"""The --config flag: a Python file with get_config, or the name of one of odtf's, and overrides of what it returns.

ml_collections does the work; here its errors become one clear line, and a bug in a config file keeps its traceback.
Nothing here imports TensorFlow.
"""

from __future__ import annotations

import ast
import inspect
import pathlib
import re
import runpy
import sys
import traceback
from typing import TYPE_CHECKING

import ml_collections
from absl import flags
from ml_collections import config_flags

from odtf import names, own_code, paths
from odtf.errors import UserError
from odtf.training import overrides
from odtf.training.config import leaves

if TYPE_CHECKING:
    from collections.abc import Sequence


# The flag belongs to the module that calls `define`.
flags.disclaim_key_flags()


def define(name: str, text: str) -> flags.FlagHolder:
    """Defines the flag `--NAME=FILE` or `--NAME=FILE:arg`, as `load` takes it, and the overrides `--NAME.key=value`."""
    holder = config_flags.DEFINE_config_file(name, None, text)
    flags.FLAGS[name].parser = _Parser(name)
    return holder


def load(text: str, name: str = "config") -> ml_collections.ConfigDict:
    """Returns the locked `ConfigDict` of "FILE" or "FILE:arg".

    Args:
        text: str; FILE is a path, or the name of a config that comes with odtf, such as "digits" or "pcl:smoke".
        name: the flag that gave it.

    Raises:
        UserError: if the file cannot be read or does with a config what it does not take. A bug in it is a bug.
    """
    path, colon, arg = _split(text, name)
    wanted = f"--{name} must name a Python file with get_config."
    folder = pathlib.Path(path).resolve().parent
    own_code.add_folder(folder)
    try:
        get_config = runpy.run_path(path).get("get_config")
        if get_config is None:
            raise UserError(f"{wanted} Received: {path}, which has none.")
        if colon and not inspect.signature(get_config).parameters:
            raise UserError(f"The get_config of {path} takes nothing after the colon. Received: {arg!r}.")
        config = get_config(*([arg] if colon else []))
    except UserError:
        raise
    except Exception as error:
        _retell(error, path)
        raise
    if not isinstance(config, ml_collections.ConfigDict):
        raise UserError(
            f"--{name}: get_config must return a ConfigDict, such as odtf.training.config.default_config(). "
            f"Received: {path}, which returns {config!r}."
        )
    if "code_dir" in config and config.code_dir is None:
        config.code_dir = str(folder)
    config.lock()
    return config


def explain(arguments: Sequence[str], name: str = "config") -> str | None:
    """Returns what --help prints of the configs that a command line names: their docstrings, keys and values.

    Args:
        arguments: list of str, the command line.
        name: the flag that gives a config.

    Returns:
        str, or None where none is named.

    Raises:
        UserError: as `load`.
    """
    flag = re.compile(rf"--?{name}(=.*)?", re.DOTALL)
    found = [
        (match[1], after)
        for text, after in zip(arguments, [*arguments[1:], ""], strict=True)
        if (match := flag.fullmatch(text))
    ]
    return "\n\n".join(_explained(value[1:] if value else after, name) for value, after in found) or None


def _explained(text, name):
    values = leaves(load(text, name).to_dict())
    doc = ast.get_docstring(ast.parse(pathlib.Path(_split(text, name)[0]).read_text("utf-8"))) or "(no docstring)"
    keys = "\n".join(f"  --{name}.{key}={value!r}" for key, value in values)
    return f"{doc.strip()}\n\nkeys, and what --{name}={text} has there:\n{keys}"


def _split(text, name):
    """Returns the path, the colon and the argument of "FILE:arg"; a name of odtf's configs becomes its path."""
    paths.local(text, f"--{name}")
    given, colon, arg = text.partition(":")
    known = names.configs()
    if given in known and not pathlib.Path(given).is_file():
        given = str(known[given])
    if not pathlib.Path(given).is_file():
        raise UserError(
            f"--{name} must name a Python file with get_config, or one of the configs that `odtf list configs` shows"
            f"{names.meant(pathlib.Path(given).stem, known)}. Received: {given!r}, which is no file."
        )
    return given, colon, arg


class _Parser(flags.ArgumentParser):
    def __init__(self, name):
        super().__init__()
        self.name = name
        self._said = set()

    def parse(self, text):
        config = load(text, self.name)
        override = re.compile(rf"--?(?:no)?{self.name}\.([\w.]+)(?:=(.*))?", re.DOTALL)
        found = filter(None, map(override.match, sys.argv[1:]))
        overrides.prepare(config, {match[1]: match[2] for match in found}, f"--{self.name}.", self._say)
        return config

    def _say(self, line):
        """Prints a line once, however often the flag is parsed."""
        if line not in self._said:
            self._said.add(line)
            print(line)


def _retell(error, path):
    """Raises what tells an error in a config file better, if there is something."""
    steps = traceback.extract_tb(error.__traceback__)
    if "ml_collections" not in steps[-1].filename:
        if isinstance(error, (AttributeError, KeyError, TypeError, ValueError)):
            # What absl and `cli.run` take for a wrong flag; the traceback shows both.
            raise RuntimeError(f"{path} has a bug: {type(error).__name__}.") from error
        return
    line = [step for step in steps if step.filename == path][-1]
    raise UserError(
        f"{path}, line {line.lineno}: the keys and types of a config are those of default_config(), and "
        f"free(...) makes a part with other keys. Received: {line.line} ({_reason(error)})."
    ) from error


def _reason(error):
    """Returns the first sentence of an error of ml_collections, which may go on with the whole config."""
    return re.split(r"\.? Other fields present|\n", str(error.args[0] if error.args else error))[0].strip("'\"")
