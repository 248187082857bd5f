"""Files of an export, which appear whole or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from odtf import paths
from odtf.atomic_files import joined
from odtf.data.framing import STRETCH
from odtf.models import deploy, file_record
from odtf.models.pixel_ranges import of_pixels
from odtf.quiet import quiet
from odtf.tasks import Classification

if TYPE_CHECKING:
    import os
    import pathlib
    from collections.abc import Mapping
    from typing import Any

    import keras

    from odtf.atomic_files import AtomicFiles
    from odtf.data import Info
    from odtf.tasks import Task


def publish(
    directory: str | os.PathLike[str], files: Mapping[str, bytes], atomic: AtomicFiles | None = None
) -> list[pathlib.Path]:
    """Writes several files into a directory; if anything fails, the directory is as it was before.

    Args:
        directory: path; made if it does not exist.
        files: dict from file name to bytes.
        atomic: `odtf.atomic_files.AtomicFiles` with which they appear, the last one of `files` last; None: now.

    Returns:
        list of the paths, in the order of `files`.

    Raises:
        UserError: if the directory cannot be written to or the disk is full.
    """
    with joined(atomic) as together:
        return together.add(directory, files)


class NotStock(ValueError):
    """A network has a layer of somebody's own, which a process with Keras alone could not load."""


def save_student(
    network: keras.Model,
    path: str | os.PathLike[str],
    *,
    task: Task | None = None,
    info: Info | None = None,
    atomic: AtomicFiles | None = None,
) -> pathlib.Path:
    """Saves the deploy form of a student as a `.keras` file that loads without odtf.

    With the facts about its data it takes pixels from 0 to 255, which it normalises by a Rescaling in front, and
    records so, with mean and std and what it answers: it can be used and exported by itself.

    Args:
        network: `keras.Model` with named taps, the task's answer among them.
        path: destination, ending in `.keras`; replaced in one step.
        task: `odtf.tasks.Task`; None: classification.
        info: `odtf.data.Info` of the data; None: nothing is recorded, and images come normalised.
        atomic: as for `publish`.

    Returns:
        The path, a `pathlib.Path`.

    Raises:
        UserError: if the file cannot be written.
        NotStock: if a layer of the network is neither Keras' own nor has such a form.
    """
    path, task = paths.at(path), task or Classification()
    normalization: Any = None if info is None else info.normalization
    with quiet():
        student = deploy(network, output=task.output)
    if info is not None:
        student = of_pixels(student, *normalization)
    for layer in student.layers:
        if type(layer).__module__.split(".")[0] != "keras":
            raise NotStock(
                "A student is saved as Keras' own layers, which a layer's deploy method names. "
                f"Received: layer {layer.name!r} of type {type(layer).__name__}"
            )
    with joined(atomic) as together, together.writing(path) as temporary:
        student.save(temporary)
        if info is not None:
            resize = None if info.resize == STRETCH else info.resize
            mean, std = normalization
            file_record.write(temporary, task.labels(info), mean, std, raw=True, resize=resize)
    return path
