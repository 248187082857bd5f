"""The student of online distillation with cheap convolutions, and ShiftResNet."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras

from odtf.models.convolution import SPATIAL, Pieces
from odtf.models.sizes import blocks_per_stage, network_input, stage_widths

if TYPE_CHECKING:
    from odtf.models.annotations import Head, Shape


def od_cheap_resnet(
    input_shape: Shape,
    head: Head,
    *,
    depth: int = 20,
    conv: str = "depthwise",
    groups: int | None = None,
    expansion: int = 1,
    block: str = "double",
    width: int = 16,
    seed: int = 0,
    name: str = "network",
    synchronized: bool = False,
) -> keras.Model:
    """CIFAR ResNet whose 3x3 convolutions are depthwise, grouped or shifts, each followed by a 1x1 convolution.

    A block is [spatial 3x3 - 1x1 - BN - ReLU] twice, plus the shortcut, and no ReLU after the sum. The stride is that
    of the second 1x1 convolution, so the spatial operations run at the higher resolution. The shortcut is the identity
    or a 1x1 convolution with BN. Stem and head are those of a CIFAR ResNet.

    Args:
        input_shape: `(height, width, channels)`, at least 4x4.
        head: number of classes of a linear classifier, or a head of `odtf.models.heads`.
        depth: 6n + 2, for n blocks a stage.
        conv: "depthwise", "group" or "shift".
        groups: number of groups, for "group".
        expansion: inner channels of a block for each outer one, for "shift".
        block: "double", or "single" for the block of ShiftResNet, which has only the second spatial operation.
        width: channels of the first stage; the further stages have two and four times as many.
        seed: integer that every random weight follows from.
        name: name of the network.
        synchronized: whether batch normalisations take their statistics over all replicas.

    Returns:
        Functional `keras.Model` from `[batch, height, width, channels]` to the taps "stage1", "stage2", "stage3"
        `[batch, h, w, c]`, and those of the head: of a classifier "embedding" `[batch, 4 * width]` and "logits"
        `[batch, classes]`.

    Raises:
        ValueError: if an argument is out of range or does not fit another.

    Reference:
        Xie et al., "Training convolutional neural networks with cheap convolutions and online distillation", arXiv
        1909.13063, and the released code, model/cifar10/shiftresnet.py; Wu et al., "Shift", 2018.
    """
    if conv not in SPATIAL:
        raise ValueError(f"Unknown cheap convolution; there are {', '.join(SPATIAL)}. Received: conv={conv!r}")
    if block not in ("double", "single"):
        raise ValueError(f"Unknown block; there are 'double' and 'single'. Received: block={block!r}")
    if not isinstance(expansion, int) or expansion < 1 or (expansion > 1 and conv != "shift"):
        raise ValueError(
            "The expansion is a positive integer, and 1 except for shift. "
            f"Received: expansion={expansion!r}, conv={conv!r}"
        )
    count = blocks_per_stage(depth, layers_per_block=2)
    pieces = Pieces(conv, groups=groups, seed=seed, synchronized=synchronized)
    inputs, widths = network_input(input_shape, head), stage_widths(width)

    x, stages = pieces.stem(inputs, width), []
    for stage, filters in enumerate(widths):
        for index in range(count):
            strides = 2 if stage and not index else 1
            x = _block(pieces, x, filters, strides, expansion, block, name=f"stage{stage + 1}_block{index + 1}")
        stages.append(x)
    return pieces.network(inputs, stages, head, name=name)


def _block(pieces, x, filters, strides, expansion, block, *, name):
    y = pieces.spatial(x, name=f"{name}_spatial1") if block == "double" else x
    y = pieces.pointwise(y, expansion * filters, name=f"{name}_pointwise1")
    y = pieces.spatial(y, name=f"{name}_spatial2")
    y = pieces.pointwise(y, filters, strides, name=f"{name}_pointwise2")
    if strides > 1 or x.shape[-1] != filters:
        x = pieces.pointwise(x, filters, strides, name=f"{name}_shortcut", relu=False)
    return keras.layers.Add(name=f"{name}_sum")([y, x])
