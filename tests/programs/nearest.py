"""Which tests are nearest to a module: those named after it, then those that import it, by way of ever more modules."""

import ast
import configparser
import functools
import pathlib
import re

# By way of more modules than this, a file of tests says little about one of them.
_FARTHEST = 3
# Tests start a console script by its name, or by what follows "odtf-" in it.
_STARTED = re.compile(r"\bodtf-([a-z]+)|\bprogram=\"([a-z]+)\"")


def nearest_tests(root, module):
    """Orders the files of tests by how near they are to a module.

    Args:
        root: `pathlib.Path` of the checkout.
        module: path of the module below root, such as "odtf/methods/one.py".

    Returns:
        list of paths below root: what is named after the module, then what speaks of it, then the rest; among those
        what is fewer imports away, then what lies in the folder of the same name, then the shorter file.
    """
    graph, module = _graph(root), pathlib.Path(module)
    found = {}
    for tests in sorted(root.glob("tests/**/test_*.py")):
        path, text = str(tests.relative_to(root)), tests.read_text("utf-8")
        distance = _distance(graph, path, str(module))
        named = tests.name == f"test_{module.stem}.py"
        neighbours = tests.parent.name == module.parent.name
        if named or neighbours or distance <= _FARTHEST:
            # FeatureFusion and feature_fusion alike.
            word = rf"(?<![a-z]){module.stem.replace('_', '')}(?![a-z])"
            mentioned = re.search(word, text.lower().replace("_", ""))
            found[path] = (not named, not mentioned, distance, not neighbours, len(text))
    return sorted(found, key=found.get)


def _distance(graph, start, goal):
    """Length of the shortest way along imports; more than `_FARTHEST` where it is longer or there is none."""
    seen, front = {start}, {start}
    for distance in range(1, _FARTHEST + 1):
        front = {other for path in front for other in graph.get(path, ())} - seen
        if goal in front:
            return distance
        seen |= front
    return _FARTHEST + 1


@functools.cache
def _graph(root):
    """What each file of odtf/ and tests/ imports, also inside functions: path -> set of paths."""
    files = {str(path.relative_to(root)) for folder in ("odtf", "tests") for path in root.glob(f"{folder}/**/*.py")}
    return {path: set(_imports(root, path, files)) for path in files}


def _imports(root, path, files):
    by_name, packages = b"import_module" in (root / path).read_bytes(), {pathlib.Path(path).parent}
    for node in ast.walk(ast.parse((root / path).read_bytes())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [_meant(f"{node.module}.{alias.name}", node.module, files) for alias in node.names]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith("odtf."):
            names = [node.value]  # A module that is imported, or started, by name.
        else:
            continue
        for name in names:
            place = name.replace(".", "/")
            yield from {f"{place}.py", f"{place}/__init__.py"} & files
            if by_name and f"{place}/__init__.py" in files:
                packages.add(pathlib.Path(place))
    if path.startswith("tests/"):
        # What a test finds in its folder's conftest.py it need not import.
        yield from {str(folder / "conftest.py") for folder in pathlib.Path(path).parents} & files
        scripts = _scripts(root)
        yield from {scripts.get(a or b, path) for a, b in _STARTED.findall((root / path).read_text("utf-8"))}
    if by_name and path.startswith("odtf/"):
        # What finds modules by their names finds those of its own package, or of one that it imports.
        yield from {other for other in files if pathlib.Path(other).parent in packages}


def _meant(name, package, files):
    """`from package import name`: the module of that name, or else the package; what else a package has is not used."""
    place = name.replace(".", "/")
    return name if {f"{place}.py", f"{place}/__init__.py"} & files else package


@functools.cache
def _scripts(root):
    """The modules of the console scripts: what follows "odtf-" in the name -> path."""
    setup = configparser.ConfigParser()
    setup.read(root / "setup.cfg")
    lines = setup["options.entry_points"]["console_scripts"].split("\n")
    pairs = (re.split(r"[=:]", line) for line in lines if line.strip())
    return {name.strip().removeprefix("odtf-"): f"{module.strip().replace('.', '/')}.py" for name, module, _ in pairs}
