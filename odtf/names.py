"""Names of what odtf has, each found by its file; nothing of it is imported.

A network, method, task, data source or config is one file in the folder of its kind. Commands list these names in
--help and in errors, before the seconds that importing TensorFlow takes. (`odtf.targets` are data and name themselves.)
"""

import ast
import difflib
import pathlib
import re

_ODTF = pathlib.Path(__file__).parent
MODELS = "FILE.keras, keras.applications:NAME"
OWN = "FILE.py:NAME or package.module:NAME of your own"

# Modules beside those of the kind: what they have in common.
_COMMON = {"methods": {"base"}, "tasks": {"classes", "clients", "evaluated", "exported", "study", "task", "written"}}
# The source of every data set that is no other source's: its form stands last.
FALLBACK = "tfds"


def networks():
    """Returns the names of all networks, sorted: functions of the files of their names."""
    return sorted(path.stem for path in _files("models/backbones"))


def methods():
    """Returns the names of all methods, sorted: classes, each in the file of its name with underscores."""
    return sorted(name for path in _files("methods") for name in _classes(path) if _belongs(name, path))


def method_file(name):
    """Returns the name of a method's module, such as "deep_mutual_learning", or None if there is no such method."""
    return next((path.stem for path in _files("methods") if _belongs(name, path)), None)


def tasks():
    """Returns the names of all tasks, sorted: files or packages."""
    packages = (path.parent for path in (_ODTF / "tasks").glob("[a-z]*/__init__.py"))
    return sorted(path.stem for path in (*_files("tasks"), *packages))


def sources():
    """Returns the names of all data sources, sorted: what stands before the colon of a data set's name."""
    return sorted(path.stem for path in _files("data/sources"))


def configs():
    """Returns the configs that come with odtf, sorted: a dict from their names to their paths."""
    folder = _ODTF / "configs"
    if not folder.is_dir():  # In a checkout they lie beside the package; setup.py puts them into it.
        folder = _ODTF.parent / "configs"
    return {path.stem: path for path in sorted(folder.glob("[a-z]*.py"))}


def data_sets():
    """Returns the forms that the name of a data set may have, as words: the `FORM` of each source, and one's own."""
    paths = sorted(_files("data/sources"), key=lambda path: (path.stem == FALLBACK, path.stem))
    forms = [ast.literal_eval(re.search(r"^FORM = (.+)$", path.read_text("utf-8"), re.MULTILINE)[1]) for path in paths]
    return f"{', '.join(forms[:-1])} or {forms[-1]}, or {OWN}"


def meant(word, known):
    """Returns " (did you mean WORD?)" with the known name that is nearest to a word, or nothing if none is near.

    Of a single known name, which the message gives in any case, nothing is asked.
    """
    spelled = {_plain(name): str(name) for name in known}
    near = difflib.get_close_matches(_plain(word), spelled, n=1) if len(spelled) > 1 else []
    return f" (did you mean {spelled[near[0]]}?)" if near else ""


def _plain(name):
    """Returns a name without what is easily confused: case, and what stands between words."""
    return re.sub(r"[-_ ]", "", str(name).lower())


def listed(names, word=None):
    """Returns names, and that there may be one's own, as the words of an error or of --help.

    Args:
        names: those that are known.
        word: what was given in their place, if the nearest of them is to be named.
    """
    return f"{', '.join(names)}, or {OWN}{'' if word is None else meant(word, names)}"


def in_configs(targets):
    """Returns the text by which --help says what the names in a config may be.

    Args:
        targets: names of the export targets, which their room knows.
    """
    kinds = {
        "network.name": f"{', '.join(networks())}, {MODELS}, or {OWN}",
        "method.teacher": "FILE.keras, FILE.tflite, FILE.onnx, a SavedModel (--allow_code) or a workdir",
        "method.name": listed(methods()),
        "task.name": listed(tasks()),
        "task.supervised, config.task.distil": f"in place of the task's loss terms, {OWN}",
        "data.name": data_sets(),
        "export.targets": listed(targets),
    }
    lines = [f"  config.{key}: {text}" for key, text in kinds.items()]
    return "\n".join(["names in a config:", *lines])


def _files(folder):
    common = _COMMON.get(folder, ())
    return [path for path in (_ODTF / folder).glob("[a-z]*.py") if path.stem not in common]


def _belongs(name, path):
    """Whether a class has the name of its file."""
    return name.lower() == path.stem.replace("_", "")


def _classes(path):
    """The names of the classes that a file defines."""
    return re.findall(r"^class (\w+)\(", path.read_text("utf-8"), re.MULTILINE)
