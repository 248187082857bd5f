"""Networks with weights as training leaves them, so that folding and rounding have something to do."""

import keras
import numpy as np

from odtf import quantization


def randomized(network, seed=0):
    """Gives batch normalisations uneven statistics and biases a value."""
    rng = np.random.default_rng(seed)
    for v in network.variables:
        kind = v.path.rsplit("/", 1)[-1]
        low, high = {"gamma": (0.5, 2), "moving_variance": (0.3, 3), "beta": (-1, 1), "moving_mean": (-1, 1)}.get(
            kind, (-0.3, 0.3) if kind == "bias" else (0, 0)
        )
        if low < high:
            v.assign(
                rng.uniform(low, high, v.shape).astype("float32") * rng.choice([1, -1] if kind == "gamma" else [1])
            )
    return network


def aware(network, images, schedule=None):
    """Rewrites a network and lets its ranges see the images, without any change of its weights."""
    schedule = schedule or quantization.Schedule()
    rewritten = quantization.quantization_aware(network, schedule)
    schedule.phase = "frozen"
    rewritten(images, training=True)
    schedule.phase = "quantized"
    return rewritten


def part(network, name):
    """The rewritten layer of a name."""
    return next(layer for layer in network.layers if layer.name == name)


def normalized(x, name, relu=False):
    """Batch normalisation, and ReLU if wanted."""
    x = keras.layers.BatchNormalization(momentum=0.9, name=f"{name}_norm")(x)
    return keras.layers.Activation("relu", name=f"{name}_relu")(x) if relu else x
