"""Residual blocks, of the networks that differ in how many of them they stack."""

import keras


def basic_block(pieces, x, filters, strides, shortcut="projection", *, name):
    """Two 3x3 convolutions, each with batch normalisation; ReLU between them and after the sum.

    Args:
        pieces: `Pieces` of the network.
        x: KerasTensor `[batch, height, width, channels]`.
        filters: output channels.
        strides: stride of the first convolution.
        shortcut: where the shape changes, "projection" (1x1 convolution and BN) or "identity" (subsampling and zero
            channels, without parameters).
        name: prefix of the layers' names.

    Returns:
        KerasTensor, the output.
    """
    y = pieces.convolved(x, filters, strides, name=f"{name}_conv1")
    y = pieces.convolved(y, filters, name=f"{name}_conv2", relu=False)
    return _added(pieces, x, y, strides, shortcut, name=name)


def bottleneck_block(pieces, x, filters, strides, shortcut="projection", inner_width=1, *, name):
    """1x1, 3x3 and 1x1 convolutions to four times `filters`, with the stride in the 3x3 one.

    Args:
        pieces: `Pieces` of the network.
        x: KerasTensor `[batch, height, width, channels]`.
        filters: a quarter of the output channels.
        strides: stride of the block.
        shortcut: as for `basic_block`.
        inner_width: inner channels for each of `filters`.
        name: prefix of the layers' names.

    Returns:
        KerasTensor, the output.
    """
    inner = filters * inner_width
    y = pieces.pointwise(x, inner, name=f"{name}_conv1")
    y = pieces.convolved(y, inner, strides, name=f"{name}_conv2")
    y = pieces.pointwise(y, 4 * filters, name=f"{name}_conv3", relu=False)
    return _added(pieces, x, y, strides, shortcut, name=name)


def preactivated_block(pieces, x, filters, strides, *, name, second=None):
    """Twice batch normalisation, ReLU and a 3x3 convolution; nothing after the sum.

    Where the shape changes the shortcut is a 1x1 convolution of what the first convolution takes.

    Args:
        pieces: `Pieces` of the network.
        x: KerasTensor `[batch, height, width, channels]`.
        filters: output channels.
        strides: stride of the first convolution.
        name: prefix of the layers' names.
        second: `Pieces` of the second convolution, if another.

    Returns:
        KerasTensor, the output.

    Reference:
        He et al., "Identity Mappings in Deep Residual Networks", 2016.
    """
    active = pieces.normalized(x, name=f"{name}_input")
    y = pieces.replaced(active, filters, strides, name=f"{name}_conv1")
    y = pieces.normalized(y, name=f"{name}_conv1")
    y = (second or pieces).replaced(y, filters, name=f"{name}_conv2")
    if strides > 1 or x.shape[-1] != filters:
        x = pieces.standard(active, filters, 1, strides, name=f"{name}_shortcut")
    return keras.layers.Add(name=f"{name}_sum")([y, x])


def _added(pieces, x, y, strides, shortcut, *, name):
    x = keras.layers.Add(name=f"{name}_sum")([y, _shortcut(pieces, x, y, strides, shortcut, name=name)])
    return pieces.relu(x, name=f"{name}_relu")


def _shortcut(pieces, x, y, strides, shortcut, *, name):
    if strides == 1 and x.shape[-1] == y.shape[-1]:
        return x
    if shortcut == "projection":
        return pieces.pointwise(x, y.shape[-1], strides, name=f"{name}_shortcut", relu=False)
    if strides > 1:
        x = keras.layers.MaxPooling2D(1, strides, name=f"{name}_subsample")(x)
    # Channels-first padding of a channels-last tensor pads its channels: zero channels from a stock layer.
    missing = y.shape[-1] - x.shape[-1]
    if missing < 0:
        raise ValueError(
            "A shortcut without parameters adds channels and takes none away: use shortcut='projection'. "
            f"Received: {x.shape[-1]} channels before a block of {y.shape[-1]}"
        )
    margins = ((0, 0), (missing // 2, missing - missing // 2))
    return keras.layers.ZeroPadding2D(margins, data_format="channels_first", name=f"{name}_zeros")(x)
