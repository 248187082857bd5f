"""A twin that computes as its int8 file will: which tensors are rounded, and where their scales must agree."""

import numpy as np
import tf_keras

from odtf.finetune.quantizers import ActivationQuantizer, LayerQuantization, SharedRange, weight_quantizer
from odtf.finetune.stage import Stage
from odtf.finetune.tfmot import tfmot
from odtf.finetune.twin import is_shift

_KERNELS = {"Conv2D": "kernel", "DepthwiseConv2D": "depthwise_kernel", "Dense": "kernel"}
# A device moves or compares codes there, and rounds nothing.
_PASSING = {"Cropping2D", "Flatten", "MaxPooling2D", "Permute", "Reshape", "ZeroPadding2D"}
# It computes there, but in the scale of what comes in.
_KEEPING = {"AveragePooling2D", "Concatenate"}
# Moving averages over some hundred steps.
_DECAY = 0.99


class RoundedTwin(Stage):
    """A twin that learns to be rounded.

    Its batch normalisations keep the statistics they have, as in the file, where they are folded; their factors and
    offsets go on learning. So what trains is what will run.

    Args:
        twin, images, preserve: as for `quantize`.
    """

    def __init__(self, twin, images, preserve=None):
        model = quantize(twin, images, preserve)
        super().__init__(model)
        for layer in model.layers:
            if isinstance(getattr(layer, "layer", None), tf_keras.layers.BatchNormalization):
                layer.layer.trainable = False


def quantize(twin, images, preserve=None):
    """Lets a twin round its kernels and activations as the int8 file will, with gradients that pass straight through.

    A tensor is rounded where a device writes it: after a convolution with its batch normalisation and ReLU, a sum with
    its ReLU, a mean, a concatenation. What a concatenation joins shares its scale, so that nothing is rounded twice;
    a shift keeps the scale of what it moves, so that nothing is lost. TFMOT's default scheme rounds twice there, gives
    the channels of a depthwise kernel one scale, and leaves the kernel of a convolution unrounded that ReLU follows
    without a batch normalisation: so the scheme is this one, in TFMOT's wrappers.

    Args:
        twin: `tf_keras.Model` as `twin_of` gives it; it becomes part of the result and must not be used further.
        images: float32 `[n, height, width, channels]`, normalised: the ranges of activations start from them.
        preserve: None, "zeros" or "clusters", see `weight_quantizer`.

    Returns:
        `tf_keras.Model` from normalised images to logits, trainable.
    """
    written = [layer for layer in twin.layers[1:] if _is_written(layer)]
    ranges = _ranges(twin, written, images)
    outputs = {}
    for group in _same_scale(written):
        lows, highs = zip(*(ranges[layer.name] for layer in group), strict=True)
        shared = SharedRange(min(lows), max(highs))
        # The range follows the tensor that holds the values of all of them.
        leader = max(reversed(group), key=lambda layer: np.ptp(ranges[layer.name]))
        for layer in group:
            # What enters the network has a range by nature.
            follows = layer is leader and layer.name != "input"
            outputs[layer.name] = ActivationQuantizer(shared, _DECAY if follows else 1.0)

    def wrapped(layer):
        attribute = None if is_shift(layer) else _KERNELS.get(_kind(layer))
        weights = weight_quantizer(_kind(layer), preserve) if attribute else None
        config = LayerQuantization(attribute, weights, outputs.get(layer.name))
        return tfmot.quantization.keras.QuantizeWrapperV2(layer, config, name_prefix="")

    return tf_keras.models.clone_model(twin, clone_function=wrapped)


def _kind(layer):
    return type(layer).__name__


def _consumers(layer):
    return [node.outbound_layer for node in layer.outbound_nodes]


def _producers(layer):
    return [producer for node in layer.inbound_nodes for producer in np.ravel(node.inbound_layers)]


def _is_relu(layer):
    return _kind(layer) == "Activation" and layer.get_config()["activation"] == "relu"


def _is_written(layer):
    """Whether a device writes the output of this layer as it is, in a scale of its own."""
    if _kind(layer) in _PASSING:
        return False
    consumers = _consumers(layer)
    if len(consumers) != 1:
        return True
    if _kind(consumers[0]) == "BatchNormalization" and _kind(layer) in _KERNELS:
        return False
    return not (_is_relu(consumers[0]) and _kind(layer) in {*_KERNELS, "Add", "BatchNormalization"})


def _ranges(twin, written, images):
    """The smallest and largest value that each layer gives for the images."""
    taps = tf_keras.Model(twin.input, [layer.output for layer in written])
    outputs = [taps(batch, training=False) for batch in np.array_split(images, max(1, len(images) // 64))]
    return {
        layer.name: (min(np.min(taps[i]) for taps in outputs), max(np.max(taps[i]) for taps in outputs))
        for i, layer in enumerate(written)
    }


def _same_scale(written):
    """Groups the layers whose outputs a device keeps in one scale; each group in order, most of a single layer."""
    groups = {layer.name: [layer] for layer in written}
    for layer in written:
        if _kind(layer) not in _KEEPING and not is_shift(layer):
            continue
        joined = [groups[producer.name] for producer in map(_writer, _producers(layer))]
        members = {member.name for group in joined for member in group} | {layer.name}
        merged = [member for member in written if member.name in members]
        groups |= dict.fromkeys(members, merged)
    return list({id(group): group for group in groups.values()}.values())


def _writer(layer):
    """The layer that wrote what this one passes on."""
    while _kind(layer) in _PASSING:
        (layer,) = _producers(layer)
    return layer
