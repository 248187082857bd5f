"""Imports run one way, and importing odtf costs nothing."""

import ast
import configparser
import importlib
import pathlib
import pkgutil
import re
import subprocess
import sys

import pytest

import odtf

PACKAGE = pathlib.Path(__file__).resolve().parent.parent / "odtf"

# What each room may import from the house. The command lines may import all.
LEAVES = {"errors", "files", "lifetimes", "names", "own_code", "quiet", "sealed", "tables", "targets"}
LEAVES |= {"paths", "file_systems"}  # Where files lie.
LEAVES |= {"atomic_files", "workdir_lock", "launches", "pixel_scales", "digests", "log_lines", "archives"}
LEAVES |= {"isolated", "stopping", "terminal"}  # Processes.
MAY_IMPORT = {
    "errors": set(),
    "file_systems": {"errors", "quiet"},
    "store_streams": {"file_systems"},
    "store_path": {"errors", "file_systems", "store_streams"},
    "paths": {"errors", "store_path"},
    "files": {"errors", "paths"},
    "workdir_lock": {"errors", "paths", "files"},
    "atomic_files": {"paths", "files"},
    "quiet": {"errors"},
    "sealed": {"errors", "paths", "file_systems", "files"},
    "names": {"errors"},
    "own_code": {"errors", "paths", "names"},
    "pictures": {"files"},
    "tables": set(),
    "pixel_scales": set(),
    "digests": {"paths"},
    "archives": set(),
    "log_lines": {"paths"},
    "sections": set(),
    "launches": {"paths", "sealed"},
    "lifetimes": set(),
    "isolated": set(),
    "stopping": set(),
    "terminal": set(),
    "zoo": {"errors", "names", "digests"},
    "targets": {"errors", "paths", "names", "own_code"},
    "losses": set(),
    "metrics": set(),
    "layers": set(),
    "models": {"errors", "paths", "names", "own_code", "lifetimes", "pixel_scales", "digests", "zoo", "layers"},
    "data": LEAVES,
    "quantization": {"models", "layers"},
    "tflite": LEAVES,
    "tasks": LEAVES | {"data", "losses", "metrics", "models", "tflite", "pictures", "sections"},
    "methods": {"errors", "names", "own_code", "tasks", "metrics", "models", "layers", "losses", "quantization"},
    "training": LEAVES
    | {"pictures", "quantization", "methods", "tasks", "metrics", "models", "losses", "layers", "data"},
    "run_records": {"errors", "paths", "sealed", "training"},
    "runs": LEAVES | {"run_records", "training", "teachers"},
    "teachers": {"errors", "paths", "pixel_scales", "models", "evaluation"},
    "export": LEAVES | {"pictures", "tflite", "quantization", "tasks", "metrics", "models", "layers", "data"},
    "run_exports": LEAVES | {"runs", "training", "export", "models", "data"},
    "candidates": LEAVES | {"pictures", "runs", "run_exports", "training", "export", "tflite", "tasks", "models"},
    "model_exports": LEAVES | {"candidates", "export", "quantization", "tasks", "models", "data"},
    "finetune": LEAVES
    | {"runs", "training", "export", "tflite", "data", "methods", "tasks", "metrics", "models", "layers", "losses"},
    "evaluation": LEAVES | {"pictures", "tasks", "metrics", "tflite", "data"},
    "benchmark": LEAVES | {"training", "export", "tflite", "data", "methods", "models", "layers", "losses"},
    "compare": LEAVES | {"pictures", "runs", "training", "methods", "quantization"},
    "workflow": LEAVES | {"pictures", "runs", "run_exports", "page", "compare", "evaluation", "training", "tasks"},
    "page": LEAVES | {"pictures", "sections", "candidates", "compare", "training", "tflite", "export", "data"},
}
COMMAND_LINES = {"__init__", "commands"}


def _is_for_types(test):
    return isinstance(test, ast.Name) and test.id == "TYPE_CHECKING"


def rooms_imported(path):
    """Yields the rooms of odtf that a file imports, anywhere in it but for the eyes of a type checker."""
    tree = ast.parse(path.read_text("utf-8"))
    tree.body = [node for node in tree.body if not (isinstance(node, ast.If) and _is_for_types(node.test))]
    for node in ast.walk(tree):
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


WORDS_OF_CLASSIFICATION = ("top1", "top-1", "label_smoothing", "class_names", "ImageClassifier")
# The mathematics itself: a cross-entropy with smoothed labels is a loss like any other.
MAY_SAY = {f"losses/{name}.py": {"label_smoothing"} for name in ("__init__", "answers")}


OUTSIDE = [
    path
    for path in sorted((*PACKAGE.rglob("*.py"), *PACKAGE.rglob("*.j2")))
    if path.relative_to(PACKAGE).parts[:2] != ("tasks", "classification")
]


@pytest.mark.parametrize("path", OUTSIDE, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_the_words_of_a_task_stand_in_the_task_alone(path):
    place = path.relative_to(PACKAGE)
    found = {word for word in WORDS_OF_CLASSIFICATION if word in path.read_text("utf-8")}
    assert found <= MAY_SAY.get(str(place), set())


# What opens a path of this machine, whatever it is given, and where that is right: paths that odtf itself has made, its
# own files, temporary folders, what the user has on this machine alone (configs and code), and what is no file at all.
OPENS = {"open", "pathlib.Path", "Path", "os.stat", "os.scandir", "os.listdir", "os.makedirs", "os.path.realpath"}
OPENS |= {"os.path.exists", "os.path.isfile", "os.path.isdir", "os.path.getsize", "os.path.relpath", "os.replace"}
MAY_OPEN = {
    *("paths.py", "files.py", "quiet.py", "terminal.py", "names.py", "atomic_files.py", "launches.py"),
    *("own_code.py", "training/config_file.py", "commands/list.py", "zoo/__init__.py", "zoo/students/__init__.py"),
    *("tasks/segmentation/__init__.py", "tasks/translation/__init__.py", "tasks/retrieval/__init__.py"),
    *("tasks/classification/__init__.py", "tasks/study.py", "training/storing.py", "data/decoding.py"),
    *("export/proofs.py", "candidates/measurement.py", "tflite/micro_program.py", "tflite/micro_interpreter.py"),
    *("tflite/vela.py", "benchmark/litert_tool.py", "benchmark/reading.py", "benchmark/adb.py", "isolated.py"),
}


def test_paths_that_are_given_are_opened_by_the_path_layer():
    """`odtf.paths.at` knows stores; `pathlib.Path` would take gs:// for a folder of this machine."""
    found = set()
    for path in PACKAGE.rglob("*.py"):
        calls = (node.func for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Call))
        if OPENS & {ast.unparse(call) for call in calls}:
            found.add(path.relative_to(PACKAGE).as_posix())
    assert found == MAY_OPEN


def test_every_module_has_a_name_of_its_own():
    """A command is named after what it does, which a package is too; all others are told apart by name."""
    modules = [p.relative_to(PACKAGE) for p in PACKAGE.rglob("*.py") if p.parent.name != "commands"]
    names = [p.parent.name if p.name == "__init__.py" else p.stem for p in modules if p.parts != ("__init__.py",)]
    assert sorted(name for name in set(names) if names.count(name) > 1) == []


def test_tests_import_one_command_at_most():
    """All flags of a process share their names, and commands have flags of equal names: others run as programs."""
    texts = [path.read_text("utf-8") for path in pathlib.Path(__file__).parent.rglob("*.py")]
    imported = {name for text in texts for name in re.findall(r"^ *from odtf\.commands import (\w+)", text, re.M)}
    assert len(imported - {"cli", "list"}) <= 1  # These have no flags, or none of such a name.


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
    for path in (path for room in ("losses", "models", "methods") for path in (PACKAGE / room).rglob("*.py")):
        # The step, the order of its updates, and the loops: over held-out examples, and Keras' own; the pool of images
        # that replicas share.
        if path.name not in (
            "cycle.py",
            "held_out.py",
            "image_pool.py",
            "keras_loops.py",
            "players.py",
            "replicas.py",
            "running.py",
            "training_step.py",
        ):
            assert "tensorflow" not in path.read_text("utf-8").replace("TensorFlow", ""), path


def test_importing_odtf_imports_nothing_heavy_until_used():
    code = (
        "import sys, odtf; assert not {'tensorflow', 'keras'} & set(sys.modules)\n"
        "odtf.losses; assert 'keras' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_everything_that_is_no_module_is_in_the_wheel():
    setup = configparser.ConfigParser()
    setup.read(PACKAGE.parent / "setup.cfg")
    lines = setup["options.package_data"].items()
    patterns = [(package, part.strip()) for package, parts in lines for part in parts.replace("\n", ",").split(",")]
    for path in PACKAGE.rglob("*"):
        if path.is_file() and path.suffix not in (".py", ".pyc"):
            package = max((p for p in path.parents if (p / "__init__.py").exists()), key=lambda p: len(p.parts))
            name = ".".join(package.relative_to(PACKAGE.parent).parts)
            assert any(
                key in ("*", name) and path.relative_to(package).match(pattern) for key, pattern in patterns if pattern
            ), f"setup.cfg: options.package_data has no pattern for {path.relative_to(PACKAGE.parent)}"


def test_what_a_hint_installs_is_what_odtf_or_an_extra_requires():
    """odtf itself is in no registry: a hint names packages that are."""
    setup = configparser.ConfigParser()
    setup.read(PACKAGE.parent / "setup.cfg")
    lines = "\n".join([setup["options"]["install_requires"], *setup["options.extras_require"].values()]).splitlines()
    known = {re.split(r"[^\w-]", line.strip())[0] for line in lines}
    text = "\n".join(path.read_text("utf-8") for path in PACKAGE.rglob("*.py"))
    hints = re.findall(r"pip install ([^\n\".)]+)", text)
    assert len(hints) >= 5
    assert {package for hint in hints for package in hint.split()} <= known
