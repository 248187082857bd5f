"""Imports run one way, and importing odtf costs nothing."""

import ast
import pathlib
import subprocess
import sys

import pytest

PACKAGE = pathlib.Path(__file__).resolve().parent.parent / "odtf"

# What each room may import from the house. The command lines may import all.
LEAVES = {"errors", "files", "quiet"}
MAY_IMPORT = {
    "errors": set(),
    "budget": {"errors"},
    "files": {"errors"},
    "quiet": {"errors"},
    "pictures": {"files"},
    "losses": set(),
    "layers": set(),
    "models": {"layers"},
    "methods": {"models", "layers", "losses", "quantization"},
    "data": LEAVES,
    "quantization": {"models", "layers"},
    "training": LEAVES | {"quantization", "methods", "models", "losses", "layers", "data"},
    "export": LEAVES | {"quantization", "methods", "models", "layers", "data"},
    "workdir": LEAVES | {"training", "export", "models", "data"},
    "candidates": LEAVES | {"pictures", "budget", "training", "export", "models", "workdir"},
    "finetune": LEAVES | {"training", "export", "data", "methods", "models", "layers", "losses"},
    "evaluation": LEAVES | {"pictures", "training", "export", "data"},
    "benchmark": LEAVES | {"training", "export", "data", "methods", "models", "layers", "losses"},
    "comparison": LEAVES | {"pictures", "training", "cli"},
    "cli": LEAVES,
}
COMMAND_LINES = {"__init__", "train", "export_student", "run_benchmark", "compare", "evaluate", "finetune_student"}


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


def test_tensorflow_is_named_only_where_the_platform_demands_it():
    """Losses, models and methods but for the training step are written in keras.ops."""
    for path in [PACKAGE / "losses.py", *(PACKAGE / "models").glob("*.py"), *(PACKAGE / "methods").glob("*.py")]:
        if path.name != "base.py":
            assert "tensorflow" not in path.read_text("utf-8").replace("TensorFlow", ""), path


def test_importing_odtf_imports_nothing_heavy_until_used():
    code = (
        "import sys, odtf; assert not {'tensorflow', 'keras'} & set(sys.modules)\n"
        "odtf.losses; assert 'keras' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
