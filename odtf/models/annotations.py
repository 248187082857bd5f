"""Types of arguments, as editors and type checkers show them; docstrings say what they mean."""

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras

# Of a file or a directory.
Path = str | os.PathLike[str]
# (height, width, channels).
Shape = tuple[int, int, int]
# Makes a network: `network(*, seed, name, synchronized=False)`.
Network = Callable[..., keras.Model]
# One for all peers, or one for each.
Networks = Network | Sequence[Network]
# "0..255", "0..1", "-1..1", "given", or mean and std of pixels in [0, 1].
Pixels = str | tuple[Any, Any]
# A number of classes, or one of `odtf.models.heads`.
Head = int | Callable[..., Any]
# The "name" of a network and its arguments, as in a config.
Specification = Mapping[str, Any]
# Names, or what tells by a layer whether it is meant.
Layers = str | Sequence[str] | Callable[[keras.layers.Layer], bool]
