"""Losses of features: maps and vectors of two networks, example by example."""

from __future__ import annotations

from keras import ops

from odtf.losses.tensors import Tensor


def attention_map(features: Tensor) -> Tensor:
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


def unit_norm(vectors: Tensor) -> Tensor:
    """Divides every row by its L2 norm; rows of zeros stay zeros.

    Args:
        vectors: float tensor `[batch, size]`.

    Returns:
        float32 tensor `[batch, size]`.
    """
    vectors = ops.cast(vectors, "float32")
    # The bound stands inside the root: the gradient at a row of zeros is finite.
    return vectors * ops.rsqrt(ops.maximum(ops.sum(ops.square(vectors), axis=-1, keepdims=True), 1e-24))


def attention_transfer(teacher_features: Tensor, student_features: Tensor) -> Tensor:
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


def squared_difference(teacher_features: Tensor, student_features: Tensor) -> Tensor:
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
