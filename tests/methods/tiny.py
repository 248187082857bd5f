"""Networks of a few layers: what a method does with them does not depend on their depth, and tracing them does."""

import keras

from odtf.models.convolution import Pieces
from odtf.models.sizes import network_input


def least(
    width=4,
    *,
    seed,
    name,
    synchronized=False,
    conv="standard",
    groups=None,
    head=10,
    shape=(8, 8, 1),
    strides=(1, 2, 2),
):
    """The least network with a convolution in each stage, made as odtf's own are.

    Args:
        width: channels of the stem and the first stage.
        seed: int.
        name: str.
        synchronized: bool, whether batch normalisation spans all replicas.
        conv: str, kind of the convolutions.
        groups: int, of grouped ones.
        head: as for odtf's own networks.
        shape: `(height, width, channels)` of the images.
        strides: of the stages.
    """
    pieces = Pieces(conv, groups=groups, seed=seed, synchronized=synchronized)
    inputs = network_input(shape, head)
    stages = [pieces.stem(inputs, width)]
    for stage, stride in enumerate(strides):
        filters = width * 2**stage
        stages.append(pieces.convolved(stages[-1], filters, stride, name=f"stage{stage + 1}_block1"))
    return pieces.network(inputs, stages[1:], head, name=name)


def tiny(widths=(4, 6), *, seed, name, classes=10):
    """Two stages of one convolution on 8x8 images, with the taps that all networks have.

    Args:
        widths: channels of the stages.
        seed: int.
        name: str.
        classes: int.
    """
    image = x = keras.Input((8, 8, 1), name="image")
    taps = {}
    for index, width in enumerate(widths):
        initializer = keras.initializers.HeNormal(seed=seed + index)
        layer = f"stage{index + 1}_conv" if index else "stem"
        x = keras.layers.Conv2D(width, 3, 2, "same", kernel_initializer=initializer, name=layer)(x)
        x = keras.layers.BatchNormalization(momentum=0.9, name=f"stage{index + 1}_norm")(x)
        x = taps[f"stage{index + 1}"] = keras.layers.Activation("relu", name=f"stage{index + 1}")(x)
    taps["embedding"] = x = keras.layers.GlobalAveragePooling2D(name="embedding")(x)
    initializer = keras.initializers.GlorotNormal(seed=seed + 100)
    taps["logits"] = keras.layers.Dense(classes, kernel_initializer=initializer, name="logits")(x)
    return keras.Model(image, taps, name=name)
