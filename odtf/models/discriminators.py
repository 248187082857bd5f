"""PatchGAN: a network that says of every patch of an image how real it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras

from odtf.layers import Conv2D
from odtf.models.generator_pieces import GeneratorPieces
from odtf.models.sizes import checked_width, network_input

if TYPE_CHECKING:
    from collections.abc import Sequence

    from odtf.models.annotations import Shape


# Of the five blocks: channels in widths, stride.
_BLOCKS = ((1, 2), (2, 2), (4, 2), (8, 1), (None, 1))


def patch_discriminator(
    input_shape: Shape,
    *,
    routes: Sequence[str] = ("patches",),
    shared: int | None = None,
    width: int = 64,
    norm: str = "instance",
    seed: int = 0,
    name: str = "discriminator",
    synchronized: bool = False,
) -> keras.Model:
    """PatchGAN of five 4x4 convolutions of strides 2, 2, 2, 1, 1; leaky ReLU between them, a norm in blocks 2 to 4.

    Several routes are several discriminators whose first blocks are the same layers: one for each teacher. What is
    shared has one norm, too: its moving statistics see the images of every route.

    Args:
        input_shape: `(height, width, channels)`, sides that are multiples of 8, 24 at least; for pairs the channels
            are those of both images, concatenated.
        routes: names of the routes.
        shared: how many of the five blocks the routes have in common, from the first; None or 5: all, so that the
            routes are one.
        width: channels of the first block (ndf).
        norm: "instance", with biases in all blocks; or "batch", with biases in the first and the last.
        seed: integer that every random weight follows from.
        name: name of the network.
        synchronized: whether batch normalisations take their statistics over all replicas.

    Returns:
        Functional `keras.Model` to a dict from a route to `[batch, height / 8 - 2, width / 8 - 2, 1]`, float32, any
        real number. `route` makes a model of one of them.

    Raises:
        ValueError: if an argument is out of range.

    Reference:
        Isola, Zhu, Zhou, Efros, "Image-to-Image Translation with Conditional Adversarial Networks", 2017. Shared
        blocks: Ren, Wu, Xiao, Yang, "Online Multi-Granularity Distillation for GAN Compression", 2021; released code,
        github.com/bytedance/OMGD.
    """
    shared = len(_BLOCKS) if shared is None else shared
    _check(routes, shared)
    inputs, width = network_input(input_shape, lambda *_: {}), checked_width(width)
    if any(side % 8 or side < 24 for side in inputs.shape[1:3]):
        raise ValueError(
            "A discriminator of patches halves an image three times: its sides must be multiples of 8, 24 at least. "
            f"Received: {tuple(inputs.shape[1:3])}"
        )
    pieces = GeneratorPieces("standard", norm=norm, seed=seed, synchronized=synchronized)
    trunk = _applied(pieces, inputs, width, range(shared), "")
    answers = {route: _applied(pieces, trunk, width, range(shared, len(_BLOCKS)), f"{route}_") for route in routes}
    return keras.Model(inputs, answers, name=name)


def route(discriminator, name):
    """Returns a model of one route of a discriminator, which has the same layers.

    Args:
        discriminator: as of `patch_discriminator`.
        name: of the route.

    Returns:
        Functional `keras.Model` from images to `[batch, h, w, 1]`.
    """
    return keras.Model(discriminator.input, discriminator.output[name], name=f"{discriminator.name}_{name}")


def _check(routes, shared):
    if not routes or len(set(routes)) < len(routes) or isinstance(routes, str):
        raise ValueError(f"The routes of a discriminator are different names. Received: routes={routes!r}")
    if not isinstance(shared, int) or not 0 <= shared <= len(_BLOCKS):
        raise ValueError(f"Routes share 0 to {len(_BLOCKS)} blocks. Received: shared={shared!r}")


def _applied(pieces, x, width, indices, prefix):
    """Some of the blocks on a map."""
    for index in indices:
        (times, strides), name = _BLOCKS[index], f"{prefix}block{index + 1}"
        outermost = index in (0, len(_BLOCKS) - 1)
        # Margins of one pixel: what "same" has at stride 2, and less than it has at stride 1.
        if strides == 1:
            x = keras.layers.ZeroPadding2D(1, name=f"{name}_pad")(x)
        x = Conv2D(
            times * width if times else 1,
            4,
            strides,
            padding="same" if strides == 2 else "valid",
            use_bias=outermost or pieces.use_bias,
            kernel_initializer=pieces.kernel_initializer(),
            dtype=None if times else "float32",
            name=name,
        )(x)
        if not outermost:
            x = pieces.normalized(x, name=name, relu=False)
        if times:
            x = pieces.leaky(x, name=f"{name}_leaky")
    return x
