"""Plain stacks of convolutions, poolings and dense layers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras

from odtf.models.convolution import Pieces
from odtf.models.sizes import checked_width, network_input

if TYPE_CHECKING:
    from collections.abc import Sequence

    from odtf.models.annotations import Head, Shape


_PADDINGS = ("valid", "symmetric")


def plain_cnn(
    input_shape: Shape,
    head: Head,
    *,
    widths: Sequence[int] = (8, 16, 32),
    layers: int | Sequence[int] = 1,
    embedding: int = 64,
    padding: str = "valid",
    seed: int = 0,
    name: str = "network",
    synchronized: bool = False,
) -> keras.Model:
    """[3x3 convolution with bias - BN - ReLU] a few times and 2x2 max pooling, for every stage; then dense layers.

    By default the student of InDistill on CIFAR-10; `widths=(16, 32, 64), embedding=128` is its auxiliary teacher.
    Teacher assistants have been studied on chains of such networks too, of 2 to 10 layers: `padding="symmetric"`,
    `layers=2` and widths of 32, 64, 128 and so on.

    Args:
        input_shape: `(height, width, channels)`. Without padding three stages need images of at least 18x18.
        head: number of classes of a linear classifier, or a head of `odtf.models.heads`.
        widths: channels of the stages.
        layers: convolutions of a stage, or a sequence of one number a stage.
        embedding: units of the dense layer with ReLU before the head, or 0 for none: the "embedding" is the last
            map then, flattened.
        padding: "valid", or "symmetric" for convolutions that keep the size.
        seed: integer that every random weight follows from.
        name: name of the network.
        synchronized: whether batch normalisations take their statistics over all replicas.

    Returns:
        Functional `keras.Model` from `[batch, height, width, channels]` to the taps "stage1" and so on
        `[batch, h, w, c]`, after pooling, and those of the head: of a classifier "embedding" `[batch, embedding]` and
        "logits" `[batch, classes]`. The convolutions are the layers "stage1_conv1", "stage1_conv1_norm" the
        normalisation after it, and so on.

    Raises:
        ValueError: if an argument is out of range, or the images are too small.

    Reference:
        Sarridis et al., "InDistill", 2022, github.com/gsarridis/InDistill; Mirzadeh et al., "Improved Knowledge
        Distillation via Teacher Assistant", 2020.
    """
    if padding not in _PADDINGS:
        raise ValueError(f"Unknown padding; there are {', '.join(_PADDINGS)}. Received: padding={padding!r}")
    widths = [checked_width(width) for width in widths]
    counts = [layers] * len(widths) if isinstance(layers, int) else list(layers)
    if not widths or len(counts) != len(widths) or min(counts) < 1:
        raise ValueError(f"Every stage has a width and layers. Received: widths={tuple(widths)}, layers={layers!r}")
    pieces = Pieces("standard", seed=seed, synchronized=synchronized)
    inputs = network_input(input_shape, head)

    x, stages = inputs, []
    for stage, (count, filters) in enumerate(zip(counts, widths, strict=True), start=1):
        for index in range(1, count + 1):
            x = _convolved(pieces, x, filters, padding, input_shape, name=f"stage{stage}_conv{index}")
        if min(x.shape[1:3]) > 1:
            x = keras.layers.MaxPooling2D(2, name=f"stage{stage}_pool")(x)
        stages.append(x)
    x = keras.layers.Flatten(name="flat" if embedding else "embedding")(x)
    if embedding:
        x = pieces.relu(pieces.dense(x, checked_width(embedding), name="hidden"), name="embedding")
    return pieces.network(inputs, stages, head, name=name, embedding=x)


def _convolved(pieces, x, filters, padding, input_shape, *, name):
    if padding == "valid" and min(x.shape[1:3]) < 3:
        raise ValueError(
            "The images are too small for convolutions without padding: three stages of one need 18x18 pixels, and "
            f"padding='symmetric' any size. Received: input_shape={tuple(input_shape)}"
        )
    x = pieces.standard(x, filters, 3, name=name, use_bias=True, padding=padding)
    return pieces.normalized(x, name=name)
