"""DeepLabV3: a dilated backbone and atrous spatial pyramid pooling, for an answer to every pixel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras

from odtf.models.convolution import Pieces
from odtf.models.encoders import encoded
from odtf.models.heads import cropped
from odtf.models.sizes import checked_width, network_input

if TYPE_CHECKING:
    from collections.abc import Sequence

    from odtf.models.annotations import Head, Shape, Specification


_BACKBONE = {"name": "resnet", "depth": 18, "conv": "depthwise", "width": 16}
_OUTPUT_STRIDES = (8, 16)


def deeplab_v3(
    input_shape: Shape,
    head: Head,
    *,
    backbone: Specification = _BACKBONE,
    output_stride: int = 16,
    rates: Sequence[int] = (6, 12, 18),
    conv: str = "depthwise",
    groups: int | None = None,
    width: int = 64,
    seed: int = 0,
    name: str = "network",
    synchronized: bool = False,
) -> keras.Model:
    """Any backbone with its last strides dilated away, a pyramid of dilated convolutions, and the mean of the picture.

    The pyramid is a 1x1 convolution, one 3x3 convolution for each rate, and the pooled map through a 1x1 convolution,
    repeated over the picture; a 1x1 convolution joins them. Sizes that the output stride does not divide are padded
    below and on the right, which the pooled mean sees; the last map is cut to what the picture has.

    Args:
        input_shape: `(height, width, channels)`, at least 4x4.
        head: a head of `odtf.models.heads`, such as `Pixels`, or a number of classes.
        backbone: specification of the encoder, as for `odtf.models.build`: "name" and further arguments, its own
            convolution among them.
        output_stride: 8 or 16, pixels of the picture for each position of the last map.
        rates: dilation rates of the pyramid at the output stride 16; they are doubled at 8.
        conv: what stands for the 3x3 convolutions of the pyramid: "standard", "group", "shuffled_group", "depthwise",
            "shift" (both with a 1x1 convolution), "line" or "ghost".
        groups: number of groups, for the grouped kinds.
        width: channels of each part of the pyramid and of the last map; the paper has 256.
        seed: integer that every random weight follows from.
        name: name of the network.
        synchronized: whether batch normalisations take their statistics over all replicas.

    Returns:
        Functional `keras.Model` from `[batch, height, width, channels]` to the taps "stage1" and so on
        `[batch, h, w, c]`, those of the backbone, then the joined pyramid, and those of the head.

    Raises:
        ValueError: if an argument is out of range or does not fit another.

    Reference:
        Chen, Papandreou, Schroff, Adam, "Rethinking Atrous Convolution for Semantic Image Segmentation", 2017.
    """
    if output_stride not in _OUTPUT_STRIDES:
        raise ValueError(f"The output stride is 8 or 16. Received: output_stride={output_stride!r}")
    rates = [checked_width(rate) * 16 // output_stride for rate in rates]
    width, size = checked_width(width), tuple(network_input(input_shape, head).shape[1:3])
    image, maps, strides = encoded(
        input_shape, backbone, seed=seed, synchronized=synchronized, output_stride=output_stride
    )
    pieces = Pieces(conv, groups=groups, seed=seed + 1, synchronized=synchronized)

    x = maps[-1]
    parts = [pieces.pointwise(x, width, name="pyramid1")]
    for index, rate in enumerate(rates, start=2):
        parts.append(pieces.dilated(rate).convolved(x, width, name=f"pyramid{index}"))
    pooled = keras.layers.GlobalAveragePooling2D(keepdims=True, name="pyramid_pool")(x)
    pooled = pieces.pointwise(pooled, width, name="pyramid_pooled")
    # Between equal values, bilinear is a copy, and an operator that accelerators have, where nearest would be a TILE.
    repeat = keras.layers.UpSampling2D(tuple(x.shape[1:3]), interpolation="bilinear", name="pyramid_repeated")
    parts.append(repeat(pooled))
    y = keras.layers.Concatenate(name="pyramid")(parts)
    y = pieces.pointwise(y, width, name="pyramid_joined")
    last = cropped(y, [-(-side // strides[-1]) for side in size], name="pyramid_cropped")
    return pieces.network(image, [*maps, last], head, name=name)
