"""U-Net of strided convolutions, which makes an image of an image."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import keras

from odtf.models.convolution import check_convolution
from odtf.models.generator_pieces import GeneratorPieces, expansions
from odtf.models.heads import doubled
from odtf.models.sizes import checked_width, network_input

if TYPE_CHECKING:
    from odtf.models.annotations import Head, Shape


_WIDEST = 8  # Times the width: channels of the fourth level and of all further ones.


def unet_generator(
    input_shape: Shape,
    head: Head,
    *,
    levels: int = 8,
    conv: str = "standard",
    groups: int | None = None,
    width: int = 64,
    deep: bool = False,
    norm: str = "batch",
    padding: str = "reflect",
    seed: int = 0,
    name: str = "network",
    synchronized: bool = False,
) -> keras.Model:
    """U-Net that halves an image `levels` times by 4x4 convolutions and doubles it by 4x4 transposed ones.

    A level is a convolution of stride 2 and a norm, with a leaky ReLU before the next; on the way up a ReLU, a
    transposed convolution and a norm, joined with what the level above has on the way down, after its leaky ReLU. The
    outermost and the innermost convolution have no norm behind them. The last transposed convolution, with tanh, is
    that of the head `heads.Image`.

    Args:
        input_shape: `(height, width, channels)`, multiples of 2^levels; the original takes 256x256.
        head: a head of `odtf.models.heads`: `Image()` for a generator; or a number of classes.
        levels: times the image is halved, 3 or more: 8 for 256x256, 6 for 64x64.
        conv: "standard", or what stands for the 4x4 convolutions behind the first: a cheap 3x3 one of stride 2, and on
            the way up a bilinear doubling with a cheap one behind it: "group", "shuffled_group", "depthwise", "shift"
            (both with a 1x1 convolution), "line" or "ghost". (odtf's own: the paper has "standard" alone.)
        groups: number of groups, for the grouped kinds.
        width: channels of the outermost level (ngf); the levels have 1, 2, 4, 8, 8 ... times as many.
        deep: whether two expansion blocks follow each convolution down and up, but the innermost: a deeper teacher.
        norm: "batch"; or "instance", with biases.
        padding: margins of the expansion blocks, "reflect" or "zero".
        seed: integer that every random weight follows from.
        name: name of the network.
        synchronized: whether batch normalisations take their statistics over all replicas.

    Returns:
        Functional `keras.Model` from `[batch, height, width, channels]` to the taps "stage1" and so on
        `[batch, h, w, c]`, on the way down, then up; those that distillation of channels compares, "channels1" to
        "channels4" (the second and the fourth level down, then up), or "channels1" and "channels2" where there are but
        three levels; and those of the head: "image" `[batch, height, width, 3]` in [-1, 1], float32.

    Raises:
        ValueError: if an argument is out of range or does not fit another.

    Reference:
        Isola, Zhu, Zhou, Efros, "Image-to-Image Translation with Conditional Adversarial Networks", 2017. The deeper
        form and the taps: Ren, Wu, Xiao, Yang, "Online Multi-Granularity Distillation for GAN Compression", 2021;
        released code, github.com/bytedance/OMGD.
    """
    inputs = network_input(input_shape, head)
    _check_levels(levels, inputs.shape[1:3])
    check_convolution(conv)
    options = {"norm": norm, "padding": padding, "groups": groups, "seed": seed, "synchronized": synchronized}
    pieces = GeneratorPieces(conv, **options)
    channels = [checked_width(width) * min(2**level, _WIDEST) for level in range(levels)]

    down = _way_down(pieces, inputs, channels, 2 * deep)
    up = _way_up(pieces, down, channels, 2 * deep)
    pieces.to_image = functools.partial(pieces.transposed, kernel_size=4, use_bias=True, dtype="float32")
    # Of two and four levels down, in the order in which they are computed.
    inner = min(4, levels - 1)
    compared = dict.fromkeys([2, inner])
    chosen = [*(down[level - 1] for level in compared), *(up[levels - 1 - level] for level in reversed(compared))]
    taps = {f"channels{index}": tap for index, tap in enumerate(chosen, start=1)}
    return pieces.network(inputs, [*down, *up], head, name=name, taps=taps)


def _check_levels(levels, size):
    if not isinstance(levels, int) or levels < 3:
        raise ValueError(f"A U-Net has 3 levels or more. Received: levels={levels!r}")
    if any(side % 2**levels for side in size):
        raise ValueError(
            f"A U-Net of {levels} levels takes sides that are multiples of {2**levels}: resize the images, or take "
            f"fewer levels. Received: {tuple(size)}"
        )


def _way_down(pieces, x, channels, blocks):
    """The maps of all levels after their activations, a list."""
    maps, innermost = [], len(channels)
    for level, filters in enumerate(channels, start=1):
        name = f"down{level}"
        if level == 1 or pieces.conv == "standard":
            x = pieces.standard(x, filters, 4, 2, name=name, use_bias=pieces.use_bias, padding="same")
        else:
            x = pieces.replaced(x, filters, 2, name=name, use_bias=pieces.use_bias)
        if level == innermost:
            return [*maps, pieces.relu(x, name=f"{name}_relu")]
        if level > 1:
            x = pieces.normalized(x, name=name, relu=False)
        x = pieces.leaky(expansions(pieces, x, blocks, name=name), name=f"{name}_leaky")
        maps.append(x)


def _way_up(pieces, down, channels, blocks):
    """The joined maps of all levels but the innermost after their ReLU, a list from the inner to the outer."""
    maps, x = [], down[-1]
    for level in range(len(channels) - 1, 0, -1):
        name, filters = f"up{level}", channels[level - 1]
        if pieces.conv == "standard":
            x = pieces.transposed(x, filters, 4, name=name)
        else:
            x = pieces.replaced(doubled(x, name=f"{name}_doubled"), filters, name=name, use_bias=pieces.use_bias)
        x = pieces.normalized(x, name=name, relu=False)
        if level < len(channels) - 1:
            x = expansions(pieces, x, blocks, name=name)
        x = keras.layers.Concatenate(name=f"{name}_join")([down[level - 1], x])
        if level == 1:
            x = expansions(pieces, x, blocks, name=f"{name}_join")
        x = pieces.relu(x, name=f"{name}_relu")
        maps.append(x)
    return maps
