"""Lists what odtf has, each with a line of what it is.

    odtf list zoo
    odtf list methods

Topics: methods, networks, tasks, data, targets, configs (odtf-train --config=NAME --help says more of one) and zoo, the
networks to start from. Nothing is trained, built or imported for it.
"""

import ast
import pathlib

import odtf
from odtf import names, zoo
from odtf.commands import cli
from odtf.errors import UserError
from odtf.tables import table
from odtf.targets import TARGETS

_ODTF = pathlib.Path(odtf.__file__).parent


def rows(topic):
    """Returns the rows of a topic's table, the heading first: tuples of str.

    Raises:
        UserError: if there is no such topic.
    """
    if topic not in _TOPICS:
        raise UserError(
            f"odtf list takes one of {', '.join(_TOPICS)}{names.meant(topic, _TOPICS)}. Received: {topic!r}."
        )
    return _TOPICS[topic]()


def _documented(heading, paths):
    return [(heading, ""), *((name, _summary(path)) for name, path in paths.items())]


def _summary(path):
    """Returns the first line of what a file says of itself; nothing of it is run."""
    text = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
    return text.strip().partition("\n")[0]


def _methods():
    return _documented(
        "method", {name: _ODTF / "methods" / f"{names.method_file(name)}.py" for name in names.methods()}
    )


def _networks():
    return _documented("network", {name: _ODTF / "models" / "backbones" / f"{name}.py" for name in names.networks()})


def _tasks():
    folder = _ODTF / "tasks"
    files = {name: folder / f"{name}.py" for name in names.tasks()}
    return _documented(
        "task", {name: path if path.is_file() else folder / name / "__init__.py" for name, path in files.items()}
    )


def _data():
    return _documented("source", {name: _ODTF / "data" / "sources" / f"{name}.py" for name in names.sources()})


def _targets():
    return [("target", ""), *((target.name, target.title) for target in TARGETS.values())]


def _configs():
    return _documented("config", names.configs())


def _zoo():
    heading = ("start", "network", "parameters", "bytes", "")
    cards = {name: zoo.card(name) for name in zoo.names()}
    return [heading, *(_of_card(name, card) for name, card in cards.items())]


def _of_card(name, card):
    network = " ".join(str(value) for value in card["network"].values())
    return f"zoo:{name}", network, f"{card['parameters']:,}", f"{card['bytes']:,}", card["quality"]


_TOPICS = {
    "methods": _methods,
    "networks": _networks,
    "tasks": _tasks,
    "data": _data,
    "targets": _targets,
    "configs": _configs,
    "zoo": _zoo,
}


def _main(argv):
    if len(argv) != 3 or argv[1] != "list":
        raise UserError(
            f"odtf list TOPIC is all that odtf does, with one of {', '.join(_TOPICS)}. "
            f"Received: {' '.join(['odtf', *argv[1:]])}."
        )
    print(table(rows(argv[2])))


def main():
    """Entry point of `odtf`."""
    cli.run(_main, __doc__)


if __name__ == "__main__":
    main()
