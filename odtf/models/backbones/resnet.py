"""Residual networks in their ImageNet shape."""

from __future__ import annotations

from typing import TYPE_CHECKING

from odtf.models.convolution import Pieces, halved_overlapping
from odtf.models.residual import basic_block, bottleneck_block
from odtf.models.sizes import checked_width, known_depth, network_input, stage_widths

if TYPE_CHECKING:
    from collections.abc import Sequence

    import keras

    from odtf.models.annotations import Head, Shape


_BASIC = {10: (1, 1, 1, 1), 18: (2, 2, 2, 2), 34: (3, 4, 6, 3)}
_LAYOUTS = {**_BASIC, 50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}


def resnet(
    input_shape: Shape,
    head: Head,
    *,
    depth: int = 18,
    conv: str = "standard",
    groups: int | None = None,
    width: int = 64,
    widths: Sequence[int] | None = None,
    stem_width: int | None = None,
    seed: int = 0,
    name: str = "network",
    synchronized: bool = False,
) -> keras.Model:
    """ResNet of four stages after a 7x7 convolution of stride 2 and a max pooling of stride 2.

    Args:
        input_shape: `(height, width, channels)`, at least 4x4; the network halves five times what there is to halve.
        head: number of classes of a linear classifier, or a head of `odtf.models.heads`.
        depth: 18 or 34 (or 10, for tests) of basic blocks; 50 or 101 of bottlenecks, which have the stride in their 3x3
            convolution.
        conv: what stands for the 3x3 convolutions of the blocks: "standard", "group", "shuffled_group", "depthwise",
            "shift" (both with a 1x1 convolution), "line" or "ghost". The stem stays standard.
        groups: number of groups, for the grouped kinds.
        width: channels of the first stage (a quarter of them with bottlenecks), doubled by each further stage.
        widths: channels of the four stages, instead of what `width` gives. The students of online ensemble compression
            share the first stage and have a fraction of (128, 256, 512), rounded down, in the others.
        stem_width: channels of the stem, those of the first stage by default.
        seed: integer that every random weight follows from.
        name: name of the network.
        synchronized: whether batch normalisations take their statistics over all replicas.

    Returns:
        Functional `keras.Model` from `[batch, height, width, channels]` to the taps "stage1" to "stage4"
        `[batch, h, w, c]`, and those of the head: of a classifier "embedding" `[batch, c]` and "logits"
        `[batch, classes]`.

    Raises:
        ValueError: if an argument is out of range or does not fit another.

    Reference:
        He et al., "Deep Residual Learning for Image Recognition", 2016, table 1.
    """
    counts = known_depth(depth, _LAYOUTS)
    widths = stage_widths(width if widths is None else widths, stages=4)
    pieces = Pieces(conv, groups=groups, seed=seed, synchronized=synchronized)
    inputs = network_input(input_shape, head)

    x = pieces.standard(inputs, widths[0] if stem_width is None else checked_width(stem_width), 7, 2, name="stem")
    x, stages = halved_overlapping(pieces.normalized(x, name="stem"), name="stem_pool"), []
    block = basic_block if depth in _BASIC else bottleneck_block
    for stage, (count, filters) in enumerate(zip(counts, widths, strict=True)):
        for index in range(count):
            strides = 2 if stage and not index else 1
            x = block(pieces, x, filters, strides, name=f"stage{stage + 1}_block{index + 1}")
        stages.append(x)
    return pieces.network(inputs, stages, head, name=name)
