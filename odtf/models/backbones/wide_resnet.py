"""Wide residual networks, with the convolution of choice in each place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras

from odtf.models.convolution import MOMENTUM, Pieces
from odtf.models.residual import preactivated_block
from odtf.models.sizes import blocks_per_stage, checked_width, network_input, stage_widths

if TYPE_CHECKING:
    from collections.abc import Sequence

    from odtf.models.annotations import Head, Shape


_VARIANTS = ("original", "ffsd")


def wide_resnet(
    input_shape: Shape,
    head: Head,
    *,
    depth: int = 16,
    widen: int = 1,
    conv: str = "standard",
    groups: int | None = None,
    second_conv: str | None = None,
    stem_conv: str = "standard",
    variant: str = "original",
    widths: Sequence[int] | None = None,
    stem_width: int = 16,
    seed: int = 0,
    name: str = "network",
    synchronized: bool = False,
) -> keras.Model:
    """WRN-depth-widen: pre-activation blocks of two 3x3 convolutions in three stages of 16, 32 and 64 times `widen`.

    Two networks bear the name. The original has convolutions without bias, the stride in a block's first convolution
    and shortcuts from the activated input. That of feature fusion self-distillation ("ffsd") has biases, the stride in
    the second convolution, shortcuts from the raw input, and a last batch normalisation whose statistics follow the
    latest batch nine times faster.

    Args:
        input_shape: `(height, width, channels)`, at least 4x4.
        head: number of classes of a linear classifier, or a head of `odtf.models.heads`.
        depth: 6n + 4, for n blocks a stage.
        widen: factor on the widths of the stages.
        conv: what stands for the 3x3 convolutions of the blocks: "standard", "group", "shuffled_group", "depthwise",
            "shift" (both with a 1x1 convolution), "line" or "ghost".
        groups: number of groups, for the grouped kinds.
        second_conv: the same for the second convolution of each block, if another: "line" with `conv="standard"` is
            half-way between networks of 3x3 and of 1x3 convolutions.
        stem_conv: the same for the stem.
        variant: "original" or "ffsd".
        widths: channels of the three stages, instead of what `widen` gives.
        stem_width: channels of the stem, the layer "stem".
        seed: integer that every random weight follows from.
        name: name of the network.
        synchronized: whether batch normalisations take their statistics over all replicas.

    Returns:
        Functional `keras.Model` from `[batch, height, width, channels]` to the taps "stage1" and "stage2" (sums, of any
        sign), "stage3" (after the last normalisation and ReLU) `[batch, h, w, c]`, and those of the head: of
        a classifier "embedding" `[batch, c]` and "logits" `[batch, classes]`.

    Raises:
        ValueError: if an argument is out of range or does not fit another.

    Reference:
        Zagoruyko and Komodakis, "Wide Residual Networks", 2016; for "ffsd", github.com/SJLeo/FFSD,
        models/wideresnet_cifar.py.
    """
    if variant not in _VARIANTS:
        raise ValueError(f"Unknown variant; there are {', '.join(_VARIANTS)}. Received: variant={variant!r}")
    count = blocks_per_stage(depth, layers_per_block=2, others=4)
    pieces = Pieces(conv, groups=groups, seed=seed, synchronized=synchronized)
    second, is_original = pieces.using(second_conv or conv), variant == "original"
    inputs, widths = network_input(input_shape, head), stage_widths(widths or 16 * checked_width(widen))

    stem = pieces.using(stem_conv)
    x, stages = stem.replaced(inputs, checked_width(stem_width), name="stem", use_bias=not is_original), []
    for stage, filters in enumerate(widths):
        for index in range(count):
            strides, prefix = 2 if stage and not index else 1, f"stage{stage + 1}_block{index + 1}"
            block = preactivated_block if is_original else _ffsd_block
            x = block(pieces, x, filters, strides, name=prefix, second=second)
        stages.append(x)
    stages[-1] = pieces.normalized(x, name="last", momentum=MOMENTUM if is_original else 0.1)
    return pieces.network(inputs, stages, head, name=name)


def _ffsd_block(pieces, x, filters, strides, *, name, second):
    y = pieces.normalized(x, name=f"{name}_input")
    y = pieces.replaced(y, filters, name=f"{name}_conv1", use_bias=True)
    y = pieces.normalized(y, name=f"{name}_conv1")
    y = second.replaced(y, filters, strides, name=f"{name}_conv2", use_bias=True)
    if strides > 1 or x.shape[-1] != filters:
        x = pieces.standard(x, filters, 1, strides, name=f"{name}_shortcut", use_bias=True)
    return keras.layers.Add(name=f"{name}_sum")([y, x])
