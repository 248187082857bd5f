"""Small functional models with every way in which channels meet, as users' networks have them."""

import keras
import numpy as np
from keras import layers


def mixed(size=12, softmax=True):
    """A residual sum, a concatenation, a depthwise path, squeeze and excitation, groups, and operators on tensors."""
    image = keras.Input((size, size, 3), name="image")
    x = layers.Conv2D(8, 3, padding="same", use_bias=False, name="stem")(layers.Rescaling(1 / 127.5, -1.0)(image))
    x = layers.Activation("relu", name="stem_relu")(layers.BatchNormalization(name="stem_norm")(x))
    x = layers.Conv2D(16, 3, strides=2, padding="same", activation="relu", name="down")(x)
    y = layers.DepthwiseConv2D(3, padding="same", name="depthwise")(layers.Conv2D(16, 1, name="expand")(x))
    y = layers.PReLU(shared_axes=(1, 2), name="prelu")(layers.BatchNormalization(name="depthwise_norm")(y))
    gate = layers.Reshape((1, 1, 16), name="reshape")(layers.GlobalAveragePooling2D(name="pool")(y))
    gate = layers.Conv2D(4, 1, activation="relu", name="squeeze")(gate)
    gate = layers.Conv2D(16, 1, name="excite")(gate)
    gate = layers.ReLU(6.0, name="hard")(gate + 3.0) * (1 / 6)
    y = layers.Multiply(name="scale")([y, gate])
    x = layers.Add(name="sum")([x, y])
    z = layers.Conv2D(16, 3, dilation_rate=2, padding="same", activation="swish", name="dilated")(x)
    x = layers.Concatenate(name="join")([x, z])
    x = layers.Conv2D(20, 3, groups=2, name="grouped")(layers.ZeroPadding2D(1, name="pad")(x))
    x = layers.MaxPooling2D(2, name="halve")(keras.ops.relu(x))
    x = layers.Dense(10, activation="relu", name="hidden")(layers.Flatten(name="flat")(x))
    answer = layers.Dense(5, activation="softmax" if softmax else None, name="answer")(x)
    return randomized(keras.Model(image, answer, name="mixed"))


def nested():
    """A model with a model inside, which is applied twice and has a layer's name in common with it."""
    part = keras.Input((8, 8, 4), name="part")
    x = layers.Conv2D(6, 3, padding="same", name="conv")(part)
    inner = keras.Model(part, layers.Conv2D(4, 3, padding="same", activation="relu", name="back")(x), name="inner")
    image = keras.Input((8, 8, 1), name="image")
    x = layers.Conv2D(4, 3, padding="same", name="conv")(image)
    x = inner(inner(x), training=False)
    tail = keras.Sequential([layers.GlobalAveragePooling2D(name="pool"), layers.Dense(3, name="answer")], name="tail")
    return randomized(keras.Model(image, tail(x), name="outer"))


def randomized(model, seed=0):
    """The model as if trained: no statistic, scale or bias at its initial value."""
    random = np.random.default_rng(seed)
    for variable in model.variables:
        if variable.name in ("gamma", "moving_variance"):
            variable.assign(random.uniform(0.5, 1.5, variable.shape))
        elif variable.name in ("beta", "moving_mean", "bias", "alpha"):
            variable.assign(random.normal(0.0, 0.2, variable.shape))
    return model


def images(model, batch=3):
    return np.random.default_rng(1).uniform(0, 255, (batch, *model.input_shape[1:])).astype("float32")


def zeroed(model, channels):
    """The model, its layers shared, with all but some channels of every layer set to zero after it."""

    def call(operation, *args, **kwargs):
        y = operation(*args, **kwargs)
        mask = np.zeros(y.shape[-1], "float32")
        mask[channels.get(operation.name, slice(None))] = 1.0
        return y * mask

    return keras.models.clone_model(model, clone_function=lambda operation: operation, call_function=call)
