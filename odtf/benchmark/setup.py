"""What the measurements of training share, checked. Nothing here imports TensorFlow."""

import dataclasses
from collections.abc import Callable

from odtf.errors import UserError

# What `odtf.benchmark.suite` measures, in its order.
MEASUREMENTS = (
    *("group_conv", "cheap_layers", "forms", "batch_norm", "cropping", "joint_step", "ensemble_step", "shared_trunk"),
    *("distillation", "pipeline", "reading"),
)


def print_line(text):
    """Prints a line at once, also into a pipe: minutes pass between two of them."""
    print(text, flush=True)


@dataclasses.dataclass(frozen=True)
class Setup:
    """What to measure, and how.

    Attributes:
        only: names of measurements; empty for all of them.
        depth: int, of the peers, 6n + 2.
        batch_size: int, of the steps; single layers have shapes of their own.
        repeats: int, timed rounds.
        num_peers: int, at least 2.
        log: callable that takes one line of text.

    Raises:
        UserError: for an unknown measurement, or a number out of range.
    """

    only: tuple = ()
    depth: int = 20
    batch_size: int = 128
    repeats: int = 9
    num_peers: int = 4
    log: Callable = print_line

    def __post_init__(self):
        for name in self.only:
            if name not in MEASUREMENTS:
                raise UserError(f"The measurements are {', '.join(MEASUREMENTS)}. Received: {name!r}.")
        if self.depth < 8 or (self.depth - 2) % 6:
            raise UserError(f"The depth must be 6n + 2, n at least 1. Received: depth={self.depth}.")
        for name, minimum in (("batch_size", 2), ("repeats", 1), ("num_peers", 2)):
            if getattr(self, name) < minimum:
                raise UserError(f"{name} must be at least {minimum}. Received: {name}={getattr(self, name)}.")

    @property
    def measurements(self):
        """The names of what is measured, in the order of `MEASUREMENTS`."""
        return tuple(name for name in MEASUREMENTS if not self.only or name in self.only)
