"""Taps of somebody's network, found in its graph: stages, the map before pooling, the embedding."""

import itertools
import math
import operator

import keras

from odtf.models.graph import common_line, needed

_POOLING = (keras.layers.GlobalAveragePooling2D, keras.layers.GlobalMaxPooling2D)
_POOLING_OPERATIONS = ("Mean", "Max", "Amax")
# Layers that do nothing but in training.
ONLY_IN_TRAINING = (
    *(keras.layers.Dropout, keras.layers.SpatialDropout1D, keras.layers.SpatialDropout2D, keras.layers.AlphaDropout),
    *(keras.layers.GaussianDropout, keras.layers.GaussianNoise, keras.layers.ActivityRegularization),
    *(keras.layers.RandomBrightness, keras.layers.RandomContrast, keras.layers.RandomErasing, keras.layers.RandomFlip),
    *(keras.layers.RandomRotation, keras.layers.RandomTranslation, keras.layers.RandomZoom, keras.layers.Identity),
)


def find_taps(flat, output):
    """Finds the taps of a network by its form.

    All that a network computes passes through some of its tensors alone, such as the output of a residual block. Among
    those behind the first layer with weights, "stage1" and so on are the last of each resolution, up to the map that is
    pooled or flattened; the "embedding" is what the last layer with weights takes, or the pooled map.

    Args:
        flat: `odtf.models.flattening.Flat`.
        output: KerasTensor of it, the answer.

    Returns:
        dict from a tap to its KerasTensor: "stage1" ... `[batch, h, w, c]` as far as there are maps, and "embedding"
        `[batch, features]` unless the answer is a map itself.
    """
    line = _common_line(flat, output)
    first = next((i for i, step in enumerate(line) if step.weighted), len(line))
    line = line[first:]
    pooled = _pooling(line)
    maps = [point.tensor for point in line[: len(line) - 1 if pooled is None else pooled]]
    taps = {f"stage{i + 1}": x for i, x in enumerate(_stages([x for x in maps if len(x.shape) == 4]))}
    if len(output.shape) == 2 and (embedding := _embedding(flat, line, pooled, output)) is not None:
        taps["embedding"] = embedding
    return taps


class _Point:
    """A tensor that all else of the answer is computed from, and the step that makes it."""

    def __init__(self, step, weighted):
        self.step, self.tensor, self.weighted = step, step.outputs[0], weighted


def steps_to(flat, output):
    """Returns the steps of a graph that an output needs, in order."""
    return [flat.steps[i] for i in needed(_edges(flat.steps), output)]


def _common_line(flat, output):
    """The points that every path from image to answer passes, in order."""
    steps = steps_to(flat, output)
    weighted = list(itertools.accumulate((_learns(step.operation) for step in steps), operator.or_))
    return [_Point(steps[i], weighted[i]) for i in common_line(_edges(steps), output)]


def _edges(steps):
    return [(step.inputs, step.outputs) for step in steps]


def _learns(operation):
    return bool(getattr(operation, "weights", ())) and not isinstance(operation, keras.layers.Normalization)


def _pooling(line):
    """The position in the line of what makes a vector, or a map of 1x1, of the last map; None if nothing does."""
    pools = [i for i, point in enumerate(line) if i and _pools(point.step) and len(line[i - 1].tensor.shape) == 4]
    flattens = [
        i for i, point in enumerate(line) if len(point.tensor.shape) == 2 and i and len(line[i - 1].tensor.shape) == 4
    ]
    return pools[-1] if pools else next(iter(flattens), None)


def _pools(step):
    if isinstance(step.operation, _POOLING):
        return True
    return type(step.operation).__name__ in _POOLING_OPERATIONS and math.prod(_sides(step.outputs[0])) == 1


def _sides(x):
    return tuple(x.shape[1:3]) if len(x.shape) == 4 else (1,)


def _stages(maps):
    """The last map of each resolution, which is half that of the stage before, rounded up, or less.

    A map with a margin around it, for the next convolution, is none.
    """
    stages = []
    for x in maps:
        sides = _sides(stages[-1]) if stages else None
        if sides is None or any(now <= (n + 1) // 2 < n for now, n in zip(_sides(x), sides, strict=True)):
            stages.append(x)
        elif all(now <= n for now, n in zip(_sides(x), sides, strict=True)):
            stages[-1] = x
    return stages


def _embedding(flat, line, pooled, output):
    classifiers = [step for step in steps_to(flat, output) if _learns(step.operation)]
    if not classifiers:
        return None
    x = _before_training_alone(flat, classifiers[-1].inputs[0])
    if len(x.shape) != 2 and pooled is not None and math.prod(_sides(x)) > 1:
        x = line[pooled].tensor
    if len(x.shape) == 4 and math.prod(_sides(x)) == 1:
        x = keras.layers.Flatten(name="embedding")(x)
    return x if len(x.shape) == 2 else None


def _before_training_alone(flat, x):
    """What stood before dropout: in training it would be noise."""
    makers = {id(step.outputs[0]): step for step in flat.steps}
    while (step := makers.get(id(x))) and isinstance(step.operation, ONLY_IN_TRAINING):
        x = step.inputs[0]
    return x
