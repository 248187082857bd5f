"""Imports run one way, and importing odtf costs nothing."""

import ast
import importlib
import pathlib
import pkgutil
import subprocess
import sys

import pytest

import odtf

PACKAGE = pathlib.Path(__file__).resolve().parent.parent / "odtf"

# What each room may import from the house. The command lines may import all.
LEAVES = {"errors", "files", "quiet", "tables"}
MAY_IMPORT = {
    "errors": set(),
    "files": {"errors"},
    "quiet": {"errors"},
    "pictures": {"files"},
    "tables": set(),
    "losses": set(),
    "metrics": set(),
    "targets": {"errors"},
    "tasks": LEAVES | {"data", "metrics", "losses", "models", "tflite"},
    "layers": set(),
    "models": {"layers"},
    "methods": {"models", "layers", "losses", "quantization"},
    "data": LEAVES,
    "quantization": {"models", "layers"},
    "training": LEAVES | {"quantization", "methods", "models", "losses", "layers", "data"},
    "tflite": LEAVES,
    "export": LEAVES | {"targets", "tasks", "metrics", "tflite", "quantization", "methods", "models", "layers", "data"},
    "workdir": LEAVES | {"training", "export", "models", "data"},
    "candidates": LEAVES | {"pictures", "targets", "tasks", "training", "export", "tflite", "models", "workdir"},
    "finetune": LEAVES | {"training", "export", "tflite", "data", "methods", "models", "layers", "losses"},
    "evaluation": LEAVES | {"pictures", "training", "tflite", "data"},
    "benchmark": LEAVES | {"training", "export", "tflite", "data", "methods", "models", "layers", "losses"},
    "compare": LEAVES | {"pictures", "training"},
}
COMMAND_LINES = {"__init__", "commands"}


def rooms_imported(path):
    """Yields the rooms of odtf that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            modules = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        yield from (parts[1] for parts in (m.split(".") for m in modules) if parts[0] == "odtf" and len(parts) > 1)


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_run_one_way(path):
    room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if room in COMMAND_LINES:
        return
    wrong = set(rooms_imported(path)) - MAY_IMPORT[room] - {room, "__version__"}
    assert not wrong, f"{room} imports {wrong}"


def test_every_module_has_a_name_of_its_own():
    """A command is named after what it does, which a package is too; all others are told apart by name."""
    modules = [p.relative_to(PACKAGE) for p in PACKAGE.rglob("*.py") if p.parent.name != "commands"]
    names = [p.parent.name if p.name == "__init__.py" else p.stem for p in modules if p.parts != ("__init__.py",)]
    assert sorted(name for name in set(names) if names.count(name) > 1) == []


def test_nothing_hides_a_module_of_its_name():
    """`models.costs` is a module and `models.cost` a function: an import finds either, whatever came before."""
    for module in pkgutil.walk_packages(odtf.__path__, "odtf."):
        # Those need TFMOT; these define flags, of equal names.
        if not module.name.startswith(("odtf.finetune.", "odtf.commands.")):
            importlib.import_module(module.name)
    for name, module in list(sys.modules.items()):
        package, _, leaf = name.rpartition(".")
        if name.startswith("odtf.") and package in sys.modules:
            assert getattr(sys.modules[package], leaf) is module, f"{package}.{leaf} is no module"


def test_tensorflow_is_named_only_where_the_platform_demands_it():
    """Losses, models and methods but for the training step are written in keras.ops."""
    for path in [PACKAGE / "losses.py", *(PACKAGE / "models").rglob("*.py"), *(PACKAGE / "methods").rglob("*.py")]:
        if path.name != "base.py":
            assert "tensorflow" not in path.read_text("utf-8").replace("TensorFlow", ""), path


def test_importing_odtf_imports_nothing_heavy_until_used():
    code = (
        "import sys, odtf; assert not {'tensorflow', 'keras'} & set(sys.modules)\n"
        "odtf.losses; assert 'keras' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
