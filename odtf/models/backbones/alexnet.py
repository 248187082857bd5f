"""AlexNet for small images."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras

from odtf.models.convolution import Pieces, halved
from odtf.models.sizes import network_input, scaled

if TYPE_CHECKING:
    from odtf.models.annotations import Head, Shape


# Of smaller images a stride of 4 would leave single pixels to the 3x3 convolutions, which would see padding alone.
_SMALLEST_STRIDED = 32


def alexnet(
    input_shape: Shape,
    head: Head,
    *,
    conv: str = "standard",
    groups: int | None = None,
    width_multiplier: float = 1.0,
    seed: int = 0,
    name: str = "network",
    synchronized: bool = False,
) -> keras.Model:
    """Five convolutions with bias, three max poolings and one linear layer; no normalisation.

    It has no batch normalisation to hold its activations, and wants a lower learning rate than the other networks
    (0.01 to 0.05).

    Args:
        input_shape: `(height, width, channels)`, at least 4x4. From 32x32 pixels one is left after the last stage;
            smaller images keep their size in the first convolution, which takes every fourth pixel of larger ones.
        head: number of classes of a linear classifier, or a head of `odtf.models.heads`.
        conv: what stands for the three 3x3 convolutions: "standard", "group", "shuffled_group", "depthwise", "shift"
            (both with a 1x1 convolution), "line" or "ghost". The 11x11 and the 5x5 one stay standard.
        groups: number of groups, for the grouped kinds.
        width_multiplier: factor on all channels.
        seed: integer that every random weight follows from.
        name: name of the network.
        synchronized: whether batch normalisations (of "ghost" alone) take their statistics over all replicas.

    Returns:
        Functional `keras.Model` from `[batch, height, width, channels]` to the taps "stage1", "stage2", "stage3"
        `[batch, h, w, c]`, after pooling, and those of the head: of a classifier "embedding" `[batch, c]` and "logits"
        `[batch, classes]`.

    Raises:
        ValueError: if an argument is out of range or does not fit another.

    Reference:
        Krizhevsky et al., "ImageNet Classification with Deep Convolutional Neural Networks", 2012, in the shape of
        github.com/bearpaw/pytorch-classification, models/cifar/alexnet.py.
    """
    widths = [scaled(channels, width_multiplier) for channels in (64, 192, 384, 256, 256)]
    pieces = Pieces(conv, groups=groups, seed=seed, synchronized=synchronized)
    inputs = network_input(input_shape, head)

    is_strided = min(inputs.shape[1:3]) >= _SMALLEST_STRIDED
    x = pieces.standard(inputs, widths[0], 11, 2 if is_strided else 1, name="stem", use_bias=True)
    x = pieces.relu(x, name="stem_relu")
    if is_strided:
        # Stride 4 in two steps, 2 and every second pixel of that: accelerators stride by 3 at most.
        x = keras.layers.MaxPooling2D(1, 2, name="stem_subsample")(x)
    stages = [halved(x, "max", name="stage1_pool")]
    x = pieces.relu(pieces.standard(stages[0], widths[1], 5, name="stage2_conv", use_bias=True), name="stage2_relu")
    stages.append(halved(x, "max", name="stage2_pool"))
    x = stages[1]
    for index, filters in enumerate(widths[2:], start=1):
        x = pieces.replaced(x, filters, name=f"stage3_conv{index}", use_bias=True)
        x = pieces.relu(x, name=f"stage3_relu{index}")
    stages.append(halved(x, "max", name="stage3_pool"))
    return pieces.network(inputs, stages, head, name=name)
