"""Networks that candidates are made of: those of a finished run, or any others."""

from __future__ import annotations

import dataclasses
import pathlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    import keras

    from odtf.data import ImageDataset
    from odtf.runs import Run
    from odtf.tasks import Task


@dataclasses.dataclass(frozen=True)
class Pool:
    """Networks to choose from, and all that their exports need.

    Attributes:
        names: of the networks, a tuple.
        network: function from a name to a network, as `odtf.export.export_student` takes it.
        load: function without arguments that returns the `odtf.data.ImageDataset`; called if something is measured.
        task: `odtf.tasks.Task`.
        folder: `pathlib.Path`, where candidates.json and the targets' folders are.
        digest: function without arguments that returns what tells the networks and their data from others, as text.
        calibration_examples: as for `export_student`.
        seed: likewise.
    """

    names: tuple[str, ...]
    network: Callable[[str], keras.Model]
    load: Callable[[], ImageDataset]
    task: Task
    folder: pathlib.Path
    digest: Callable[[], str]
    calibration_examples: int
    seed: int

    @classmethod
    def of(cls, run: Run) -> Pool:
        """Returns that of a finished run, an `odtf.runs.Run`: its peers, each with the weights that were chosen."""
        return cls(
            names=run.peers,
            network=run.network,
            load=lambda: run.dataset,
            task=run.task,
            folder=run.workdir / "export",
            digest=run.weights_digest,
            calibration_examples=run.config.export.calibration_examples,
            seed=run.config.seed,
        )
