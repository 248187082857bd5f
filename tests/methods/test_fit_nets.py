"""FitNets: its losses in one stage and in two against numpy, its regressor, what each stage moves."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from odtf import models
from odtf.methods.fit_nets import HINT, make_regressor
from odtf.methods.shared.frozen_teacher import STUDENT
from tests.methods.conftest import make_method
from tests.methods.numpy_losses import at_epoch, cross_entropy, divergence, moved, random_outputs, total


def outputs_with_maps(method):
    labels, z, outputs = random_outputs(method, ["peer_0", "teacher"])
    rng = np.random.default_rng(7)
    hint, regressed = rng.normal(size=(2, 8, 4, 4, 6))
    outputs["teacher"]["stage2"] = tf.constant(hint, "float32")
    outputs["peer_0"]["regressed"] = tf.constant(regressed, "float32")
    return labels, z, outputs, (hint - regressed) ** 2


def test_whole_loss_in_one_stage():
    method = make_method("FitNets")
    labels, z, outputs, error = outputs_with_maps(method)
    expected = cross_entropy(labels, z["peer_0"]) + 100 * error.mean()
    assert total(method, labels, outputs) == pytest.approx(expected, rel=1e-5)
    method = make_method("FitNets", alpha=0.5, hint_weight=3.0)
    expected = cross_entropy(labels, z["peer_0"]) + 3 * error.mean()
    expected += 0.5 * divergence(z["teacher"], z["peer_0"], 4.0)
    assert total(method, labels, outputs) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(("epoch", "weight"), [(2, 4.0), (4, 2.5), (6, 1.0), (9, 1.0)])
def test_whole_loss_in_two_stages(epoch, weight):
    method = make_method("FitNets", hint_epochs=2, alpha=1.0, alpha_start=4.0, anneal_epochs=4, temperature=3.0)
    at_epoch(method, epoch)
    labels, z, outputs, error = outputs_with_maps(method)
    assert method.phase == HINT
    assert total(method, labels, outputs) == pytest.approx(0.5 * error.sum() / 8, rel=1e-5)
    method.begin_epoch(epoch)
    assert method.phase == STUDENT
    del outputs["peer_0"]["regressed"]
    expected = cross_entropy(labels, z["peer_0"]) + weight * divergence(z["teacher"], z["peer_0"], 3.0)
    assert total(method, labels, outputs) == pytest.approx(expected, rel=1e-5)


def test_the_hint_trains_the_student_up_to_it_and_the_regressor(batch):
    method = make_method("FitNets", hint_epochs=1)
    method.compile(keras.optimizers.SGD(1e-3), weight_decay=0.1, steps_per_epoch=1)
    student, teacher = method.peers["peer_0"].trainable_variables, method.teacher.variables
    before = {id(v): v.numpy() for v in (*student, *teacher)}
    method.step((tf.constant(batch[0]), tf.constant(batch[1])))
    changed = {id(v): not np.array_equal(before[id(v)], v.numpy()) for v in (*student, *teacher)}
    assert not any(changed[id(v)] for v in teacher)
    # Beyond the hint there is no gradient, and so no weight decay.
    assert {v.path for v in student if not changed[id(v)]} == {
        v.path for v in student if "stage3" in v.path or "logits" in v.path
    }

    method.begin_epoch(1)
    before = [v.numpy() for v in method.regressor.variables]
    method.step((tf.constant(batch[0]), tf.constant(batch[1])))
    for old, new in zip(before, method.regressor.variables, strict=True):
        np.testing.assert_array_equal(old, new.numpy())


def test_the_teacher_is_a_constant(batch):
    method = make_method("FitNets", alpha=0.5)
    parts = {"teacher": method.teacher, "student": method.peers["peer_0"], "regressor": method.regressor}
    method.teacher.trainable = True
    assert moved(method, batch, "peer_0/hint", parts) == {"teacher": False, "student": True, "regressor": True}
    assert moved(method, batch, "peer_0/distillation", parts)["teacher"] is False


@pytest.mark.parametrize(
    ("student", "teacher", "kernel"),
    [
        ((8, 8, 4), (8, 8, 6), (1, 1, 4, 6)),
        ((8, 8, 4), (4, 4, 6), (3, 3, 4, 6)),
        ((4, 4, 4), (8, 8, 6), (4, 4, 6, 4)),
        ((8, 8, 4), (6, 6, 6), (3, 3, 4, 6)),
    ],
)
def test_regressors(student, teacher, kernel):
    regressor = make_regressor(keras.Input(student), keras.Input(teacher), False, seed=0)
    assert regressor.output.shape[1:] == teacher
    assert tuple(regressor.get_layer("regressor").kernel.shape) == kernel
    # A bias, and the scale and offset of batch normalisation.
    assert len(regressor.trainable_variables) == 4


def test_a_transposed_regressor_is_not_off_by_a_pixel():
    """A student's pixel lands on the four middle ones of the 4x4 kernel around it: padding 1 on every side."""
    regressor = make_regressor(keras.Input((4, 4, 1)), keras.Input((8, 8, 1)), False, seed=0)
    layer = regressor.get_layer("regressor")
    layer.kernel.assign(np.arange(16.0).reshape(4, 4, 1, 1))
    image = np.zeros((1, 4, 4, 1), "float32")
    image[0, 1, 1] = 1
    np.testing.assert_array_equal(layer(image)[0, 1:5, 1:5, 0], np.arange(16.0).reshape(4, 4))


def test_the_regressor_is_not_deployed(batch):
    method = make_method("FitNets")
    deployed = models.deploy(method.peers["peer_0"])
    np.testing.assert_allclose(deployed(batch[0]), method(batch[0])["peer_0"]["logits"], atol=1e-5)
    assert len(deployed.weights) == len(make_method("Solo").peers["peer_0"].weights)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hint": "stage9"}, "maps stage1, stage2, stage3.*'stage9'"),
        ({"hint_weight": -1.0}, "hint_weight must not be negative"),
        ({"alpha_start": 4.0}, "belong together"),
        ({"teacher": None}, "neither"),
    ],
)
def test_bad_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        make_method("FitNets", **options)


def test_a_smaller_map_cannot_be_regressed():
    with pytest.raises(ValueError, match=r"\(3, 3\) and \(8, 8\)"):
        make_regressor(keras.Input((3, 3, 1)), keras.Input((8, 8, 1)), False, seed=0)
