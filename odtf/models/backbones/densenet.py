"""Densely connected networks: for small images, plain and BC, and in their ImageNet shape."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras

from odtf.models.convolution import Pieces, halved, halved_overlapping
from odtf.models.sizes import blocks_per_stage, checked_width, network_input

if TYPE_CHECKING:
    from odtf.models.annotations import Head, Shape


_TAPS = ("blocks", "transitions")
# Layers of the four blocks of the BC networks for ImageNet; none of these depths is 6n + 4.
_IMAGENET = {121: (6, 12, 24, 16), 169: (6, 12, 32, 32), 201: (6, 12, 48, 32)}


def densenet(
    input_shape: Shape,
    head: Head,
    *,
    depth: int = 40,
    growth: int = 12,
    bottleneck: bool = True,
    compression: float = 0.5,
    stem_width: int | None = None,
    taps: str = "blocks",
    conv: str = "standard",
    groups: int | None = None,
    seed: int = 0,
    name: str = "network",
    synchronized: bool = False,
) -> keras.Model:
    """DenseNet of three blocks, or of four for ImageNet, each layer of which sees all that came before it in its block.

    "DenseNet-40-12" is the BC form here by default, with six layers a block and 132 features at the end, in the papers
    on distillation with attention between peers and on peer collaborative learning; the plain form of twelve layers
    and 456 features, `bottleneck=False, compression=1.0`, in that on feature fusion self-distillation.

    Args:
        input_shape: `(height, width, channels)`, at least 4x4.
        head: number of classes of a linear classifier, or a head of `odtf.models.heads`.
        depth: 6n + 4 with bottlenecks, 3n + 4 without, for n layers a block. With bottlenecks 121, 169 and 201 are the
            networks for ImageNet: a 7x7 convolution of stride 2, a max pooling of stride 2 and four blocks.
        growth: channels that a layer adds, 32 in the networks for ImageNet.
        bottleneck: whether a 1x1 convolution to four times `growth` precedes each 3x3 convolution.
        compression: share of the channels that a transition keeps, rounded down.
        stem_width: channels of the first convolution, the layer "stem"; `2 * growth` by default. The students of online
            ensemble compression keep 24 while they grow by a fraction of 12, rounded down.
        taps: what "stage1", "stage2" and "stage3" (and "stage4") are: "blocks", the first blocks' outputs and the last
            one's after normalisation and ReLU; or "transitions", what the transitions return (at half the resolution)
            and the last block's output before its normalisation, as in online ensemble compression.
        conv: what stands for the 3x3 convolutions of the blocks: "standard", "group", "shuffled_group", "depthwise",
            "shift" (both with a 1x1 convolution), "line" or "ghost". The stem stays standard.
        groups: number of groups, for the grouped kinds.
        seed: integer that every random weight follows from.
        name: name of the network.
        synchronized: whether batch normalisations take their statistics over all replicas.

    Returns:
        Functional `keras.Model` from `[batch, height, width, channels]` to the taps "stage1", "stage2", "stage3" (and
        "stage4") `[batch, h, w, c]`, and those of the head: of a classifier "embedding" `[batch, c]` and "logits"
        `[batch, classes]`. Networks that share all but their last block part at the layer "transition2_pool", those
        for ImageNet at "transition3_pool".

    Raises:
        ValueError: if an argument is out of range or does not fit another.

    Reference:
        Huang et al., "Densely Connected Convolutional Networks", 2017.
    """
    if taps not in _TAPS:
        raise ValueError(f"Unknown taps; there are {', '.join(_TAPS)}. Received: taps={taps!r}")
    if not 0 < compression <= 1:
        raise ValueError(f"A transition keeps more than 0 and at most 1. Received: compression={compression!r}")
    counts: tuple[int, ...] | None = _IMAGENET.get(depth) if bottleneck else None
    is_large = counts is not None
    if counts is None:
        counts = (blocks_per_stage(depth, layers_per_block=2 if bottleneck else 1, others=4),) * 3
    growth = checked_width(growth)
    pieces = Pieces(conv, groups=groups, seed=seed, synchronized=synchronized)
    inputs = network_input(input_shape, head)

    width = 2 * growth if stem_width is None else checked_width(stem_width)
    if is_large:
        x = pieces.standard(inputs, width, 7, 2, name="stem")
        x = halved_overlapping(pieces.normalized(x, name="stem"), name="stem_pool")
    else:
        x = pieces.standard(inputs, width, 3, name="stem")
    blocks, transitions = [], []
    for stage, count in enumerate(counts, start=1):
        for index in range(count):
            x = _dense_layer(pieces, x, growth, bottleneck, name=f"stage{stage}_layer{index + 1}")
        blocks.append(x)
        if stage < len(counts):
            x = _transition(pieces, x, compression, name=f"transition{stage}")
        transitions.append(x)
    last = blocks[-1] = pieces.normalized(x, name="last")
    embedding = keras.layers.GlobalAveragePooling2D(name="embedding")(last)
    stages = blocks if taps == "blocks" else transitions
    return pieces.network(inputs, stages, head, name=name, embedding=embedding)


def _dense_layer(pieces, x, growth, bottleneck, *, name):
    y = pieces.normalized(x, name=f"{name}_input")
    if bottleneck:
        y = pieces.pointwise(y, 4 * growth, name=f"{name}_conv1")
    y = pieces.replaced(y, growth, name=f"{name}_conv2")
    return keras.layers.Concatenate(name=f"{name}_concat")([x, y])


def _transition(pieces, x, compression, *, name):
    y = pieces.normalized(x, name=f"{name}_input")
    y = pieces.standard(y, checked_width(int(x.shape[-1] * compression)), 1, name=f"{name}_conv")
    return halved(y, "average", name=f"{name}_pool")
