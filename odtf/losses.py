"""Losses: pure functions of logits, features and labels, one value per example.

Nothing is reduced and nothing is detached here: a method says which side of a term is a constant, and the base class
of the methods owns the mean over the batch. All arithmetic is float32, also when the inputs are half precision.
"""

from keras import ops


def _log_softmax(logits, temperature=1.0):
    return ops.log_softmax(ops.cast(logits, "float32") / temperature, axis=-1)


def check_temperature(temperature):
    """Raises ValueError unless `temperature` is a positive number; returns it as a float."""
    if not temperature > 0:
        raise ValueError(f"The temperature must be a positive number. Received: temperature={temperature}.")
    return float(temperature)


def cross_entropy(labels, logits, label_smoothing=0.0):
    """Softmax cross entropy with integer labels, one value per example.

    Args:
        labels: integer tensor `[batch]`, class ids.
        logits: float tensor `[batch, classes]`.
        label_smoothing: float in [0, 1); this share of the target mass is spread evenly over all classes.

    Returns:
        float32 tensor `[batch]`, in nats.

    Raises:
        ValueError: if `label_smoothing` is outside [0, 1).

    Reference:
        Label smoothing: Szegedy et al., "Rethinking the Inception Architecture for Computer Vision", 2016.
    """
    if not 0.0 <= label_smoothing < 1.0:
        raise ValueError(f"Label smoothing must lie in [0, 1). Received: label_smoothing={label_smoothing}.")
    log_p = _log_softmax(logits)
    hit = ops.take_along_axis(log_p, ops.expand_dims(ops.cast(labels, "int32"), -1), axis=-1)[..., 0]
    if label_smoothing == 0.0:
        return -hit
    return -(1.0 - label_smoothing) * hit - label_smoothing * ops.mean(log_p, axis=-1)


def kl_divergence(teacher_logits, student_logits, temperature=1.0):
    """Temperature-scaled KL(teacher || student), one value per example.

    Args:
        teacher_logits: float tensor `[batch, classes]`; gradients flow into it unless the caller stops them.
        student_logits: float tensor `[batch, classes]`.
        temperature: positive float; the result is multiplied by its square, so that gradients keep their scale.

    Returns:
        float32 tensor `[batch]`, non-negative, in nats.

    Raises:
        ValueError: if `temperature` is not positive.

    Reference:
        Hinton, Vinyals, Dean, "Distilling the Knowledge in a Neural Network", 2015.
    """
    temperature = check_temperature(temperature)
    log_t = _log_softmax(teacher_logits, temperature)
    log_s = _log_softmax(student_logits, temperature)
    return temperature**2 * ops.sum(ops.exp(log_t) * (log_t - log_s), axis=-1)


def attention_map(features):
    """Spatial attention: the mean over the channels of the squared activations, flattened.

    Args:
        features: float tensor `[batch, height, width, channels]`.

    Returns:
        float32 tensor `[batch, height * width]`, non-negative.

    Reference:
        Zagoruyko, Komodakis, "Paying More Attention to Attention", 2017, equation 1 with p = 2.
    """
    attention = ops.mean(ops.square(ops.cast(features, "float32")), axis=-1)
    return ops.reshape(attention, (-1, attention.shape[1] * attention.shape[2]))


def unit_norm(vectors):
    """Divides every row by its L2 norm; rows of zeros stay zeros.

    Args:
        vectors: float tensor `[batch, size]`.

    Returns:
        float32 tensor `[batch, size]`.
    """
    vectors = ops.cast(vectors, "float32")
    # The bound stands inside the root: the gradient at a row of zeros is finite.
    return vectors * ops.rsqrt(ops.maximum(ops.sum(ops.square(vectors), axis=-1, keepdims=True), 1e-24))


def attention_transfer(teacher_features, student_features):
    """Mean squared difference of two normalised attention maps, one value per example.

    Args:
        teacher_features: float tensor `[batch, height, width, channels]`; gradients flow into it unless the caller
            stops them.
        student_features: float tensor of the same height and width; its channels may differ.

    Returns:
        float32 tensor `[batch]`, between 0 and 4 / (height * width): a mean over the positions, as in the released
        code, not the sum.

    Raises:
        ValueError: if the maps differ in height or width.

    Reference:
        Zagoruyko, Komodakis, "Paying More Attention to Attention", 2017; released code,
        szagoruyko/attention-transfer, utils.py.
    """
    if teacher_features.shape[1:3] != student_features.shape[1:3]:
        raise ValueError(
            "Attention transfer needs maps of one height and width. Received: "
            f"{tuple(teacher_features.shape[1:3])} and {tuple(student_features.shape[1:3])}."
        )
    difference = unit_norm(attention_map(teacher_features)) - unit_norm(attention_map(student_features))
    return ops.mean(ops.square(difference), axis=-1)
