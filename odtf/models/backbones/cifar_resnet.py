"""Residual networks for small images, with the convolution of choice."""

from __future__ import annotations

from typing import TYPE_CHECKING

from odtf.models.convolution import Pieces
from odtf.models.residual import basic_block, bottleneck_block
from odtf.models.sizes import blocks_per_stage, checked_width, network_input, stage_widths

if TYPE_CHECKING:
    from collections.abc import Sequence

    import keras

    from odtf.models.annotations import Head, Shape


def cifar_resnet(
    input_shape: Shape,
    head: Head,
    *,
    depth: int = 20,
    conv: str = "standard",
    groups: int | None = None,
    block: str = "basic",
    shortcut: str = "projection",
    width: int = 16,
    widths: Sequence[int] | None = None,
    stem_width: int | None = None,
    inner_width: int = 1,
    seed: int = 0,
    name: str = "network",
    synchronized: bool = False,
) -> keras.Model:
    """CIFAR ResNet of three stages, post-activation.

    Networks called alike differ in the literature. "ResNet-110" is depth 110 of basic blocks (18 a stage), depth 110 of
    bottlenecks (12 a stage), or, with 18 bottlenecks a stage, what is depth 164 here; "WRN-20-8" of the online
    distillation papers is depth 20 of bottlenecks with `inner_width=8`.

    Args:
        input_shape: `(height, width, channels)`, at least 4x4.
        head: number of classes of a linear classifier, or a head of `odtf.models.heads`.
        depth: 6n + 2 for basic blocks, 9n + 2 for bottlenecks, n blocks a stage.
        conv: what stands for the 3x3 convolutions of the blocks: "standard", "group", "shuffled_group", "depthwise",
            "shift" (both with a 1x1 convolution), "line" or "ghost". The stem stays standard.
        groups: number of groups, for the grouped kinds.
        block: "basic" (two 3x3 convolutions) or "bottleneck" (1x1, 3x3, 1x1 to four times the width).
        shortcut: where the shape changes, "projection" (1x1 convolution and BN) or "identity" (subsampling and zero
            channels, without parameters).
        width: channels of the first stage; the further stages have two and four times as many.
        widths: channels of the three stages, instead of what `width` gives.
        stem_width: channels of the stem, those of the first stage by default. Where the two differ, the first block has
            a shortcut of its own. The stem ends with the layer "stem_relu", at which networks of one `stem_width` can
            part: the students of online ensemble compression have `stem_width=16` and `widths` of a fraction of
            `(16, 32, 64)`, rounded down.
        inner_width: factor on the inner channels of a bottleneck.
        seed: integer that every random weight follows from.
        name: name of the network.
        synchronized: whether batch normalisations take their statistics over all replicas.

    Returns:
        Functional `keras.Model` from `[batch, height, width, channels]` to the taps "stage1", "stage2", "stage3"
        `[batch, h, w, c]`, and those of the head: of a classifier "embedding" `[batch, c]` and "logits"
        `[batch, classes]`.

    Raises:
        ValueError: if an argument is out of range or does not fit another.

    Reference:
        He et al., "Deep Residual Learning for Image Recognition", 2016, section 4.2; for the narrow students,
        Walawalkar et al., "Online Ensemble Model Compression using Knowledge Distillation", 2020.
    """
    if block not in ("basic", "bottleneck"):
        raise ValueError(f"Unknown block; there are 'basic' and 'bottleneck'. Received: block={block!r}")
    if shortcut not in ("projection", "identity"):
        raise ValueError(f"Unknown shortcut; there are 'projection' and 'identity'. Received: shortcut={shortcut!r}")
    if not isinstance(inner_width, int) or inner_width < 1 or (inner_width > 1 and block == "basic"):
        raise ValueError(
            "The inner width is a positive integer, and 1 except for bottlenecks. "
            f"Received: inner_width={inner_width!r}, block={block!r}"
        )
    count = blocks_per_stage(depth, layers_per_block=2 if block == "basic" else 3)
    pieces = Pieces(conv, groups=groups, seed=seed, synchronized=synchronized)
    inputs, widths = network_input(input_shape, head), stage_widths(width if widths is None else widths)

    x, stages = pieces.stem(inputs, widths[0] if stem_width is None else checked_width(stem_width)), []
    for stage, filters in enumerate(widths):
        for index in range(count):
            strides, prefix = 2 if stage and not index else 1, f"stage{stage + 1}_block{index + 1}"
            if block == "basic":
                x = basic_block(pieces, x, filters, strides, shortcut, name=prefix)
            else:
                x = bottleneck_block(pieces, x, filters, strides, shortcut, inner_width, name=prefix)
        stages.append(x)
    return pieces.network(inputs, stages, head, name=name)
