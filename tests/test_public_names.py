"""docs/public_names.txt: what users import, and that nothing of it vanishes without a word.

`python -m tests.test_public_names` adds new names to the file; it takes none away.
"""

import configparser
import importlib
import inspect
import pathlib
import re

import pytest

from odtf import layers, losses, methods, models, tasks
from odtf.models import specification

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


# What users call most: an editor shows the types of their arguments, and mypy checks them.
TYPED = (
    *(f"models.{name}" for name in models.__all__ if inspect.isfunction(getattr(models, name))),
    *(f"losses.{name}" for name in losses.__all__),
    *("data.from_arrays", "data.load", "teachers.load"),
    *("export.int8_file", "model_exports.export_model", "quantization.quantization_aware"),
    *("run_exports.export_everywhere", "run_exports.export_workdir", "runs.load_teacher", "runs.train"),
    *("targets.find", "zoo.card", "zoo.names"),
    *("training.config.default_config", "training.config.load_config", "training.config_file.load"),
    *(f"workflow.{name}" for name in ("compare", "config", "curves", "export", "predict", "report", "train")),
)


@pytest.mark.parametrize("path", [path for path in TYPED if path.partition(".")[2] not in specification.names()])
def test_what_users_call_has_types(path):
    room, _, name = path.rpartition(".")
    signature = inspect.signature(getattr(importlib.import_module(f"odtf.{room}"), name))
    bare = [key for key, parameter in signature.parameters.items() if parameter.annotation is parameter.empty]
    assert bare == [] and signature.return_annotation is not signature.empty


@pytest.mark.parametrize("kind", [methods.Method, *(getattr(methods, name) for name in methods.available())])
def test_what_a_method_takes_has_types(kind):
    parameters = list(inspect.signature(kind.__init__).parameters.values())[1:]
    assert [each.name for each in parameters if each.annotation is each.empty] == []


@pytest.mark.parametrize("name", layers.__all__)
def test_what_a_layer_takes_has_types(name):
    own = getattr(layers, name).__dict__.get("__init__")
    for key, parameter in inspect.signature(own).parameters.items() if own else ():
        assert key == "self" or parameter.annotation is not parameter.empty, key


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
