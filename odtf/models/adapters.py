"""Adapters: what brings the channels of a student's map to those of its teacher, in training alone."""

from __future__ import annotations

import keras

from odtf.layers import BatchNormalization, Conv2D
from odtf.models.convolution import EPSILON, MOMENTUM
from odtf.models.generator_pieces import kernel_normal, scale_normal


def channel_adapter(
    student: keras.KerasTensor,
    teacher: keras.KerasTensor,
    *,
    seed: int = 0,
    name: str = "adapter",
    synchronized: bool = False,
) -> keras.Model:
    """Builds a 1x1 convolution from the student's channels to the teacher's, without bias, then batch norm and ReLU.

    It is trained with the student and never deployed. A method calls it with `training=True` in evaluation too: the
    released code leaves its normalisation at the statistics of the batch.

    Args:
        student, teacher: KerasTensors `[batch, height, width, channels]`, of one height and width.
        seed: integer that every random weight follows from: kernel N(0, 0.02), scale N(1, 0.02).
        name: name of the model.
        synchronized: whether batch normalisation takes its statistics over all replicas.

    Returns:
        Functional `keras.Model` from the student's map to one of the teacher's shape.

    Raises:
        ValueError: if the maps differ in height or width.

    Reference:
        Ren, Wu, Xiao, Yang, "Online Multi-Granularity Distillation for GAN Compression", 2021; released code,
        github.com/bytedance/OMGD.
    """
    if student.shape[1:3] != teacher.shape[1:3]:
        raise ValueError(
            "An adapter changes the channels of a map alone: student and teacher need maps of one height and width. "
            f"Received: {tuple(student.shape[1:3])} and {tuple(teacher.shape[1:3])}"
        )
    inputs = keras.Input(student.shape[1:], dtype=student.dtype)
    x = Conv2D(teacher.shape[-1], 1, kernel_initializer=kernel_normal(seed), name="conv")(inputs)
    norm = BatchNormalization(
        momentum=MOMENTUM,
        epsilon=EPSILON,
        gamma_initializer=scale_normal(seed + 1),
        synchronized=synchronized,
        name="norm",
    )
    return keras.Model(inputs, keras.layers.ReLU(name="relu")(norm(x)), name=name)
