"""Any Keras model as a student that an export takes, and its data as the model sees them.

What a model takes and answers is not in it: which range its pixels have, and for which class an output stands. Where
nobody says it, it is refused, for a guess would be measured as a bad model, or not be noticed at all.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from typing import TYPE_CHECKING

import keras
import numpy as np

from odtf import data as data_lib
from odtf import paths
from odtf.data import renaming
from odtf.errors import UserError
from odtf.export import first_scaling
from odtf.models import allowed, file_record, from_keras, keras_file
from odtf.models.graph import call_of, graph_of
from odtf.models.pixel_ranges import GIVEN, find_pixels, normalization_of
from odtf.pixel_scales import RANGES
from odtf.quantization import is_aware

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from odtf.data import ImageDataset, Info
    from odtf.models.annotations import Path, Pixels, Shape
    from odtf.tasks import Task


def read_model(
    model: keras.Model | Path,
    data: ImageDataset | str | Callable[..., Any],
    task: Task,
    *,
    labels: Sequence[str] | Path | None = None,
    pixels: Pixels | None = None,
    data_dir: Path | None = None,
    validation_fraction: float = 0.1,
    seed: int = 0,
    calls_for: str = "exported",
) -> tuple[ForeignModel, keras.Model, ImageDataset]:
    """Reads a Keras model and the data that go with it: what exports and fine-tunings of any model begin with.

    Args:
        model, labels, pixels: as for `ForeignModel` and its `fed_by`.
        data: `odtf.data.ImageDataset`, or a name that `odtf.data.load` takes; images come in the model's size then.
        task: `odtf.tasks.Task`.
        data_dir, validation_fraction, seed: as for `odtf.data.load`.
        calls_for: word for errors, what the model cannot be.

    Returns:
        (model, network, dataset): a `ForeignModel`, the `keras.Model` with a tap that it is as a student, and the
        `odtf.data.ImageDataset` as that sees it. A Rescaling that the model begins with is in the normalisation.

    Raises:
        UserError: if the file may not be loaded, the model cannot be a student, what it takes and answers is not known,
            or the data are not of its size.
    """
    foreign = ForeignModel(model, calls_for)
    shape = foreign.image_shape()
    if not isinstance(data, data_lib.ImageDataset):
        size = None if data == "digits" else shape[:2]  # They have one size, and whether it is right is seen below.
        options: dict[str, Any] = {"data_dir": data_dir, "validation_fraction": validation_fraction, "seed": seed}
        options |= data_lib.framing_options(data, task.targets, foreign.record.get("resize"), shape[2])
        data = data_lib.load(data, image_size=size, targets=task.targets, **options)
    if tuple(data.image_shape) != shape:
        raise UserError(
            f"{foreign.source} takes images of shape {shape}, and the data must have them so. "
            f"Received: images of shape {tuple(data.image_shape)} from {data.name}."
        )
    dataset = foreign.fed_by(data, labels, pixels, task)
    network, dataset = first_scaling.folded(foreign.network(dataset.info, task), dataset)
    return foreign, network, foreign.as_recorded(dataset)


def digest_of(network, dataset):
    """Returns what tells a model and the data that judge it from others, as text."""
    parts = dataset.names, dataset.mean, dataset.std, {name: len(split) for name, split in dataset.splits.items()}
    digest = hashlib.sha256(json.dumps([dataset.name, *parts, network.get_config()], default=str).encode())
    for array in network.get_weights():
        digest.update(array.tobytes())
    return digest.hexdigest()


class ForeignModel:
    """A Keras model, and what is known of it.

    Args:
        model: `keras.Model`, or the path of a .keras file, which is read as data: no code of it is run.
        calls_for: word for errors, what the model cannot be.

    Attributes:
        model: `keras.Model`.
        name: for files and cards.
        source: words for errors.
        record: dict from "names", "mean" and "std" to what a file records of them; empty where it records nothing.

    Raises:
        UserError: if the file is none that may be loaded.
    """

    def __init__(self, model: keras.Model | Path, calls_for: str = "exported") -> None:
        self._calls_for = calls_for
        if isinstance(model, keras.Model):
            self.model, self.source, stem, self.record = model, f"the model {model.name!r}", model.name, {}
        else:
            self.model = keras_file.load(model, (*allowed.PACKAGES, "odtf.quantization"))
            self.source, stem, self.record = str(model), paths.at(model).stem, file_record.read(model)
        self.name = re.sub(r"[^A-Za-z0-9_.-]+", "_", stem).strip("._") or "model"

    def image_shape(self) -> Shape:
        """Returns (height, width, channels) of the images that the model takes.

        Raises:
            UserError: if it takes no image of a fixed size, or gives more than one output.
        """
        graph = graph_of(self.model)
        if graph is None:
            return tuple(self._network("output").input_shape[1:])
        if len(graph.inputs) != 1 or len(graph.outputs) != 1:
            raise UserError(
                "A model takes one image and gives one output; choose with keras.Model(inputs, outputs). "
                f"Received: {len(graph.inputs)} inputs and {len(graph.outputs)} outputs of {self.source}."
            )
        shape = tuple(graph.inputs[0].shape[1:])
        if len(shape) != 3 or None in shape:
            raise UserError(
                "A model takes images of one fixed size, [height, width, channels]: build the model with "
                f"keras.Input((height, width, channels)). Received: {shape} of {self.source}."
            )
        return shape

    def fed_by(
        self, dataset: ImageDataset, labels: Sequence[str] | Path | None, pixels: Pixels | None, task: Task
    ) -> ImageDataset:
        """Returns the data as the model sees them: normalised to what it takes, with classes in its order.

        Args:
            dataset: `odtf.data.ImageDataset`.
            labels: names of the outputs in their order, or the path of a text file with one a line; None: as recorded.
            pixels: "0..255", "0..1", "-1..1" or a pair (mean, std) of pixels scaled to [0, 1]; None: as recorded, or
                by the model's own Rescaling or Normalization.
            task: `odtf.tasks.Task`.

        Raises:
            UserError: if one of both is not known, or contradicts what the file records.
        """
        mean, std = (self._by_channel(values, dataset.image_shape[2]) for values in self._pixels(pixels))
        if task.labels(dataset.info):
            dataset = renaming.in_order(dataset, self._names(labels, dataset))
        elif labels is not None:
            raise UserError(f"The outputs of {task.name} have no names: leave labels out. Received: labels={labels}.")
        return dataclasses.replace(dataset, mean=mean, std=std)

    def as_recorded(self, dataset: ImageDataset) -> ImageDataset:
        """Returns data with the mean and std that the file records, where theirs are those up to rounding.

        So the files that are made of a student are those of the run that it is from, byte for byte.
        """
        recorded = [self.record[key] for key in ("mean", "std")] if self.record else []
        if not recorded or not all(map(np.allclose, recorded, (dataset.mean, dataset.std))):
            return dataset
        mean, std = (self._by_channel(values, dataset.image_shape[2]) for values in recorded)
        return dataclasses.replace(dataset, mean=mean, std=std)

    def network(self, info: Info, task: Task) -> keras.Model:
        """Returns the model as a network with a tap, the task's answer; a softmax at its end is taken off.

        Args:
            info: `odtf.data.Info` of what `fed_by` returned.
            task: `odtf.tasks.Task`.

        Raises:
            UserError: if it cannot be one, or does not answer as the task wants.
        """
        network = self._network(None if isinstance(task.head(info), int) else task.output)
        task.check(info, tuple(network.output[task.output].shape))
        return network

    def _network(self, answer):
        try:
            if is_aware(self.model):
                return _rounding(self.model, answer, self.name)
            options = {"pixels": GIVEN, "weights": "keep", "answer": answer}
            return from_keras(self.model, **options)(name=self.name)
        except ValueError as error:
            raise UserError(f"{self.source} cannot be {self._calls_for}. {error}") from error

    def _by_channel(self, values, channels):
        if np.shape(values) not in ((), (1,), (channels,)):
            raise UserError(
                f"Pixels have a mean and a std for each of {channels} channels, or one for all. "
                f"Received: {np.size(values)} for {self.source}."
            )
        return tuple(map(float, np.broadcast_to(values, [channels])))

    def _pixels(self, said):
        """Mean and deviation of what the model takes."""
        recorded = file_record.pixels_of(self.record)
        if recorded == file_record.RAW:
            recorded = normalization_of(recorded)
        try:
            given = None if said is None else normalization_of(said)
        except ValueError as error:
            raise UserError(f"{self.source}: {error}.") from error
        if given is not None and recorded and not all(map(np.allclose, given, recorded)):
            raise UserError(
                f"{self.source} records other pixels, {_shown(file_record.pixels_of(self.record))}. "
                f"Received: pixels={said!r}."
            )
        return given or recorded or self._found_pixels()

    def _found_pixels(self):
        """Those that a Rescaling or Normalization at the model's begin shows."""
        try:
            found = GIVEN if graph_of(self.model) is None else find_pixels(self.model)
        except ValueError:  # A layer that may be meant for several ranges.
            found = GIVEN
        if found == GIVEN:
            raise UserError(
                f"{self.source}: the range of its pixels must be said: pixels={', '.join(RANGES)}, or mean and std. "
                "Received: neither that nor a record in the file, nor a model that begins with a Rescaling or a "
                "Normalization of one range."
            )
        return normalization_of(found)

    def _names(self, said, dataset):
        recorded = self.record.get("names")
        names = None if said is None else renaming.read_names(said)
        if names is not None and recorded and names != recorded:
            raise UserError(
                f"{self.source} records the order of its classes: {', '.join(recorded[:5])}, ... "
                f"Received: other labels, {', '.join(names[:5])}, ..."
            )
        names = recorded if names is None else names
        if not names:
            raise UserError(
                f"{self.source}: the order of its classes must be said: labels, a text file with the name of each "
                f"output on a line, of {', '.join(map(str, dataset.names[:3]))} and so on. Received: neither that nor "
                "a record in the file."
            )
        return names


def _shown(pixels):
    return pixels if isinstance(pixels, str) else f"mean {pixels[0]} and std {pixels[1]}"


def _rounding(model, answer, name):
    """A model that `quantization_aware` made, with its answer as a tap; its layers and ranges are its own."""
    last = call_of(model.outputs[0])
    end = getattr(getattr(getattr(last.operation, "layer", last.operation), "activation", None), "__name__", "linear")
    output = last.input_tensors[0] if end == "softmax" else model.outputs[0]
    if answer is None and (len(output.shape) != 2 or end == "sigmoid"):
        raise ValueError(
            "A classifier answers with logits or a softmax of 2 classes or more. "
            f"Received: an output {tuple(output.shape)} with {end} at its end."
        )
    return keras.Model(model.inputs[0], {answer or "logits": output}, name=name)
