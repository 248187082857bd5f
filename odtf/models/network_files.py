"""Trained networks by name, and which pixels they take: those of the zoo by their cards, files by their records."""

from odtf import paths, zoo
from odtf.models import file_record

ZOO = "zoo:"


def is_of_zoo(name):
    """Whether a name is of the form "zoo:NAME"."""
    return isinstance(name, str) and name.startswith(ZOO)


def path_of(name):
    """Returns the path of what a name stands for.

    Args:
        name: "zoo:NAME", or a path.

    Raises:
        UserError: if the zoo has no such network.
    """
    return zoo.path(name.removeprefix(ZOO)) if is_of_zoo(name) else paths.at(name)


def pixels_of(name):
    """Returns which pixels a network takes, as for `from_keras`: "0..255" or (mean, std); None if nothing is known.

    Args:
        name: "zoo:NAME", or the path of a .keras file.

    Raises:
        UserError: if the zoo has no such network, or a file's record is damaged.
    """
    if not is_of_zoo(name):
        return file_record.pixels_of(file_record.read(paths.at(name)))
    constants = zoo.card(name.removeprefix(ZOO))["normalisation"]
    return constants["mean"], constants["std"]
