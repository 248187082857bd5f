"""Types of what passes between a method's hooks, as editors and type checkers show them; docstrings say what it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from odtf.losses.tensors import Tensor

# Named outputs of a network, or of the teacher.
Taps = Mapping[str, Tensor]
# What a cohort's forward pass returns: the taps of every network by its name.
Outputs = dict[str, Taps]
# Named terms of a loss, each `[batch]`.
Terms = dict[str, Tensor]
# Of every network that learns: its first epoch, and the one after its last.
Spans = dict[str, tuple[int, int]]

# What the parts of `Method` derive from: to a type checker each of them is the whole, for they call one another and
# what Keras has beneath them.
if TYPE_CHECKING:
    from keras import Model as Part
else:
    Part = object
