"""Parts of feature fusion: the fusion module, and trunk, branches and module as one network.

Kim, Hyun, Chung, Kwak, "Feature Fusion for Online Mutual Knowledge Distillation", arXiv 1904.09058, ICPR 2020;
released code: Jangho-Kim/FFL-pytorch. FFSD (arXiv 2103.14473) uses the same module for any number of students.
"""

import math

import keras
import numpy as np
from keras import layers

from odtf.layers import BatchNormalization, Conv2D, DepthwiseConv2D
from odtf.layers.initializers import linear_uniform
from odtf.methods.shared.peers import peer_seed, stages_of


def fusion_module(maps, num_classes, *, seed, synchronized=False, name="fusion"):
    """Builds concat -> depthwise 3x3 -> BN -> ReLU -> conv 1x1 -> BN -> ReLU -> GAP -> dense.

    Args:
        maps: list of KerasTensors `[batch, height, width, channels]` as the networks have them before pooling. The
            fused map has the channels of the first. Maps of a larger resolution are brought to the smallest one by a
            convolution with a stride: the paper only says that a regressor does it, its form is a DESIGN CHOICE.
        num_classes: int.
        seed: int, seeds every layer.
        synchronized: bool, whether batch normalisation spans all replicas.
        name: name of the module, and prefix of its layers.

    Returns:
        `keras.Model` from a list of such maps to "map" `[batch, height, width, channels]`, "embedding" and "logits".

    Raises:
        ValueError: if a resolution is no multiple of the smallest.
    """
    inputs = [keras.Input(each.shape[1:]) for each in maps]
    size = min(tuple(each.shape[1:3]) for each in maps)
    aligned = [
        _regressor(x, size, peer_seed(seed, 10 + i), synchronized, name=f"{name}_regressor{i}")
        for i, x in enumerate(inputs)
    ]
    x = layers.Concatenate(name=f"{name}_concatenate")(aligned)
    fused = separable(x, maps[0].shape[-1], seed=seed, synchronized=synchronized, name=name)
    embedding = layers.GlobalAveragePooling2D(name=f"{name}_embedding")(fused)
    logits = linear(embedding, num_classes, seed=peer_seed(seed, 2), name=f"{name}_logits")
    return keras.Model(inputs, {"map": fused, "embedding": embedding, "logits": logits}, name=name)


def expansion_head(maps, *, seed, synchronized=False, name="trans_fusion"):
    """Builds depthwise 3x3 -> BN -> ReLU -> conv 1x1 -> BN -> ReLU, from one map to the channels of all of them.

    Args:
        maps: list of KerasTensors `[batch, height, width, channels]`; the input has the shape of the first.
        seed: int, seeds every layer.
        synchronized: bool, whether batch normalisation spans all replicas.
        name: name of the head, and prefix of its layers.

    Returns:
        `keras.Model` from a map to one with the sum of the channels.
    """
    inputs = keras.Input(maps[0].shape[1:])
    filters = sum(each.shape[-1] for each in maps)
    return keras.Model(inputs, separable(inputs, filters, seed=seed, synchronized=synchronized, name=name), name=name)


def separable(x, filters, *, seed, synchronized, name):
    """Applies depthwise 3x3 -> BN -> ReLU -> conv 1x1 to `filters` channels -> BN -> ReLU, without biases."""
    # The released initialisation is by fan-out, which counts all output channels also for a depthwise kernel.
    depthwise = DepthwiseConv2D(
        3, depthwise_initializer=_fan_out(3, x.shape[-1], peer_seed(seed, 0)), name=f"{name}_depthwise"
    )
    pointwise = Conv2D(
        filters, 1, kernel_initializer=_fan_out(1, filters, peer_seed(seed, 1)), name=f"{name}_pointwise"
    )
    x = normalized(depthwise(x), synchronized, name=f"{name}_depthwise")
    return normalized(pointwise(x), synchronized, name=f"{name}_pointwise")


def normalized(x, synchronized, *, name):
    """Applies batch normalisation, as the published recipes have it, and ReLU."""
    norm = BatchNormalization(momentum=0.9, epsilon=1e-5, synchronized=synchronized, name=f"{name}_norm")
    return layers.Activation("relu", name=f"{name}_relu")(norm(x))


def linear(x, units, *, seed, name):
    """Applies a dense layer with PyTorch's default initialisation, in float32."""
    return layers.Dense(
        units,
        kernel_initializer=linear_uniform(x.shape[-1], seed),
        bias_initializer=linear_uniform(x.shape[-1], peer_seed(seed, 0)),
        dtype="float32",
        name=name,
    )(x)


def _fan_out(kernel_size, filters, seed):
    return keras.initializers.RandomNormal(stddev=math.sqrt(2.0 / (kernel_size**2 * filters)), seed=seed)


def _regressor(x, size, seed, synchronized, *, name):
    if tuple(x.shape[1:3]) == size:
        return x
    strides = x.shape[1] // size[0]
    if tuple(x.shape[1:3]) != (strides * size[0], strides * size[1]):
        raise ValueError(
            "Maps that are fused must have resolutions that are multiples of the smallest. "
            f"Received: {tuple(x.shape[1:3])} and {size}."
        )
    conv = Conv2D(x.shape[-1], 3, strides, kernel_initializer=_fan_out(3, x.shape[-1], seed), name=name)
    return normalized(conv(x), synchronized, name=name)


def last_stage_but_one(network):
    """Returns the name of the tap where a network is cut when its last stage alone is not shared."""
    stages = stages_of(network.output)
    if len(stages) < 2:
        raise ValueError(f"A network that shares all but its last stage needs two stages. Received: taps {stages}.")
    return stages[-2]


def joined(trunk, branches, head, tap, *, name):
    """Builds one network of a trunk, its branches and a head on what they compute; it shares all their weights.

    Its graph is flat, as deployment needs it. The names of its layers must differ, so the layers of every branch but
    the first are renamed in place, to "BRANCH_LAYER".

    Args:
        trunk: `keras.Model` from images to a dict with "cut"; None where branches start from the images.
        branches: list of `keras.Model` from the cut to a dict of taps.
        head: `keras.Model` from a list of one tap of each branch to a dict of taps.
        tap: function from a branch's dict of taps to that tensor.
        name: name of the network.

    Returns:
        Functional `keras.Model` from images to the head's taps.
    """
    for branch in branches[1:]:
        for layer in branch.operations:
            if not isinstance(layer, layers.InputLayer):
                layer.name = f"{branch.name.removesuffix('_branch')}_{layer.name}"
    image = keras.Input((trunk or branches[0]).input.shape[1:], name="image")
    cut = image if trunk is None else _applied(trunk, image)["cut"]
    return keras.Model(image, _applied(head, [tap(_applied(branch, cut)) for branch in branches]), name=name)


def mean_network(trunk, branches, output, shares=None):
    """Builds one network whose answer is the mean of the answers of several; see `joined`.

    Args:
        trunk, branches: as for `joined`.
        output: name of the tap that is a branch's answer, and the network's.
        shares: floats that add up to 1, the weight of each answer; None: all alike.

    Returns:
        Functional `keras.Model` from images to a dict of the one tap.
    """
    answers = [keras.Input(branch.output[output].shape[1:]) for branch in branches]
    if shares is None or np.ptp(shares) == 0:
        mean = layers.Average(name="mean", dtype="float32")(answers)
    else:
        scaled = [
            layers.Rescaling(float(share), name=f"share_{i}", dtype="float32")(answer)
            for i, (share, answer) in enumerate(zip(shares, answers, strict=True))
        ]
        mean = layers.Add(name="mean", dtype="float32")(scaled)
    head = keras.Model(answers, {output: mean}, name="mean_head")
    return joined(trunk, branches, head, lambda taps: taps[output], name="teacher")


def _applied(model, tensors):
    """Returns a model's outputs on other tensors, its layers applied one by one: calling it would nest it."""
    found = {}

    def call(layer, *args, **kwargs):
        found[layer.name] = layer(*args, **kwargs)
        return found[layer.name]

    keras.models.clone_model(model, input_tensors=tensors, clone_function=lambda layer: layer, call_function=call)
    # What no layer computes is the input itself.
    return {name: found.get(tensor._keras_history.operation.name, tensors) for name, tensor in model.output.items()}
