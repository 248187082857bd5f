"""Attention transfer: its loss against numpy, maps of other sizes, the teacher as a constant."""

import numpy as np
import pytest
import tensorflow as tf

from odtf import models
from odtf.methods.attention_transfer import pooled
from tests.methods.conftest import make_method
from tests.methods.numpy_losses import cross_entropy, divergence, moved, random_outputs, total


def attention(features):
    a = (features**2).mean(-1).reshape(len(features), -1)
    return a / np.linalg.norm(a, axis=-1, keepdims=True)


@pytest.mark.parametrize("alpha", [0.0, 0.9])
def test_whole_loss_against_numpy(alpha):
    method = make_method("AttentionTransfer", alpha=alpha, temperature=4.0)
    labels, z, outputs = random_outputs(method, ["peer_0", "teacher"])
    rng = np.random.default_rng(5)
    expected = (1 - alpha) * cross_entropy(labels, z["peer_0"]) + alpha * divergence(z["teacher"], z["peer_0"], 4.0)
    for level, size in (("stage1", 8), ("stage2", 4), ("stage3", 2)):
        student, teacher = rng.normal(size=(8, size, size, 4)), rng.normal(size=(8, 2 * size, 2 * size, 6))
        outputs["peer_0"][level] = tf.constant(student, "float32")
        outputs["teacher"][level] = tf.constant(teacher, "float32")
        smaller = teacher.reshape(8, size, 2, size, 2, 6).mean((2, 4))
        expected += 1000 * ((attention(student) - attention(smaller)) ** 2).mean()
    assert total(method, labels, outputs) == pytest.approx(expected, rel=1e-5)


def test_maps_are_pooled_to_the_smaller_one():
    first, second = tf.random.normal((1, 8, 8, 3)), tf.random.normal((1, 4, 4, 5))
    for pair in (pooled(first, second), pooled(second, first)[::-1]):
        assert [tuple(x.shape) for x in pair] == [(1, 4, 4, 3), (1, 4, 4, 5)]
    with pytest.raises(ValueError, match=r"\(8, 8\) and \(6, 6\)"):
        pooled(first, tf.zeros((1, 6, 6, 1)))


def test_the_teacher_is_a_constant(batch):
    method = make_method("AttentionTransfer", alpha=0.9)
    method.teacher.trainable = True
    parts = {"teacher": method.teacher, "student": method.peers["peer_0"]}
    for term in ("peer_0/attention_stage1", "peer_0/attention_stage3", "peer_0/distillation"):
        assert moved(method, batch, term, parts) == {"teacher": False, "student": True}


def test_the_student_alone_is_deployed(batch):
    method = make_method("AttentionTransfer")
    deployed = models.deploy(method.peers["peer_0"])
    np.testing.assert_allclose(deployed(batch[0]), method(batch[0])["peer_0"]["logits"], atol=1e-5)
    assert len(deployed.weights) == len(make_method("Solo").peers["peer_0"].weights)


def test_the_teacher_needs_the_students_taps():
    teacher = models.deploy(models.cifar_resnet((8, 8, 1), 10, depth=8, width=4))
    with pytest.raises(ValueError, match=r"teacher has no maps.*'stage1'"):
        make_method("AttentionTransfer", teacher=teacher)


def test_bad_arguments():
    with pytest.raises(ValueError, match="beta=-1"):
        make_method("AttentionTransfer", beta=-1)
    with pytest.raises(ValueError, match=r"lie in \[0, 1\]"):
        make_method("AttentionTransfer", alpha=2)
