"""VGG with batch normalisation, for small images."""

from __future__ import annotations

from typing import TYPE_CHECKING

from odtf.models.convolution import Pieces, halved
from odtf.models.sizes import checked_width, known_depth, network_input

if TYPE_CHECKING:
    from collections.abc import Sequence

    import keras

    from odtf.models.annotations import Head, Shape


_LAYOUTS = {8: (1, 1, 1, 1, 1), 11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}
_FACTORS = (1, 2, 4, 8, 8)


def vgg(
    input_shape: Shape,
    head: Head,
    *,
    depth: int = 16,
    conv: str = "standard",
    groups: int | None = None,
    width: int = 64,
    hidden: Sequence[int] = (),
    seed: int = 0,
    name: str = "network",
    synchronized: bool = False,
) -> keras.Model:
    """VGG-BN of five stages, each ended by 2x2 max pooling, as far as there is anything left to pool.

    The convolutions have no bias: batch normalisation follows, which takes it away. Those of most released codes have,
    one a channel (4,224 in VGG-16), so that their counts are that much higher for the same functions.

    Args:
        input_shape: `(height, width, channels)`, at least 4x4. From 32x32 pixels one is left after the last stage.
        head: number of classes of a linear classifier, or a head of `odtf.models.heads`.
        depth: 11, 13, 16 or 19, or 8 for one convolution a stage.
        conv: what stands for the 3x3 convolutions: "standard", "group", "shuffled_group", "depthwise", "shift" (both
            with a 1x1 convolution), "line" or "ghost". The first one, "stem", stays standard.
        groups: number of groups, for the grouped kinds.
        width: channels of the first stage; the further stages have 2, 4, 8 and 8 times as many.
        hidden: widths of dense layers with ReLU before the classifier: none, or `(512, 512)` for the head of three
            layers in peer collaborative learning, whose peers have a last stage and a head each. Where `head` is more
            than a number of classes it says so itself.
        seed: integer that every random weight follows from.
        name: name of the network.
        synchronized: whether batch normalisations take their statistics over all replicas.

    Returns:
        Functional `keras.Model` from `[batch, height, width, channels]` to the taps "stage1" to "stage5"
        `[batch, h, w, c]`, after pooling, and those of the head: of a classifier "embedding" `[batch, 8 * width]`
        (before the hidden layers) and "logits" `[batch, classes]`.

    Raises:
        ValueError: if an argument is out of range or does not fit another.

    Reference:
        Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", 2015.
    """
    counts, width = known_depth(depth, _LAYOUTS), checked_width(width)
    hidden = [checked_width(units) for units in hidden]
    pieces = Pieces(conv, groups=groups, seed=seed, synchronized=synchronized)
    inputs = network_input(input_shape, head)

    x, stages = pieces.stem(inputs, width), []
    for stage, (count, factor) in enumerate(zip(counts, _FACTORS, strict=True), start=1):
        for index in range(1 if stage == 1 else 0, count):
            x = pieces.convolved(x, factor * width, name=f"stage{stage}_conv{index + 1}")
        x = halved(x, "max", name=f"stage{stage}_pool")
        stages.append(x)
    return pieces.network(inputs, stages, head, name=name, hidden=hidden)
