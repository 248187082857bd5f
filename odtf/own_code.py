"""Names of code that is not odtf's: `package.module:attribute`, or a file's path with `:attribute`.

Where a config names a network, a method, a task, a data source, a target or an augmentation, such a name stands for the
user's own. It is imported because the command names it; a config that lies in a workdir may come from somebody else, so
commands that read one import such code only with --allow_code.
"""

import hashlib
import importlib
import importlib.util
import pathlib
import re
import sys

from odtf import names, paths
from odtf.errors import UserError

_NAME = re.compile(r"(?P<module>[A-Za-z_]\w*(\.[A-Za-z_]\w*)*|.*\.py):(?P<attribute>[A-Za-z_]\w*)")


# What stands before the colon of names that are not own code: the data sets that odtf reads itself, such as
# "folder:PATH", Keras' networks, and the zoo's.
_NOT_OWN = frozenset((*names.sources(), "keras.applications", "zoo"))
# Folders of configs, whose modules can be named.
_FOLDERS = []


def add_folder(folder):
    """Makes the modules of a folder importable, after all others: a random.py there hides nothing of Python's.

    Args:
        folder: directory of a config. Processes that are started from here find its modules too.
    """
    folder = paths.local(folder, "The folder of a config").resolve()
    if folder not in _FOLDERS:
        _FOLDERS.append(folder)
    if str(folder) not in sys.path:
        sys.path.append(str(folder))


# Parts of a record that name data, of forms such as "zoo:NAME" or "WORKDIR:PEER".
_DATA = ("init", "start")


def is_own(name):
    """Whether a name is of the form that stands for the user's own code."""
    found = _NAME.fullmatch(name) if isinstance(name, str) else None
    return found is not None and found["module"] not in _NOT_OWN


def find(name, what, kind="a function", fits=callable):
    """Imports what a name stands for.

    Args:
        name: `package.module:attribute` or `PATH.py:attribute`.
        what: word for what it should be, such as "a network".
        kind: words for what of Python that is.
        fits: function of the attribute: whether it is of that kind.

    Returns:
        The attribute.

    Raises:
        UserError: if there is no such module, file or attribute, saying what was looked for, or it is of another kind.
            Errors of the code itself keep their traceback.
    """
    found = _NAME.fullmatch(name)
    if found is None:
        raise UserError(f"Own code is named as package.module:attribute or FILE.py:attribute. Received: {name!r}.")
    module = _import(found["module"], what, name)
    if not hasattr(module, found["attribute"]):
        raise UserError(
            f"There must be {what} called {found['attribute']} in {getattr(module, '__file__', found['module'])}. "
            f"Received: {name!r}, which is not there."
        )
    attribute = getattr(module, found["attribute"])
    if not fits(attribute):
        raise UserError(f"{what.capitalize()} is {kind}. Received: {name!r}, which is {attribute!r}.")
    return attribute


def check_allowed(data, allowed, workdir):
    """Refuses a workdir whose records name own code that nobody has allowed to run.

    Args:
        data: nested dicts and lists, what was read from the workdir.
        allowed: True for any code, or the names that may be imported: those that the command itself names.
        workdir: the directory, for the message.

    Raises:
        UserError: naming the code and the flag that allows it.
    """
    strange = [] if allowed is True else [name for name in names_in(data) if name not in (allowed or ())]
    if strange:
        raise UserError(
            f"The workdir {workdir} names code that is not odtf's, and would run it: whoever trusts it adds "
            f"--allow_code. Received: {', '.join(strange)}."
        )


def _import(module, what, name):
    if module.endswith(".py"):
        return _import_file(paths.local(module, "Code"), what, name)
    try:
        imported = importlib.import_module(module)
    except ModuleNotFoundError as error:
        # A module that the user's code looks for in vain is an error of that code.
        if error.name and not f"{module}.".startswith(f"{error.name}."):
            raise
        raise UserError(
            f"There must be a module {module} with {what}: beside the config, on PYTHONPATH, installed, or as "
            f"FILE.py:attribute. Received: {name!r}; no module {error.name}."
        ) from error
    _check_place(module.partition(".")[0], name)
    return imported


def _check_place(module, name):
    """Refuses a module that hides another one of its name in the folder of a config: either may be meant."""
    files = f"{module}.py", f"{module}/__init__.py"
    places = [folder / file for folder in _FOLDERS for file in files if (folder / file).is_file()]
    found = getattr(sys.modules[module].__spec__, "origin", None) or ""
    if hidden := [path for path in places if path.resolve() != pathlib.Path(found).resolve()]:
        raise UserError(
            f"Two modules have the name {module}: FILE.py:attribute, or another name for one, would be right. "
            f"Received: {name!r}, which is in {found or 'Python'} and hides {hidden[0]}."
        )


def _import_file(path, what, name):
    if not path.is_file():
        raise UserError(
            f"There must be a file with {what}; a relative path starts at the directory of the command. "
            f"Received: {name!r}; no file {path.absolute()}."
        )
    path = path.resolve()
    add_folder(path.parent)  # What lies beside the file can be imported by it, as where Python runs it.
    # One module per file, however often it is named, so that its classes are the same ones.
    module_name = f"odtf_own_{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
    if module_name not in sys.modules:
        spec = importlib.util.spec_from_file_location(module_name, path)
        module = importlib.util.module_from_spec(spec)
        sys.modules[module_name] = module
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[module_name]
            raise
    return sys.modules[module_name]


def names_in(data):
    """Yields every name of own code in nested dicts and lists, such as a config, once."""
    seen = set()

    def walk(value):
        if isinstance(value, dict):
            for key, inner in value.items():
                if key not in _DATA:
                    yield from walk(inner)
        elif isinstance(value, (list, tuple)):
            for inner in value:
                yield from walk(inner)
        elif is_own(value) and value not in seen:
            seen.add(value)
            yield value

    yield from walk(data)
