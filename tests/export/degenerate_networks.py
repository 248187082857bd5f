"""Networks in which training, or a user, left a part that computes nothing, or in numbers of another size."""

import keras
import numpy as np
from keras import layers

from odtf import quantization
from tests.export.conftest import fit_head, normalized, observe


def network():
    """Two branches that are summed, a depthwise one that is joined to them, and a head."""
    keras.utils.set_random_seed(0)
    image = keras.Input((8, 8, 1))
    x = layers.Conv2D(16, 3, padding="same", name="first")(image)
    x = layers.ReLU(name="first_relu")(layers.BatchNormalization(name="first_norm")(x))
    branch = layers.Conv2D(16, 3, padding="same", use_bias=False, name="branch")(x)
    branch = layers.BatchNormalization(name="branch_norm")(branch)
    y = layers.ReLU(name="sum_relu")(layers.Add(name="sum")([x, branch]))
    z = layers.DepthwiseConv2D(3, padding="same", name="depthwise")(y)
    z = layers.ReLU(name="depthwise_relu")(layers.BatchNormalization(name="depthwise_norm")(z))
    z = layers.Conv2D(8, 1, name="pointwise")(z)
    joined = layers.Concatenate(name="joined")([y, z])
    features = layers.Flatten(name="flat")(layers.AveragePooling2D(4, name="pool")(joined))
    logits = layers.Dense(10, name="head")(features)
    return keras.Model(image, {"embedding": features, "logits": logits}, name="peer")


# Which weight of which layer becomes what.
def _zeros(values):
    return np.zeros_like(values)


def _first_zero(values):
    values[..., 0] = 0.0
    return values


def _times(factor):
    return lambda values: values * factor


def _plus(number):
    return lambda values: values + number


def _first(number):
    def changed(values):
        values[..., 0] = number
        return values

    return changed


CASES = {
    "dead branch": (("branch", 0, _zeros),),
    "constant branch": (("branch", 0, _zeros), ("branch_norm", 1, _plus(0.7))),
    "kernel of zeros with a bias": (("pointwise", 0, _zeros), ("pointwise", 1, _plus(0.5))),
    "constant channel": (("first", 0, _first_zero), ("first_norm", 1, _first(0.7))),
    "channel without variance": (("first", 0, _first_zero), ("first_norm", 3, _first(0.0))),
    "depthwise channel next to zero": (("depthwise_norm", 0, _first(1e-12)), ("depthwise_norm", 1, _first(5.0))),
    "ReLU that is never on": (("depthwise_norm", 1, _plus(-1e4)),),
    "huge kernel under its norm": (
        ("first", 0, _times(1e8)),
        ("first_norm", 2, _times(1e8)),
        ("first_norm", 3, _times(1e16)),
    ),
    "large activations": (("first_norm", 0, _times(1e3)), ("first_norm", 1, _times(1e3))),
    "tiny activations": (("pointwise", 0, _times(1e-9)), ("pointwise", 1, _times(1e-9))),
    "one large channel": (("first_norm", 0, _first(10.0)),),
    "logits of zeros": (("head", 0, _zeros), ("head", 1, _zeros)),
    "constant logits": (("head", 0, _zeros), ("head", 1, _plus(np.arange(10.0)))),
    "one constant logit": (("head", 0, _first_zero),),
}

# Nothing reaches the head: no digits are told apart.
DEAD = (("first_norm", 1, _plus(-1e4)), ("branch_norm", 1, _plus(-1e4)))


def make(changes, dataset):
    """Returns the network with changes, such as one of `CASES`, which tells digits apart as far as it can."""
    made = network()
    observe(made, dataset)
    for after_fit in (False, True):
        for name, position, change in changes:
            if (name == "head") == after_fit:
                weights = made.get_layer(name).get_weights()
                weights[position] = np.float32(change(weights[position]))
                made.get_layer(name).set_weights(weights)
        if not after_fit:
            fit_head(made, dataset)
    return made


def trained_quantized(network, dataset):
    """Returns a network with the rounding of its int8 form, and with the ranges of some images."""
    image_range = quantization.pixel_range(dataset.mean, dataset.std)
    aware = quantization.quantization_aware(network, input_range=image_range)
    for layer in aware._flatten_layers():
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable = False  # Its statistics are part of the case.
    images, _ = dataset.splits["train"].take(np.arange(64))
    aware(normalized(images, dataset), training=True)
    return aware
