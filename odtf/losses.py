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


def check_smoothing(label_smoothing):
    """Raises ValueError unless `label_smoothing` lies in [0, 1); returns it as a float."""
    if not 0.0 <= label_smoothing < 1.0:
        raise ValueError(f"Label smoothing must lie in [0, 1). Received: label_smoothing={label_smoothing}.")
    return float(label_smoothing)


def cross_entropy(labels, logits, label_smoothing=0.0):
    """Softmax cross entropy, one value per example.

    Args:
        labels: integer tensor `[batch]`, class ids; or float tensor `[batch, classes]`, distributions.
        logits: float tensor `[batch, classes]`.
        label_smoothing: float in [0, 1); this share of the target mass is spread evenly over all classes.

    Returns:
        float32 tensor `[batch]`, in nats.

    Raises:
        ValueError: if `label_smoothing` is outside [0, 1), or distributions are of other classes.

    Reference:
        Label smoothing: Szegedy et al., "Rethinking the Inception Architecture for Computer Vision", 2016.
    """
    label_smoothing = check_smoothing(label_smoothing)
    log_p = _log_softmax(logits)
    if ops.ndim(labels) == len(log_p.shape):
        hit = ops.sum(distribution(labels, log_p.shape[-1]) * log_p, axis=-1)
    else:
        hit = ops.take_along_axis(log_p, ops.expand_dims(ops.cast(labels, "int32"), -1), axis=-1)[..., 0]
    if label_smoothing == 0.0:
        return -hit
    return -(1.0 - label_smoothing) * hit - label_smoothing * ops.mean(log_p, axis=-1)


def distribution(labels, num_classes, dtype="float32"):
    """Returns labels as distributions over the classes.

    Args:
        labels: integer tensor `[batch]`; or `[batch, num_classes]`, distributions already.
        num_classes: int.
        dtype: of the result.

    Returns:
        float tensor `[batch, num_classes]`.

    Raises:
        ValueError: if distributions are of another number of classes.
    """
    if ops.ndim(labels) == 1:
        return ops.one_hot(labels, num_classes, dtype=dtype)
    if labels.shape[-1] != num_classes:
        raise ValueError(
            f"Labels are class ids [batch], or distributions over the {num_classes} classes. "
            f"Received: labels of shape {tuple(labels.shape)}."
        )
    return ops.cast(labels, dtype)


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


def squared_difference(teacher_features, student_features):
    """Mean squared difference of two feature tensors of one shape, one value per example.

    Args:
        teacher_features: float tensor `[batch, ...]`; gradients flow into it unless the caller stops them.
        student_features: float tensor of the same shape.

    Returns:
        float32 tensor `[batch]`, the mean over all other axes.

    Raises:
        ValueError: if the shapes differ.
    """
    if tuple(teacher_features.shape[1:]) != tuple(student_features.shape[1:]):
        raise ValueError(
            "Features are compared in one shape. Received: "
            f"{tuple(teacher_features.shape[1:])} and {tuple(student_features.shape[1:])}."
        )
    difference = ops.cast(teacher_features, "float32") - ops.cast(student_features, "float32")
    return ops.mean(ops.square(difference), axis=tuple(range(1, len(difference.shape))))


def probabilistic_knowledge_transfer(teacher_features, student_features):
    """Divergence of how two networks see the examples of a batch relative to each other, one value per example.

    Each network gives every example i a distribution p(i, j) over the examples of the batch, itself included: a kernel
    of the features, normalised by row. The loss is the symmetric (Jeffreys) divergence (p - q)(ln p - ln q), as a mean
    over j, for the kernels (1 + cos(x_i, x_j)) / 2 and 1 / (1 + |x_i - x_j|) together. It compares relations, so that
    the widths of the networks need not agree; it depends on the size of the batch, of each replica's share of it.

    Args:
        teacher_features: float tensor `[batch, features]`; gradients flow into it unless the caller stops them.
        student_features: float tensor `[batch, other features]`.

    Returns:
        float32 tensor `[batch]`, non-negative.

    Reference:
        Passalis, Tefas, "Learning Deep Representations with Probabilistic Knowledge Transfer", ECCV 2018; the two
        kernels and the symmetric form are those of the released code of InDistill (gsarridis/InDistill).
    """
    loss = 0.0
    for kernel in (_cosine_kernel, _student_t_kernel):
        log_p, log_q = (_log_rows(kernel(ops.cast(x, "float32"))) for x in (teacher_features, student_features))
        loss = loss + ops.mean((ops.exp(log_p) - ops.exp(log_q)) * (log_p - log_q), axis=-1)
    return loss


def _cosine_kernel(x):
    # The norm's epsilon is 1e-6, as released: a vector of zeros gets gradients of that scale and no larger.
    x = x * ops.rsqrt(ops.sum(ops.square(x), axis=-1, keepdims=True) + 1e-12)
    return (1.0 + ops.matmul(x, ops.transpose(x))) / 2.0


def _student_t_kernel(x):
    # Differences rather than |a|^2 + |b|^2 - 2ab, which cancels where examples are close; batches are small.
    squares = ops.sum(ops.square(ops.expand_dims(x, 1) - ops.expand_dims(x, 0)), axis=-1)
    return 1.0 / (1.0 + ops.sqrt(squares + 1e-6))


def _log_rows(kernel):
    # Signed features can be opposite; their cosine kernel is 0, and its logarithm must stay finite.
    kernel = ops.maximum(kernel, 1e-7)
    return ops.log(kernel / ops.sum(kernel, axis=-1, keepdims=True))
