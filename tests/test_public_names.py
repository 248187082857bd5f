"""docs/public_names.txt: what users import, and that nothing of it vanishes without a word.

`python -m tests.test_public_names` adds new names to the file; it takes none away.
"""

import configparser
import importlib.util
import inspect
import pathlib
import re

import pytest

from odtf import tasks

ROOT = pathlib.Path(__file__).resolve().parent.parent
LIST = ROOT / "docs" / "public_names.txt"

# Packages that say what is public of them.
ROOMS = ("data", "export", "layers", "losses", "methods", "metrics", "models", "quantization", "targets", "tasks")
# Modules whose functions and classes are.
MODULES = (
    *("errors", "model_exports", "run_exports", "runs", "teachers", "workflow", "zoo"),
    *("training.config", "training.config_file", "training.strategy"),
)
# Classes that users write subclasses of, or whose parts they use.
CLASSES = ("data.ImageDataset", "methods.Method", "metrics.Metric", "runs.Run", "targets.Target", "tasks.Task")


def public():
    """Returns the names of all that is public, sorted."""
    found = set(_commands())
    for room in ROOMS:
        module = importlib.import_module(f"odtf.{room}")
        found |= {f"odtf.{room}.{name}" for name in getattr(module, "__all__", None) or dir(module)}
    found |= {f"odtf.tasks.{tasks.find(name).__name__}" for name in tasks.names()}
    for name in MODULES:
        module = importlib.import_module(f"odtf.{name}")
        found |= {f"odtf.{name}.{key}" for key, value in vars(module).items() if _is_of(module, key, value)}
    for path in CLASSES:
        found |= {f"odtf.{path}.{name}" for name in _parts(path)}
    return sorted(found)


def _commands():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    lines = setup["options.entry_points"]["console_scripts"].splitlines()
    return [line.partition("=")[0].strip() for line in lines if line.strip()]


def _is_of(module, name, value):
    made = inspect.isfunction(value) or inspect.isclass(value)
    return made and not name.startswith("_") and f"{value.__module__}.".startswith(f"{module.__name__}.")


def _parts(path):
    room, _, name = path.rpartition(".")
    kind = getattr(importlib.import_module(f"odtf.{room}"), name)
    ours = [base for base in kind.__mro__ if base.__module__.startswith("odtf.")]
    return {key for base in ours for key in vars(base) if not key.startswith("_")}


@pytest.fixture(scope="module")
def names():
    return set(public())


def test_every_public_name_is_listed(names):
    listed = LIST.read_text("utf-8").split()
    assert listed == sorted(set(listed))
    assert names - set(listed) == set(), "new names: python -m tests.test_public_names adds them to the list"


def test_a_name_that_vanished_stands_in_the_changelog(names):
    told = set(re.findall(r"[\w.-]+", (ROOT / "CHANGELOG.md").read_text("utf-8")))
    vanished = set(LIST.read_text("utf-8").split()) - names
    silent = {name for name in vanished if not {name, name.rpartition(".")[2]} & told}
    assert silent == set(), "CHANGELOG.md must say what is in their place"


# Of a class whatever it is called by counts too.
CALLED = ("__init__", "__new__", "__call__")


def _of_odtf(path):
    """Yields what can be called of a public name, each with its name: of a class the parts that are odtf's."""
    parts = path.split(".")
    depth = max(n for n in range(2, len(parts)) if importlib.util.find_spec(".".join(parts[:n])) is not None)
    found = importlib.import_module(".".join(parts[:depth]))
    for name in parts[depth:]:
        found = inspect.getattr_static(found, name) if inspect.isclass(found) else getattr(found, name)
    if not inspect.isclass(found):
        yield path, found
        return
    for base in found.__mro__:
        if base.__module__.startswith("odtf."):
            named = vars(base).items()
            yield from ((f"{path}.{key}", part) for key, part in named if not key.startswith("_") or key in CALLED)


def _function(value):
    """Returns the function of odtf's that a value is, or wraps; None if it is none."""
    value = value.fget if isinstance(value, property) else getattr(value, "__func__", value)
    value = inspect.unwrap(value) if callable(value) else None
    ours = inspect.isfunction(value) and value.__module__.startswith("odtf.")
    # What a data class has been given is written nowhere.
    return value if ours and not value.__code__.co_filename.startswith("<") else None


def test_what_users_call_has_types(names):
    """An editor shows the types of arguments and results, and mypy checks them."""
    bare, functions = set(), set()
    for path in names:
        for name, value in _of_odtf(path) if path.count(".") > 1 else ():
            if (function := _function(value)) is None:
                continue
            functions.add(function)
            signature = inspect.signature(function)
            parameters = [each for each in signature.parameters.values() if each.name not in ("self", "cls")]
            bare |= {f"{name}: {each.name}" for each in parameters if each.annotation is each.empty}
            bare |= {f"{name}: its result"} if signature.return_annotation is signature.empty else set()
    assert bare == set()
    assert len(functions) > 600  # Or it looks at something else than they are.


def test_mypy_checks_all_that_is_public():
    checked = re.search(r"^files = \[(.*?)^\]", (ROOT / "pyproject.toml").read_text("utf-8"), re.M | re.S)[1]
    for room in (*ROOMS, *(name.partition(".")[0] for name in MODULES)):
        assert f'"odtf/{room}"' in checked or f'"odtf/{room}.py"' in checked, f"pyproject.toml: mypy misses odtf.{room}"


def test_every_paper_that_a_method_is_from_can_be_cited():
    cited = (ROOT / "CITATION.cff").read_text("utf-8").lower()
    for path in (ROOT / "odtf" / "methods").glob("[a-z]*.py"):
        doc = inspect.cleandoc(path.read_text("utf-8").split('"""')[1]).replace("\n", " ")
        for paper in (*re.findall(r'"([^"]+)"', doc), *re.findall(r"arXiv (\d{4}\.\d{5})", doc)):
            assert paper.lower().rstrip(",") in cited, f"CITATION.cff lacks {paper}, of {path.name}"


def test_one_release_of_ruff_checks_everywhere():
    hook = re.search(r"rev: v(\S+)", (ROOT / ".pre-commit-config.yaml").read_text("utf-8"))[1]
    for path in (ROOT / "constraints").glob("*.txt"):
        assert f"\nruff=={hook}\n" in path.read_text("utf-8"), path.name


if __name__ == "__main__":
    known = LIST.read_text("utf-8").split() if LIST.exists() else []
    LIST.write_text("\n".join(sorted({*known, *public()})) + "\n")
