"""Heads: the layers between the last stage of a backbone and its answer.

A head is a callable `head(pieces, stages, embedding)` that returns a dict of named taps, which are added to the taps
"stage1" and so on of the network. It takes

- pieces: `odtf.models.convolution.Pieces`, whose stream of seeds the network drew from before;
- stages: list of KerasTensors `[batch, h, w, c]`, the maps of the stages;
- embedding: KerasTensor `[batch, features]`, what the network has in place of its last stage after global average
  pooling; None where it has nothing of the kind.

One of the taps is the answer: float32, in any precision of the network.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import keras
import numpy as np

from odtf.layers import Conv2D, Cropping2D
from odtf.layers.initializers import linear_uniform

if TYPE_CHECKING:
    from collections.abc import Sequence

    from odtf.models.convolution import Pieces


@dataclasses.dataclass(frozen=True)
class Linear:
    """Numbers from a picture: a linear layer on the embedding.

    Its taps are "embedding" `[batch, features]`, before the hidden layers, and the answer `[batch, units]`, float32,
    without an activation.

    Attributes:
        units: size of the answer: the number of classes, or 1 for a single number.
        tap: name of the answer, and of its layer.
        hidden: widths of dense layers with ReLU between the embedding and the answer.
    """

    units: int
    tap: str = "logits"
    hidden: tuple[int, ...] = ()

    def __call__(
        self, pieces: Pieces, stages: Sequence[keras.KerasTensor], embedding: keras.KerasTensor | None = None
    ) -> dict[str, keras.KerasTensor]:
        embedding = x = _pooled(stages) if embedding is None else embedding
        for index, units in enumerate(self.hidden):
            x = pieces.dense(x, units, name=f"hidden{index + 1}")
            x = pieces.relu(x, name=f"hidden{index + 1}_relu")
        return {"embedding": embedding, self.tap: pieces.dense(x, self.units, name=self.tap, dtype="float32")}


@dataclasses.dataclass(frozen=True)
class Embedding:
    """A vector by which pictures are compared, for retrieval.

    Its one tap is "embedding", the answer: `[batch, features]` as the network pools its last stage, or
    `[batch, units]`.

    Attributes:
        units: size of a linear projection of the pooled map; None for the pooled map itself.
        normalized: whether the vector is brought to length 1.
    """

    units: int | None = None
    normalized: bool = False

    def __call__(
        self, pieces: Pieces, stages: Sequence[keras.KerasTensor], embedding: keras.KerasTensor | None = None
    ) -> dict[str, keras.KerasTensor]:
        x = _pooled(stages, "float32") if embedding is None else embedding
        if self.units is not None:
            x = pieces.dense(x, self.units, name="projection", dtype="float32")
        if self.normalized:
            x = keras.layers.UnitNormalization(dtype="float32", name="unit_length")(x)
        return {"embedding": x}


@dataclasses.dataclass(frozen=True)
class Pixels:
    """Numbers for every pixel of the picture: a 1x1 convolution of the last stage, enlarged to the picture's size.

    Its one tap is the answer `[batch, height, width, units]`, float32, without an activation.

    Attributes:
        units: numbers of a pixel, such as one for each class.
        tap: name of the answer.
    """

    units: int
    tap: str = "logits"

    def __call__(
        self, pieces: Pieces, stages: Sequence[keras.KerasTensor], embedding: keras.KerasTensor | None = None
    ) -> dict[str, keras.KerasTensor]:
        seeds = pieces.next_seed(), pieces.next_seed()
        x = pixelwise(stages[-1], self.units, seeds, name=f"{self.tap}_small")
        return {self.tap: enlarged(x, pieces.image_size, name=self.tap)}


@dataclasses.dataclass(frozen=True)
class Image:
    """An image of the picture's size, its values in [-1, 1].

    A generator ends in a layer of its own, such as a transposed convolution; behind any other network stands the
    enlarged 1x1 convolution of `Pixels`. Its one tap is the answer `[batch, height, width, channels]`, float32.

    Attributes:
        channels: of the image: 3 for RGB.
        tap: name of the answer.
    """

    channels: int = 3
    tap: str = "image"

    def __call__(
        self, pieces: Pieces, stages: Sequence[keras.KerasTensor], embedding: keras.KerasTensor | None = None
    ) -> dict[str, keras.KerasTensor]:
        name = f"{self.tap}_values"
        if pieces.to_image is not None:
            x = pieces.to_image(stages[-1], self.channels, name=name)
        else:
            x = Pixels(self.channels, name)(pieces, stages)[name]
        return {self.tap: keras.layers.Activation("tanh", dtype="float32", name=f"{self.tap}_tanh")(x)}


def pixelwise(x, units, seeds, *, name):
    """A linear layer on every position of a map, in float32, with the initialisation of PyTorch's.

    Args:
        x: KerasTensor `[batch, height, width, channels]`.
        units: channels of the result.
        seeds: of kernel and bias.
        name: name of the layer.
    """
    kernel, bias = (linear_uniform(x.shape[-1], seed) for seed in seeds)
    options = {"kernel_initializer": kernel, "bias_initializer": bias, "dtype": "float32"}
    return Conv2D(units, 1, use_bias=True, name=name, **options)(x)


def enlarged(x, size, *, name):
    """A map doubled, bilinearly, until it is as large as the picture it was made from.

    Steps of two are what all accelerators compute. Strides round odd sides up, so that what is too much lies below and
    on the right, and is cut off.

    Args:
        x: KerasTensor `[batch, height, width, channels]`.
        size: (height, width) of the picture.
        name: name of the last layer.

    Returns:
        KerasTensor `[batch, *size, channels]`.

    Raises:
        ValueError: if the sides are not those of the picture halved some times, rounded up.
    """
    sides = tuple(x.shape[1:3])
    times = next((k for k in range(16) if tuple(-(-side // 2**k) for side in size) == sides), None)
    if times is None:
        raise ValueError(
            "A map is enlarged by doubling: its sides must be those of the answer, halved some times and rounded up. "
            f"Received: {sides} for {tuple(size)}"
        )
    excess = tuple(side * 2**times - whole for side, whole in zip(sides, size, strict=True))
    for step in range(times):
        last = step == times - 1 and not any(excess)
        x = doubled(x, name=name if last else f"{name}_doubled{step + 1}", dtype="float32")
    return cropped(x, size, name=name) if any(excess) else x


def doubled(x, *, name, dtype=None):
    """A map of twice the height and width, bilinearly."""
    return keras.layers.UpSampling2D(2, interpolation="bilinear", dtype=dtype, name=name)(x)


def cropped(x, size, *, name):
    """A map without what it has below and on the right of a size; itself if there is nothing."""
    excess = [(0, have - want) for have, want in zip(x.shape[1:3], size, strict=True)]
    return Cropping2D(excess, name=name)(x) if any(after for _, after in excess) else x


def find(head, hidden=()):
    """Returns the head that an argument of a network stands for.

    Args:
        head: number of classes, 2 or more, of a linear classifier with the tap "logits"; or a head.
        hidden: widths of hidden layers, which the network adds to the classifier of a number of classes.

    Returns:
        Head, as described at the top of this module.

    Raises:
        ValueError: if there are fewer than two classes, `head` is neither a number nor a callable, or a head that is
            more than a number is to get hidden layers.
    """
    if isinstance(head, (int, np.integer)):
        if head < 2:
            raise ValueError(
                "A classifier needs at least 2 classes; one number is the head `heads.Linear(1, tap='value')`. "
                f"Received: head={head}"
            )
        return Linear(int(head), hidden=tuple(hidden))
    if not callable(head):
        raise ValueError(f"A head is a number of classes, or a head of odtf.models.heads. Received: head={head!r}")
    if hidden:
        raise ValueError(
            "Only the classifier of a number of classes gets its hidden layers from the network: give them to the head "
            f"itself. Received: head={head!r}, hidden={tuple(hidden)}"
        )
    return head


def _pooled(stages, dtype=None):
    return keras.layers.GlobalAveragePooling2D(dtype=dtype, name="embedding")(stages[-1])
