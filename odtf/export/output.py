"""Files of an export, which appear whole or not at all."""

import contextlib
import os
import shutil
import tempfile
from pathlib import Path

from odtf.files import disk_errors
from odtf.models import deploy, file_record
from odtf.models.pixel_ranges import of_pixels
from odtf.quiet import quiet
from odtf.tasks import Classification


def publish(directory, files):
    """Writes several files into a directory; if anything fails, the directory is as it was before.

    Everything is written and synced beside its destination first; then each file replaces its predecessor in one
    step, the last one of `files` last.

    Args:
        directory: path; made if it does not exist.
        files: dict from file name to bytes.

    Returns:
        list of the paths, in the order of `files`.

    Raises:
        UserError: if the directory cannot be written to or the disk is full.
    """
    directory = Path(directory)
    made = [path for path in (directory, *directory.parents) if not path.exists()]
    with disk_errors(directory):
        try:
            directory.mkdir(parents=True, exist_ok=True)
            # Inside the directory, because only there a rename is sure to stay on one file system.
            with tempfile.TemporaryDirectory(prefix=".partial-", dir=directory) as staging:
                for name, content in files.items():
                    _write(Path(staging, name), content)
                _replace_all(Path(staging), directory, list(files))
        except BaseException:
            for path in made:
                with contextlib.suppress(OSError):
                    path.rmdir()
            raise
    return [directory / name for name in files]


def save_student(network, path, *, task=None, info=None):
    """Saves the deploy form of a student as a `.keras` file that loads without odtf.

    With the facts about its data it takes pixels from 0 to 255, which it normalises by a Rescaling in front, and
    records so, with mean and std and what it answers: it can be used and exported by itself.

    Args:
        network: `keras.Model` with named taps, the task's answer among them.
        path: destination, ending in `.keras`; replaced in one step.
        task: `odtf.tasks.Task`; None: classification.
        info: `odtf.data.Info` of the data; None: nothing is recorded, and images come normalised.

    Returns:
        The path, a `pathlib.Path`.

    Raises:
        UserError: if the file cannot be written.
        ValueError: if a layer of the network has no stock form.
    """
    path, task = Path(path), task or Classification()
    with quiet():
        student = deploy(network, output=task.output)
    if info is not None:
        student = of_pixels(student, *info.normalization)
    for layer in student.layers:
        if type(layer).__module__.split(".")[0] != "keras":
            raise ValueError(
                "A student is saved as Keras' own layers, which a layer's deploy method names. "
                f"Received: layer {layer.name!r} of type {type(layer).__name__}"
            )
    # Keras wants the suffix; the name says whose remains it would be.
    temporary = path.with_name(f".partial-{os.getpid()}-{path.name}")
    with disk_errors(path):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            student.save(temporary)
            if info is not None:
                file_record.write(temporary, task.labels(info), *info.normalization, raw=True)
            _sync(temporary)
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    return path


def _replace_all(staging, directory, names):
    kept = staging / "kept"
    kept.mkdir()
    for name in names:
        if (directory / name).exists():
            shutil.copy2(directory / name, kept / name)
    done = []
    try:
        for name in names:
            os.replace(staging / name, directory / name)
            done.append(name)
    except BaseException:
        for name in done:
            if (kept / name).exists():
                os.replace(kept / name, directory / name)
            else:
                (directory / name).unlink()
        raise


def _write(path, content):
    with open(path, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync(path):
    with open(path, "rb") as file:
        os.fsync(file.fileno())
