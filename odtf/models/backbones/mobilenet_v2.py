"""MobileNetV2 for small images, as it is used in the literature on distillation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras

from odtf.models.convolution import SPATIAL, Pieces
from odtf.models.sizes import checked_width, network_input, scaled

if TYPE_CHECKING:
    from collections.abc import Sequence

    from odtf.models.annotations import Head, Shape


# Stage, channels and stride of each group of blocks; the first group does not expand.
_GROUPS = ((1, 16, 1), (1, 24, 1), (2, 32, 2), (3, 64, 2), (3, 96, 1), (4, 160, 2), (4, 320, 1))


def mobilenet_v2(
    input_shape: Shape,
    head: Head,
    *,
    conv: str = "depthwise",
    groups: int | None = None,
    width_multiplier: float = 0.5,
    expansion: int = 6,
    blocks: Sequence[int] = (1, 2, 3, 4, 3, 3, 1),
    last_width: int = 1280,
    seed: int = 0,
    name: str = "network",
    synchronized: bool = False,
) -> keras.Model:
    """Inverted residual blocks after a 3x3 convolution of stride 2; ReLU, and no dropout.

    The "MobileNetV2" of the tables on CIFAR-100 has half the width everywhere but in the last convolution, an expansion
    also in the first block (by 1), and the stride of its second group left out for the small images.

    Args:
        input_shape: `(height, width, channels)`, at least 4x4; the network halves four times what there is to halve.
        head: number of classes of a linear classifier, or a head of `odtf.models.heads`.
        conv: what stands in the middle of a block: "depthwise", "group" or "shift" (whose stride the 1x1 convolution
            after it takes over).
        groups: number of groups, for "group".
        width_multiplier: factor on the channels, each product rounded down.
        expansion: inner channels of a block for each channel of its input.
        blocks: how many blocks each of the seven groups of equal width has.
        last_width: channels of the last 1x1 convolution, multiplied only by a `width_multiplier` above 1.
        seed: integer that every random weight follows from.
        name: name of the network.
        synchronized: whether batch normalisations take their statistics over all replicas.

    Returns:
        Functional `keras.Model` from `[batch, height, width, channels]` to the taps "stage1" to "stage4" (before each
        halving, of any sign), "stage5" (the last 1x1 convolution) `[batch, h, w, c]`, and those of the head: of a
        classifier "embedding" `[batch, c]` and "logits" `[batch, classes]`.

    Raises:
        ValueError: if an argument is out of range or does not fit another.

    Reference:
        Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks", 2018, in the shape of
        github.com/HobbitLong/RepDistiller, models/mobilenetv2.py.
    """
    if conv not in SPATIAL:
        raise ValueError(f"Unknown cheap convolution; there are {', '.join(SPATIAL)}. Received: conv={conv!r}")
    blocks = [checked_width(count) for count in blocks]
    if len(blocks) != len(_GROUPS):
        raise ValueError(f"The network has {len(_GROUPS)} groups of blocks. Received: blocks={tuple(blocks)}")
    expansion, last_width = checked_width(expansion), checked_width(last_width)
    pieces = Pieces(conv, groups=groups, seed=seed, synchronized=synchronized)
    inputs = network_input(input_shape, head)

    x = pieces.standard(inputs, scaled(32, width_multiplier), 3, 2, name="stem")
    x, stages, block = pieces.normalized(x, name="stem"), {}, 0
    for (stage, channels, stride), count in zip(_GROUPS, blocks, strict=True):
        for index in range(count):
            strides, filters = 1 if index else stride, scaled(channels, width_multiplier)
            x = _inverted_residual(pieces, x, filters, strides, expansion if block else 1, name=f"block{block + 1}")
            block += 1
        stages[stage] = x
    last = pieces.pointwise(x, scaled(last_width, max(1.0, width_multiplier)), name="stage5")
    return pieces.network(inputs, [*stages.values(), last], head, name=name)


def _inverted_residual(pieces, x, filters, strides, factor, *, name):
    is_shift = pieces.conv == "shift"
    y = pieces.pointwise(x, factor * x.shape[-1], name=f"{name}_expand")
    y = pieces.spatial(y, 1 if is_shift else strides, name=f"{name}_spatial")
    y = pieces.normalized(y, name=f"{name}_spatial")
    y = pieces.pointwise(y, filters, strides if is_shift else 1, name=f"{name}_project", relu=False)
    if strides > 1 or x.shape[-1] != filters:
        return y
    return keras.layers.Add(name=f"{name}_sum")([y, x])
