"""ResNet-8, in the shape of MLPerf Tiny's image classification reference."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras

from odtf.models.convolution import GROUPED, Pieces
from odtf.models.sizes import network_input

if TYPE_CHECKING:
    from collections.abc import Sequence

    from odtf.models.annotations import Head, Shape


def resnet8(
    input_shape: Shape,
    head: Head,
    *,
    conv: str | Sequence[str] = "standard",
    groups: int | None = None,
    width: Sequence[int] = (16, 32, 64),
    seed: int = 0,
    name: str = "network",
    synchronized: bool = False,
) -> keras.Model:
    """Three residual blocks of two convolutions; the shortcut is a 1x1 convolution with bias and without BN.

    Args:
        input_shape: `(height, width, channels)`, at least 4x4.
        head: number of classes of a linear classifier, or a head of `odtf.models.heads`.
        conv: what stands for the 3x3 convolutions of the blocks: "standard", "group", "shuffled_group", "depthwise",
            "shift" (both with a 1x1 convolution), "line" or "ghost"; or a list of three, one a stage, for cheap
            convolutions only where the parameters are. The stem stays standard.
        groups: number of groups, for the grouped kinds.
        width: channels of the three stages; the stem has the first.
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
        Banbury et al., "MLPerf Tiny Benchmark", 2021; github.com/mlcommons/tiny, image_classification.
    """
    width = tuple(width)
    if len(width) != 3 or not all(isinstance(n, int) and n > 0 for n in width):
        raise ValueError(f"ResNet-8 has three stages, each of a positive width. Received: width={width}")
    convs = tuple(conv) if isinstance(conv, (list, tuple)) else (conv,) * 3
    if len(convs) != 3:
        raise ValueError(f"ResNet-8 has three stages, each of one convolution. Received: conv={conv!r}")
    # Whichever takes the groups comes first, for it is judged together with them.
    first = next((c for c in convs if c in GROUPED), convs[0])
    pieces = Pieces(first, groups=groups, seed=seed, synchronized=synchronized)
    inputs = network_input(input_shape, head)

    x, stages = pieces.stem(inputs, width[0]), []
    for stage, (filters, kind) in enumerate(zip(width, convs, strict=True)):
        prefix, strides = f"stage{stage + 1}", 2 if stage else 1
        pieces = pieces.using(kind)
        y = pieces.convolved(x, filters, strides, name=f"{prefix}_conv1")
        y = pieces.convolved(y, filters, name=f"{prefix}_conv2", relu=False)
        if strides > 1 or x.shape[-1] != filters:
            x = pieces.standard(x, filters, 1, strides, name=f"{prefix}_shortcut", use_bias=True)
        x = pieces.relu(keras.layers.Add(name=f"{prefix}_sum")([y, x]), name=f"{prefix}_relu")
        stages.append(x)
    return pieces.network(inputs, stages, head, name=name)
