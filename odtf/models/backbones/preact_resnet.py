"""Pre-activation residual networks of four stages, for small images."""

from __future__ import annotations

from typing import TYPE_CHECKING

from odtf.models.convolution import Pieces
from odtf.models.residual import preactivated_block
from odtf.models.sizes import known_depth, network_input, stage_widths

if TYPE_CHECKING:
    from collections.abc import Sequence

    import keras

    from odtf.models.annotations import Head, Shape


_LAYOUTS = {10: (1, 1, 1, 1), 18: (2, 2, 2, 2), 34: (3, 4, 6, 3)}


def preact_resnet(
    input_shape: Shape,
    head: Head,
    *,
    depth: int = 18,
    conv: str = "standard",
    groups: int | None = None,
    width: int = 64,
    widths: Sequence[int] | None = None,
    seed: int = 0,
    name: str = "network",
    synchronized: bool = False,
) -> keras.Model:
    """ResNet-18 or -34 of pre-activation blocks after one 3x3 convolution, without anything after the last sum.

    The teacher of InDistill on CIFAR-10, whose features are the pooled sums of the last stage.

    Args:
        input_shape: `(height, width, channels)`, at least 4x4.
        head: number of classes of a linear classifier, or a head of `odtf.models.heads`.
        depth: 18 or 34, or 10 for one block a stage.
        conv: what stands for the 3x3 convolutions of the blocks: "standard", "group", "shuffled_group", "depthwise",
            "shift" (both with a 1x1 convolution), "line" or "ghost". The stem stays standard.
        groups: number of groups, for the grouped kinds.
        width: channels of the first stage, doubled by each further one.
        widths: channels of the four stages, instead of what `width` gives.
        seed: integer that every random weight follows from.
        name: name of the network.
        synchronized: whether batch normalisations take their statistics over all replicas.

    Returns:
        Functional `keras.Model` from `[batch, height, width, channels]` to the taps "stage1" to "stage4"
        `[batch, h, w, c]`, of any sign, and those of the head: of a classifier "embedding" `[batch, c]` and "logits"
        `[batch, classes]`.

    Raises:
        ValueError: if an argument is out of range or does not fit another.

    Reference:
        He et al., "Identity Mappings in Deep Residual Networks", 2016; Sarridis et al., "InDistill", 2022,
        github.com/gsarridis/InDistill.
    """
    counts, widths = known_depth(depth, _LAYOUTS), stage_widths(width if widths is None else widths, stages=4)
    pieces = Pieces(conv, groups=groups, seed=seed, synchronized=synchronized)
    inputs = network_input(input_shape, head)

    x, stages = pieces.standard(inputs, widths[0], 3, name="stem"), []
    for stage, (count, filters) in enumerate(zip(counts, widths, strict=True)):
        for index in range(count):
            strides = 2 if stage and not index else 1
            x = preactivated_block(pieces, x, filters, strides, name=f"stage{stage + 1}_block{index + 1}")
        stages.append(x)
    return pieces.network(inputs, stages, head, name=name)
