"""The parts of FFSD's self-distillation: shifted attention, transforms from deep to shallow maps, what they minimise.

Li et al., "Distilling a Powerful Student Model via Online Knowledge Distillation", arXiv 2103.14473; released code:
SJLeo/FFSD, CIFARTrainer.py.
"""

import keras
from keras import layers, ops

from odtf.layers.initializers import linear_uniform
from odtf.losses import attention_map, attention_transfer, unit_norm
from odtf.methods.shared.fusion import normalized
from odtf.methods.shared.peers import peer_seed, stages_of


def transform_model(taps, *, seed, synchronized=False, name="transform"):
    """Builds the way back from the last map: transposed conv 3x3 of stride 2 -> BN -> ReLU, once for every stage.

    Args:
        taps: dict with the KerasTensors "stageN" `[batch, height, width, channels]` of a network.
        seed: int, seeds every layer.
        synchronized: bool, whether batch normalisation spans all replicas.
        name: name of the model, and prefix of its layers.

    Returns:
        `keras.Model` from the last map to a dict of maps, of the names and shapes of all taps before it.

    Raises:
        ValueError: if a stage does not halve the resolution of the one before.
    """
    stages = stages_of(taps)
    x = inputs = keras.Input(taps[stages[-1]].shape[1:])
    outputs = {}
    for i, stage in enumerate(reversed(stages[:-1])):
        height, width, filters = taps[stage].shape[1:]
        if (height, width) != (2 * x.shape[1], 2 * x.shape[2]):
            raise ValueError(
                "Self-distillation needs stages that halve the resolution. "
                f"Received: {tuple(x.shape[1:3])} after {(height, width)}."
            )
        # PyTorch's ConvTranspose2d(stride=2, padding=1, output_padding=1): "same" would crop the other side and shift
        # the map by a pixel. Its default initialisation takes the fan-in from the output channels.
        x = layers.Conv2DTranspose(
            filters,
            3,
            strides=2,
            padding="valid",
            use_bias=False,
            kernel_initializer=linear_uniform(9 * filters, peer_seed(seed, i)),
            name=f"{name}_{stage}",
        )(x)
        x = layers.Cropping2D(((1, 0), (1, 0)), name=f"{name}_{stage}_crop")(x)
        x = outputs[stage] = normalized(x, synchronized, name=f"{name}_{stage}")
    return keras.Model(inputs, outputs, name=name)


def shifted_attention(attention, variant="released"):
    """Turns high attention to low and keeps what is low: what a different student should look at.

    With nb the L2 norm of the attention A, and a = A / nb ("released") or A ("raw"): nb - a where a exceeds its
    floor(positions / 3)-th smallest entry, a below it, nb / 2 at equality.

    Args:
        attention: float tensor `[batch, positions]`.
        variant: "released" or "raw". The former subtracts attention of unit norm from the norm it had before.

    Returns:
        (a, target): float32 tensors `[batch, positions]`.
    """
    attention = ops.cast(attention, "float32")
    norm = ops.norm(attention, axis=-1, keepdims=True)
    a = unit_norm(attention) if variant == "released" else attention
    rank = max(attention.shape[-1] // 3, 1)
    threshold = ops.sort(a, axis=-1)[:, rank - 1 : rank]
    return a, (norm / 2.0 - a) * ops.sign(a - threshold) + norm / 2.0


def attention_diversity(other, features, variant="released"):
    """Mean squared distance of a student's attention from the shifted attention of another, one value per example.

    Args:
        other: float tensor `[batch, height, width, channels]`, the map of the student to differ from.
        features: float tensor of the same shape, the map of the learner.
        variant: see `shifted_attention`; "raw" compares raw attention.

    Returns:
        float32 tensor `[batch]`.
    """
    own = attention_map(features)
    own = unit_norm(own) if variant == "released" else own
    return ops.mean(ops.square(own - shifted_attention(attention_map(other), variant)[1]), axis=-1)


def shift_attention(features, variant="released"):
    """Adds to every channel of a map what shifts its attention.

    Args:
        features: float tensor `[batch, height, width, channels]`.
        variant: see `shifted_attention`.

    Returns:
        float32 tensor of the same shape.
    """
    features = ops.cast(features, "float32")
    attention = attention_map(features)
    a, target = shifted_attention(attention, variant)
    scale = ops.norm(attention, axis=-1, keepdims=True) if variant == "released" else 1.0
    change = (target - a) * scale / features.shape[-1]
    return features + ops.reshape(change, (-1, *features.shape[1:3], 1))


def self_distillation(taps):
    """Attention transfer from the maps that a transform expects, summed over the stages, one value per example.

    Args:
        taps: dict of a network's taps `[batch, height, width, channels]`, with the maps "expected" by name.

    Returns:
        float32 tensor `[batch]`; no gradient flows into what is expected.
    """
    return sum(attention_transfer(ops.stop_gradient(target), taps[tap]) for tap, target in taps["expected"].items())


def reconstruction(taps):
    """Distance of a transform from a network's own shallower maps, summed over the stages, one value per example.

    Args:
        taps: dict of a network's taps `[batch, height, width, channels]`, with the maps "rebuilt" by name.

    Returns:
        float32 tensor `[batch]`; no gradient flows into the network's maps.
    """
    total = 0.0
    for tap, rebuilt in taps["rebuilt"].items():
        target = ops.stop_gradient(taps[tap])
        difference = _flat_unit_norm(rebuilt) - _flat_unit_norm(target)
        total += ops.mean(ops.square(difference), axis=-1) + attention_transfer(target, rebuilt)
    return total


def _flat_unit_norm(features):
    height, width, channels = features.shape[1:]
    return unit_norm(ops.reshape(features, (-1, height * width * channels)))
