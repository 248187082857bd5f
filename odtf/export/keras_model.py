"""Any Keras model as a student that an export takes, and its data as the model sees them.

What a model takes and answers is not in it: which range its pixels have, and for which class an output stands. Where
nobody says it, it is refused, for a guess would be measured as a bad model, or not be noticed at all.
"""

import collections.abc
import dataclasses
import pathlib
import re

import keras
import numpy as np

from odtf.data import renaming
from odtf.errors import UserError
from odtf.models import allowed, file_record, from_keras, keras_file
from odtf.models.flattening import graph_of
from odtf.models.pixel_ranges import GIVEN, RANGES, find_pixels, normalization_of
from odtf.quantization import is_aware


class Subject:
    """A Keras model, and what is known of it.

    Args:
        model: `keras.Model`, or the path of a .keras file, which is read as data: no code of it is run.

    Attributes:
        model: `keras.Model`.
        name: for files and cards.
        source: words for errors.
        record: dict from "names", "mean" and "std" to what a file records of them; empty where it records nothing.

    Raises:
        UserError: if the file is none that may be loaded.
    """

    def __init__(self, model):
        if isinstance(model, keras.Model):
            self.model, self.source, stem, self.record = model, f"the model {model.name!r}", model.name, {}
        else:
            self.model = keras_file.load(model, (*allowed.PACKAGES, "odtf.quantization"))
            self.source, stem, self.record = str(model), pathlib.Path(model).stem, file_record.read(model)
        self.name = re.sub(r"[^A-Za-z0-9_.-]+", "_", stem).strip("._") or "model"

    def image_shape(self):
        """Returns (height, width, channels) of the images that the model takes.

        Raises:
            UserError: if it takes no image of a fixed size, or gives more than one output.
        """
        graph = graph_of(self.model)
        if graph is None:
            return tuple(self._network("output").input_shape[1:])
        if len(graph.inputs) != 1 or len(graph.outputs) != 1:
            raise UserError(
                f"A file takes one image and gives one output; choose with keras.Model(inputs, outputs). "
                f"Received: {len(graph.inputs)} inputs and {len(graph.outputs)} outputs of {self.source}."
            )
        shape = tuple(graph.inputs[0].shape[1:])
        if len(shape) != 3 or None in shape:
            raise UserError(
                "A file takes images of one fixed size, [height, width, channels]: build the model with "
                f"keras.Input((height, width, channels)). Received: {shape} of {self.source}."
            )
        return shape

    def fed_by(self, dataset, labels, pixels, task):
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
        mean, std = (tuple(map(float, np.broadcast_to(v, dataset.image_shape[2:]))) for v in self._pixels(pixels))
        if task.labels(dataset.info):
            dataset = renaming.in_order(dataset, self._names(labels, dataset))
        return dataclasses.replace(dataset, mean=mean, std=std)

    def network(self, info, task):
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
            raise UserError(f"{self.source} cannot be exported. {error}") from error

    def _pixels(self, said):
        """Mean and deviation of what the model takes."""
        recorded = (self.record["mean"], self.record["std"]) if self.record else None
        try:
            given = None if said is None else normalization_of(said)
            if given is not None and recorded and not all(map(np.allclose, given, recorded)):
                raise ValueError(f"It records mean {recorded[0]} and std {recorded[1]}. Received: pixels={said!r}.")
            if given is not None or recorded:
                return recorded if given is None else given
            found = GIVEN if graph_of(self.model) is None else find_pixels(self.model)
            if found == GIVEN:
                raise ValueError(
                    f"The range of its pixels must be said: pixels={', '.join(RANGES)}, or mean and std. "
                    "Received: neither that nor a record in the file, nor a model that begins with Rescaling."
                )
            return normalization_of(found)
        except ValueError as error:
            raise UserError(f"{self.source}: {error}") from error

    def _names(self, said, dataset):
        recorded = self.record.get("names")
        names = None if said is None else read_labels(said)
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


def read_labels(labels):
    """Returns names of outputs, a list of str: those given, or those in a text file, one a line.

    Raises:
        UserError: if the file cannot be read, or a line in it is empty.
    """
    if not isinstance(labels, str | pathlib.Path):
        if not isinstance(labels, collections.abc.Iterable):
            raise UserError(f"labels are names, or the path of a file with one a line. Received: labels={labels!r}.")
        return [str(name) for name in labels]
    try:
        lines = [line.strip() for line in pathlib.Path(labels).read_text("utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"Labels are a text file, one name a line. Received: {labels} ({error}).") from error
    while lines and not lines[-1]:
        lines.pop()
    if not lines or not all(lines):
        empty = lines.index("") + 1 if lines else 1
        raise UserError(f"Labels are a text file, one name a line. Received: {labels}, whose line {empty} is empty.")
    return lines


def _rounding(model, answer, name):
    """A model that `quantization_aware` made, with its answer as a tap; its layers and ranges are its own."""
    outputs = model.outputs
    operation, node, _ = outputs[0]._keras_history
    end = getattr(getattr(getattr(operation, "layer", operation), "activation", None), "__name__", "linear")
    output = operation._inbound_nodes[node].input_tensors[0] if end == "softmax" else outputs[0]
    if answer is None and (len(output.shape) != 2 or end == "sigmoid"):
        raise ValueError(
            "A classifier answers with logits or a softmax of 2 classes or more. "
            f"Received: an output {tuple(output.shape)} with {end} at its end."
        )
    return keras.Model(model.inputs[0], {answer or "logits": output}, name=name)
