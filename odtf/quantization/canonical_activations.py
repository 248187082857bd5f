"""Rules of the canonical form for activations."""

import keras
from keras import layers

# Each is one int8 operator, or part of the one before it.
SINGLE = ("linear", "relu", "relu6", "sigmoid", "tanh", "softmax", "hard_sigmoid", "hard_silu", "gelu")


def activated(rewriting, function, name, x):
    """Applies the layers of an activation function, the last of the given name.

    Args:
        rewriting: the rewriting that asks.
        function: one of `keras.activations`.
        name: name that no layer has yet.
        x: KerasTensor.

    Returns:
        KerasTensor, the output.
    """
    if is_single(function):
        return layers.Activation(function.__name__, name=name)(x)
    if function is keras.activations.silu:
        return layers.Multiply(name=name)([x, layers.Activation("sigmoid", name=f"{name}_sigmoid")(x)])
    if function is keras.activations.leaky_relu:
        return layers.LeakyReLU(0.2, name=name)(x)
    known = getattr(function, "__name__", type(function).__name__)
    return rewriting.refuse(name, f"the activation {known} has none here")


def is_single(function):
    """Whether an activation function is one operator, or part of the one before it."""
    name = getattr(function, "__name__", "")
    return name in SINGLE and keras.activations.get(name) is function


@keras.saving.register_keras_serializable(package="odtf")
class TanhGelu(keras.layers.Layer):
    """GELU as approximated by a hyperbolic tangent, which Keras has as an operator alone."""

    def call(self, inputs):
        return keras.ops.gelu(inputs, approximate=True)

    def compute_output_shape(self, input_shape):
        return input_shape


def _activation(rewriting, layer, x):
    if is_single(layer.activation):
        return rewriting.keep(layer)(x)
    return activated(rewriting, layer.activation, rewriting.name(layer), x)


def _relu(rewriting, layer, x):
    if layer.threshold or (layer.max_value not in (None, 6) or (layer.max_value and layer.negative_slope)):
        rewriting.refuse(layer, "a ReLU is plain, leaky, or ends at 6")
    if not layer.negative_slope:
        return rewriting.keep(layer)(x)
    return layers.LeakyReLU(float(layer.negative_slope), name=rewriting.name(layer))(x)


def _leaky(rewriting, layer, x):
    return rewriting.keep(layer)(x)


def _parametric(rewriting, layer, x):
    if any(size != 1 for size in layer.alpha.shape[:-1]):
        rewriting.refuse(layer, "a PReLU has a slope for each channel (shared_axes=[1, 2])")
    return rewriting.keep(layer)(x)


def _softmax(rewriting, layer, x):
    if layer.axis not in (-1, len(x.shape) - 1):
        rewriting.refuse(layer, "a softmax is over the last axis")
    return activated(rewriting, keras.activations.softmax, rewriting.name(layer), x)


ACTIVATIONS = {
    layers.Activation: _activation,
    layers.ReLU: _relu,
    layers.LeakyReLU: _leaky,
    layers.PReLU: _parametric,
    layers.Softmax: _softmax,
}
