"""The deployed student once more, in tf_keras, which is what TFMOT works on."""

import keras
import numpy as np
import tf_keras

from odtf.layers import native_kernels

# For each layer that a deployed student may have, what of its config says what it computes. The names are those of
# tf_keras too.
_CONFIG = {
    "Activation": ("activation",),
    "Add": (),
    "AveragePooling2D": ("pool_size", "strides", "padding"),
    "BatchNormalization": ("axis", "momentum", "epsilon", "center", "scale"),
    "Concatenate": ("axis",),
    "Conv2D": ("filters", "kernel_size", "strides", "padding", "dilation_rate", "groups", "activation", "use_bias"),
    "Cropping2D": ("cropping", "data_format"),
    "Dense": ("units", "activation", "use_bias"),
    "DepthwiseConv2D": (
        *("kernel_size", "strides", "padding", "dilation_rate", "depth_multiplier", "activation", "use_bias"),
    ),
    "Flatten": (),
    "GlobalAveragePooling2D": ("keepdims",),
    "MaxPooling2D": ("pool_size", "strides", "padding"),
    "Permute": ("dims",),
    "ReLU": (),
    "Reshape": ("target_shape",),
    "ZeroPadding2D": ("padding", "data_format"),
}


def twin_of(deployed):
    """Rebuilds a deployed student in tf_keras, layer by layer, with copies of its weights.

    Batch normalisations stay layers of their own, since fine-tuning moves them; the converter folds them. A shift is a
    depthwise convolution with a constant kernel here as there, and stays constant: it is not trainable. The image
    passes a layer "input", which changes nothing, so that its quantisation has a place.

    Args:
        deployed: functional `keras.Model` of stock layers, as `odtf.models.deploy` gives it.

    Returns:
        Functional `tf_keras.Model` with the same layer names, trainable, float32; in inference it equals `deployed`
        up to rounding. Activations that do nothing are left out.

    Raises:
        ValueError: if there is a layer that has no counterpart here.
    """
    image = tf_keras.Input(deployed.input_shape[1:], name="image")
    tensors = {id(deployed.input): tf_keras.layers.Activation("linear", name="input", dtype="float32")(image)}
    pairs = []
    for layer in deployed.operations:
        if isinstance(layer, keras.layers.InputLayer):
            continue
        _check(layer)
        x = keras.tree.map_structure(lambda tensor: tensors[id(tensor)], layer.input)
        if not _does_nothing(layer):
            copy = _copy(layer)
            x = copy(x)
            pairs.append((layer, copy))
        tensors[id(layer.output)] = x
    twin = tf_keras.Model(image, tensors[id(deployed.output)], name=deployed.name)
    for layer, copy in pairs:
        copy.set_weights(layer.get_weights())
        copy.trainable = not is_shift(copy)
    return twin


def is_shift(layer):
    """Whether a layer only moves pixels: a depthwise convolution whose every channel has a single 1."""
    if type(layer).__name__ != "DepthwiseConv2D" or layer.use_bias:
        return False
    kernel = np.asarray(layer.depthwise_kernel)
    return bool(np.all((kernel == 0) | (kernel == 1)) and np.all(kernel.sum((0, 1)) == 1))


def _does_nothing(layer):
    return isinstance(layer, keras.layers.Activation) and layer.get_config()["activation"] == "linear"


def _check(layer):
    kind = type(layer).__name__
    if kind not in _CONFIG or not isinstance(layer, keras.Layer):
        what = "layer" if isinstance(layer, keras.Layer) else "operation on tensors"
        raise ValueError(
            f"Fine-tuning takes the layers {', '.join(_CONFIG)}. Received: {what} {layer.name!r} of type {kind}"
        )
    if kind == "ReLU" and (layer.max_value is not None or layer.negative_slope or layer.threshold):
        raise ValueError(
            "Fine-tuning takes a ReLU without max_value, negative_slope and threshold. "
            f"Received: {layer.name!r} with {layer.max_value}, {layer.negative_slope} and {layer.threshold}"
        )


def _copy(layer):
    kind = type(layer).__name__
    if kind == "ReLU":
        # The same in the form that the rounding of twins knows.
        return tf_keras.layers.Activation("relu", name=layer.name, dtype="float32")
    config = layer.get_config()
    # dtype explicitly: another policy may be set for the process.
    options = {key: config[key] for key in _CONFIG[kind]}
    copy = getattr(tf_keras.layers, kind)(**options, name=layer.name, dtype="float32")
    if options.get("groups", 1) > 1 and native_kernels.has_grouped_gradient(native_kernels.device(), "float32"):
        # tf_keras, too, compiles grouped convolutions with XLA, which on CPU makes a step 30 times slower.
        copy._jit_compiled_convolution_op = copy.convolution_op
    return copy
