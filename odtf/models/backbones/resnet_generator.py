"""Residual network on a map of a quarter of the size, which makes an image of an image."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from odtf.models.generator_pieces import GeneratorPieces, expansion_block, expansions, residual_block
from odtf.models.sizes import checked_width, network_input

if TYPE_CHECKING:
    import keras

    from odtf.models.annotations import Head, Shape


def resnet_generator(
    input_shape: Shape,
    head: Head,
    *,
    blocks: int = 9,
    conv: str = "separable",
    groups: int | None = None,
    width: int = 64,
    deep: bool = False,
    norm: str = "instance",
    separable_norm: str = "instance",
    padding: str = "reflect",
    seed: int = 0,
    name: str = "network",
    synchronized: bool = False,
) -> keras.Model:
    """Generator of a 7x7 convolution, two of stride 2, residual blocks, two transposed 3x3 ones and a 7x7 to the image.

    With `conv="separable"` it is the mobile ResNet of GAN compression, with "standard" the full one. A microcontroller
    takes it with `norm="batch", separable_norm="batch", padding="zero"`: of the same multiplications, but instance
    norms, which compute statistics in inference too, and mirrored margins are operators that accelerators lack.

    Args:
        input_shape: `(height, width, channels)`, sides that are multiples of 4.
        head: a head of `odtf.models.heads`: `Image()` for a generator, to which the last 7x7 convolution, with tanh,
            belongs; or a number of classes.
        blocks: residual blocks, 9 for 256x256 and 6 for 128x128 in the original.
        conv: what stands for the 3x3 convolutions of the blocks: "separable" (depthwise 3x3, norm, 1x1), "standard",
            "group", "shuffled_group", "depthwise", "shift" (both with a 1x1 convolution), "line" or "ghost"; all but
            the first two pad with zeros in any case.
        groups: number of groups, for the grouped kinds.
        width: channels of the stem (ngf); the blocks have four times as many.
        deep: whether an expansion block and a 3x3 convolution follow each convolution of stride 2 and each transposed
            one, and two expansion blocks stand amid the residual ones: a deeper teacher.
        norm: "instance", with biases; or "batch".
        separable_norm: the norm between the two parts of a separable convolution, whatever `norm` is.
        padding: margins of the 7x7 convolutions and the blocks, "reflect" or "zero".
        seed: integer that every random weight follows from.
        name: name of the network.
        synchronized: whether batch normalisations take their statistics over all replicas.

    Returns:
        Functional `keras.Model` from `[batch, height, width, channels]` to the taps "stage1" and so on
        `[batch, h, w, c]` (stem, two halvings, three thirds of the blocks, two doublings); "channels1" to "channels4",
        those that distillation of channels compares: before the blocks, and after each third of them; and those of the
        head: "image" `[batch, height, width, 3]` in [-1, 1], float32.

    Raises:
        ValueError: if an argument is out of range or does not fit another.

    Reference:
        Johnson, Alahi, Fei-Fei, "Perceptual Losses for Real-Time Style Transfer", 2016; Zhu, Park, Isola, Efros,
        "Unpaired Image-to-Image Translation", 2017. Mobile: Li et al., "GAN Compression", 2020. The deeper form and
        the taps: Ren, Wu, Xiao, Yang, "Online Multi-Granularity Distillation for GAN Compression", 2021; released
        code, github.com/bytedance/OMGD.
    """
    inputs, width = network_input(input_shape, head), checked_width(width)
    if any(side % 4 for side in inputs.shape[1:3]):
        raise ValueError(
            "A ResNet generator halves and doubles the image twice: its sides must be multiples of 4. "
            f"Received: {tuple(inputs.shape[1:3])}"
        )
    if not isinstance(blocks, int) or blocks < 3:
        raise ValueError(f"A ResNet generator has 3 residual blocks or more. Received: blocks={blocks!r}")
    options = {"norm": norm, "separable_norm": separable_norm, "padding": padding}
    pieces = GeneratorPieces(conv, groups=groups, seed=seed, synchronized=synchronized, **options)

    stages = [pieces.normalized(pieces.margined(inputs, width, 7, name="stem"), name="stem")]
    for index in (1, 2):
        x = pieces.standard(stages[-1], width * 2**index, 3, 2, name=f"down{index}", use_bias=pieces.use_bias)
        x = pieces.normalized(x, name=f"down{index}")
        stages.append(_deepened(pieces, x, name=f"down{index}") if deep else x)
    stages += _thirds(pieces, stages[-1], blocks, deep)
    taps = {f"channels{index}": stage for index, stage in enumerate(stages[2:], start=1)}
    for index in (1, 2):
        x = pieces.transposed(stages[-1], width * 2 ** (2 - index), 3, name=f"up{index}")
        x = pieces.normalized(x, name=f"up{index}")
        stages.append(_deepened(pieces, x, name=f"up{index}") if deep else x)
    pieces.to_image = functools.partial(_to_image, pieces)
    return pieces.network(inputs, stages, head, name=name, taps=taps)


def _thirds(pieces, x, blocks, deep):
    """The maps after each third of the residual blocks, a list of three."""
    maps, ends = [], {round(blocks * third / 3) for third in (1, 2, 3)}
    for index in range(1, blocks + 1):
        x = residual_block(pieces, x, name=f"block{index}")
        if deep and index == blocks // 2:
            x = expansions(pieces, x, 2, name="middle")
        if index in ends:
            maps.append(x)
    return maps


def _deepened(pieces, x, *, name):
    """An expansion block, and a 3x3 convolution with zeros around, norm and ReLU."""
    x = expansion_block(pieces, x, name=f"{name}_expansion")
    x = pieces.standard(x, x.shape[-1], 3, name=f"{name}_conv", use_bias=pieces.use_bias)
    return pieces.normalized(x, name=f"{name}_conv")


def _to_image(pieces, x, channels, *, name):
    return pieces.margined(x, channels, 7, name=name, use_bias=True, dtype="float32")
