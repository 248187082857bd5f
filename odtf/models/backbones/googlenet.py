"""GoogLeNet for small images."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras

from odtf.models.convolution import Pieces, halved_overlapping
from odtf.models.sizes import network_input, scaled

if TYPE_CHECKING:
    from collections.abc import Sequence

    from odtf.models.annotations import Head, Shape


# Channels of the 1x1 branch; of the 1x1 and the 3x3 convolution of the second; of the 1x1 and both 3x3 convolutions of
# the third; of the 1x1 convolution after pooling.
_STAGES = (
    {"a3": (64, 96, 128, 16, 32, 32), "b3": (128, 128, 192, 32, 96, 64)},
    {
        "a4": (192, 96, 208, 16, 48, 64),
        "b4": (160, 112, 224, 24, 64, 64),
        "c4": (128, 128, 256, 24, 64, 64),
        "d4": (112, 144, 288, 32, 64, 64),
        "e4": (256, 160, 320, 32, 128, 128),
    },
    {"a5": (256, 160, 320, 32, 128, 128), "b5": (384, 192, 384, 48, 128, 128)},
)


def googlenet(
    input_shape: Shape,
    head: Head,
    *,
    conv: str = "standard",
    groups: int | None = None,
    width_multiplier: float = 1.0,
    modules: Sequence[int] = (2, 5, 2),
    seed: int = 0,
    name: str = "network",
    synchronized: bool = False,
) -> keras.Model:
    """Nine inception modules in three stages after one 3x3 convolution, with batch normalisation throughout.

    The 5x5 branch is two 3x3 convolutions, and there are no auxiliary classifiers. The convolutions have no bias: batch
    normalisation follows, which takes it away (the released code's have one, 7,904 in all).

    Args:
        input_shape: `(height, width, channels)`, at least 4x4.
        head: number of classes of a linear classifier, or a head of `odtf.models.heads`.
        conv: what stands for the 3x3 convolutions of the modules: "standard", "group", "shuffled_group", "depthwise",
            "shift" (both with a 1x1 convolution), "line" or "ghost". The first one, "stem", stays standard.
        groups: number of groups, for the grouped kinds.
        width_multiplier: factor on all channels.
        modules: how many of the last modules each stage has; fewer make a network for tests and small devices.
        seed: integer that every random weight follows from.
        name: name of the network.
        synchronized: whether batch normalisations take their statistics over all replicas.

    Returns:
        Functional `keras.Model` from `[batch, height, width, channels]` to the taps "stage1", "stage2", "stage3"
        `[batch, h, w, c]` (the modules b3, e4 and b5: 480, 832 and 1024 channels), and those of the head: of a
        classifier "embedding" `[batch, c]` and "logits" `[batch, classes]`.

    Raises:
        ValueError: if an argument is out of range or does not fit another.

    Reference:
        Szegedy et al., "Going Deeper with Convolutions", 2015, in the shape of github.com/SJLeo/FFSD,
        models/googlenet_cifar.py.
    """
    if len(modules) != 3 or any(not 1 <= n <= len(stage) for n, stage in zip(modules, _STAGES, strict=True)):
        raise ValueError(f"The stages have 1 to 2, 1 to 5 and 1 to 2 modules. Received: modules={tuple(modules)}")
    pieces = Pieces(conv, groups=groups, seed=seed, synchronized=synchronized)
    inputs = network_input(input_shape, head)

    x, stages = pieces.stem(inputs, scaled(192, width_multiplier)), []
    for index, (stage, count) in enumerate(zip(_STAGES, modules, strict=True)):
        if index:
            x = halved_overlapping(x, name=f"stage{index + 1}_pool")
        for module, channels in list(stage.items())[-count:]:
            x = _inception(pieces, x, [scaled(c, width_multiplier) for c in channels], name=f"inception_{module}")
        stages.append(x)
    return pieces.network(inputs, stages, head, name=name)


def _inception(pieces, x, channels, *, name):
    single, reduced3, branch3, reduced5, branch5, pooled = channels
    first = pieces.pointwise(x, single, name=f"{name}_branch1")
    second = pieces.pointwise(x, reduced3, name=f"{name}_branch2_conv1")
    second = pieces.convolved(second, branch3, name=f"{name}_branch2_conv2")
    third = pieces.pointwise(x, reduced5, name=f"{name}_branch3_conv1")
    third = pieces.convolved(third, branch5, name=f"{name}_branch3_conv2")
    third = pieces.convolved(third, branch5, name=f"{name}_branch3_conv3")
    fourth = keras.layers.MaxPooling2D(3, 1, padding="same", name=f"{name}_pool")(x)
    fourth = pieces.pointwise(fourth, pooled, name=f"{name}_branch4")
    return keras.layers.Concatenate(name=name)([first, second, third, fourth])
