"""Exports of any Keras model: verified files for devices, as a run's peers become; no run is needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from odtf import export, models, paths, workdir_lock
from odtf.atomic_files import AtomicFiles
from odtf.candidates import budget as budget_lib
from odtf.candidates.choose import best_within, check, not_measured
from odtf.candidates.pool import Pool
from odtf.errors import UserError
from odtf.export.foreign_model import digest_of
from odtf.files import check_directory
from odtf.quantization import is_aware
from odtf.targets import find, find_target
from odtf.tasks import Classification

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    import keras

    from odtf.data import ImageDataset
    from odtf.models.annotations import Path, Pixels
    from odtf.targets import Target
    from odtf.tasks import Task


_JUDGED = (
    "The splits are those of the data that the export was given; whether the training saw images of them is not known "
    "here."
)


def export_model(
    model: keras.Model | Path,
    data: ImageDataset | str,
    output: Path,
    *,
    target: str | Target = "soc",
    quantization: str | None = None,
    budget: str | None = None,
    labels: Sequence[str] | Path | None = None,
    pixels: Pixels | None = None,
    task: Task | None = None,
    data_dir: Path | None = None,
    validation_fraction: float = 0.1,
    calibration_examples: int = 256,
    seed: int = 0,
    log: Callable[[str], Any] = print,
) -> tuple[list[dict[str, Any]], dict[str, UserError]]:
    """Exports a Keras model as verified TFLite files for the devices that it is to run on.

    It becomes what a student of a run becomes: calibrated by images of the training split, compared with the model over
    the validation and test splits, proven by the target's tools, and written to OUTPUT/TARGET with its model card and
    `verification.json`. A softmax at the model's end is taken off; files for apps end in one. A model that
    `odtf.quantization.quantization_aware` made becomes an int8 file with the ranges of its training.

    Args:
        model: `keras.Model` with one image of a fixed size for input and one output, or the path of a .keras file,
            which is read as data: no code of it is run.
        data: `odtf.data.ImageDataset`, or a name that `odtf.data.load` takes; images come in the model's size.
        output: directory of the files; made if needed.
        target: name of a target, a `Target`, or "all".
        quantization: as for `odtf.export.find_target`; for "all" the others get the one that is usual there; None: int8
            where the target takes it, else its usual one.
        budget: limits as text, see `odtf.candidates.budget.parse`: the best quantisation within them is exported, and
            all of them are in OUTPUT/candidates.json, .md and .png.
        labels: names of the outputs in their order, or the path of a text file with one a line; there may be more than
            the data have. None: those that a student.keras of a run records.
        pixels: what the model takes: "0..255", "0..1", "-1..1", or a pair (mean, std) of pixels scaled to [0, 1]. None:
            as recorded, or by the Rescaling or Normalization that the model begins with.
        task: `odtf.tasks.Task`; None: classification.
        data_dir, validation_fraction: as for `odtf.data.load`.
        calibration_examples: number of training images that set the ranges of activations.
        seed: of the validation split where the data have none, and of the choice of those images.
        log: callable that takes a line of text, for what is measured for a budget.

    Returns:
        (rows, refused): rows as of a report's `"exports"`, and a dict from the name of a target to the `UserError` that
        says why it cannot take the model; empty unless `target` is "all".

    Raises:
        UserError: if the model cannot be exported, its pixels or classes are not known, the data do not fit, nothing
            is within the budget, the one target refuses the model, or another process writes to the output. No file
            has changed then, but that what was measured for a budget is kept in OUTPUT/candidates.json.
    """
    task, folder = task or Classification(), paths.at(output)
    limits, chosen = _wanted(target, quantization, budget)
    check_directory(folder)
    options: dict[str, Any] = {"data_dir": data_dir, "validation_fraction": validation_fraction, "seed": seed}
    foreign, network, dataset = export.read_model(model, data, task, labels=labels, pixels=pixels, **options)
    settings = {"task": task, "calibration_examples": calibration_examples, "seed": seed}
    with workdir_lock.writing(folder):
        best = None
        if limits:
            ((kind, _),) = chosen
            pool = Pool(
                names=(foreign.name,),
                network=lambda name: network,
                load=lambda: dataset,
                folder=folder,
                digest=lambda: digest_of(network, dataset),
                task=task,
                calibration_examples=calibration_examples,
                seed=seed,
            )
            best = best_within(pool, kind, limits, log)
            chosen = [(kind, best["quantization"])]
        about = _about(foreign, network, dataset, task)
        with AtomicFiles() as atomic:
            settings |= {"about": about, "atomic": atomic}
            rows, refused = export.export_each(
                network, dataset, chosen, lambda described: folder / described.name, **settings
            )
    if refused and target != "all":
        raise next(iter(refused.values()))
    if best and rows[0]["sha256"] != best["sha256"]:
        raise not_measured(best, folder)
    return rows, refused


def _wanted(target, quantization, budget):
    """The limits of a budget, or None, and a list of (`Target`, quantisation)."""
    if budget is None:
        if target == "all":
            return None, export.every_target(quantization or "int8")
        described = find_target(target, quantization) if quantization else find(target)
        usual = "int8" if "int8" in described.tensors else next(iter(described.tensors))
        return None, [(described, quantization or usual)]
    if target == "all":
        raise UserError("A budget chooses for one target. Received: target='all'.")
    if quantization is not None:
        raise UserError(f"A budget chooses the quantization itself. Received: quantization={quantization!r}.")
    limits, described = budget_lib.parse(budget), find(target)
    check(described, limits)
    return limits, [(described, next(iter(described.tensors)))]


def _about(foreign, network, dataset, task):
    """What the model card says of the model."""
    training = {
        "network": f"{foreign.source}, a Keras model that was trained elsewhere",
        "data": f"not known here; calibrated and judged on {dataset.name}",
    }
    if is_aware(network):
        training["quantisation"] = "int8 in training: the ranges of activations are those that it learned"
    cost = models.cost(network, deployed=True, output=task.output)
    return {"name": foreign.name, "training": training, "cost": cost.in_words(), "judged": _JUDGED}
