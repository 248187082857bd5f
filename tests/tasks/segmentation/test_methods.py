"""Every method on segmentation: it learns, or says in one line that it has no meaning there."""

import functools
import inspect

import keras
import numpy as np
import pytest
import tensorflow as tf

from odtf import losses, methods
from odtf.models import heads
from odtf.tasks.segmentation import VOID, Segmentation
from tests.methods.conftest import few_peers, make_method, meaningful
from tests.methods.tiny import least

GENERIC = meaningful("segmentation")
ABOUT_CLASSES = [name for name in meaningful() if name not in GENERIC]
# The class of a pixel follows from its brightness: what a network of two stages learns in some steps.
SHAPE, CLASSES = (10, 14, 1), 3
# One stage keeps the size of the picture, the other has half of it.
network = functools.partial(least, head=heads.Pixels(CLASSES), shape=SHAPE, strides=(1, 2))


def make(name, **options):
    parameters = inspect.signature(getattr(methods, name)).parameters
    if "teacher" in parameters:
        options["teacher"] = network(6, seed=9, name="teacher")
    if name == "SpiritDistillation":  # Behind the skip connections, and equal there.
        options |= {"teacher": network(seed=9, name="teacher"), "cut": 0.9}
    given = {
        "InDistill": {"layers": ("stage1", "stage2"), "layer_epochs": ()},
        "OnlineEnsemble": {"cut": "stem_relu"},
        "PKT": {"tap": "stage1", "labels_weight": 1.0},
        "DGKD": {"teacher_network": functools.partial(network, 6), "share": 0.5},
        "TAKD": {"teacher_network": functools.partial(network, 6)},
        # Its teacher parts from the pacemakers behind the stem, and has one stage more.
        "Pacemaker": {"teacher_network": functools.partial(network, strides=(1, 2, 1))},
    }
    return make_method(name, network=network, task=Segmentation(), **few_peers(name), **given.get(name, {}), **options)


@pytest.fixture(scope="module")
def scenes():
    """Images of three brightnesses in blocks, and their masks with some void."""
    random = np.random.default_rng(0)
    classes = random.integers(0, CLASSES, (8, 5, 7)).repeat(2, axis=1).repeat(2, axis=2).astype("uint8")
    images = (classes[..., None] - 1.0 + random.normal(0, 0.1, (*classes.shape, 1))).astype("float32")
    classes[random.random(classes.shape) < 0.1] = VOID
    return images, classes


def test_those_that_must_work_are_among_them():
    needed = {"Solo", "OfflineDistillation", "DeepMutualLearning", "OnlineDistillationCheap", "OnlineEnsemble"}
    assert needed <= set(GENERIC)


@pytest.mark.parametrize("name", GENERIC)
def test_a_method_learns_masks(name, scenes):
    images, masks = scenes
    method = make(name)
    method.compile(keras.optimizers.SGD(0.2), steps_per_epoch=1)
    step, iterator = method.step_function, iter(tf.data.Dataset.from_tensors(scenes).repeat())
    logs = [step(iterator) for _ in range(40)]
    supervised = [term for term in logs[0] if term.endswith("/supervised")]
    assert supervised and all(np.isfinite(float(value)) for value in logs[-1].values())
    # A teacher that has learned nothing pulls away from the masks.
    learned = ["loss"] if "teacher" in inspect.signature(getattr(methods, name)).parameters else supervised
    assert sum(float(logs[-1][term]) for term in learned) < 0.9 * sum(float(logs[0][term]) for term in learned)
    # The metrics are the task's: traced for one method, they are the same for all.
    method.run_eagerly = name != "DeepMutualLearning"
    values = method.measure(images, masks)
    assert {f"{peer}/miou" for peer in method.peers} <= set(values)
    student = method.students[0]
    answers = method(images)[student]["logits"].numpy().argmax(-1)
    counted = masks != VOID
    assert values[f"{student}/pixel_accuracy"] == pytest.approx(np.mean(answers[counted] == masks[counted]), abs=1e-6)
    assert method.selection == "miou"


@pytest.mark.parametrize("name", ABOUT_CLASSES)
def test_another_says_so(name):
    with pytest.raises(ValueError, match=f"{name} has no meaning outside classification.*'segmentation'") as caught:
        make(name)
    assert "\n" not in str(caught.value)


def test_mutual_learning_is_of_pixels_as_the_formula_says(scenes):
    images, masks = scenes
    method = make("DeepMutualLearning")
    outputs = method(images, training=True)
    first, second = (taps["logits"] for taps in outputs.values())
    terms = method.loss_terms(tf.constant(masks), outputs)
    np.testing.assert_allclose(terms["peer_0/mutual"], losses.pixel_kl(second, first), rtol=1e-5)
    np.testing.assert_allclose(terms["peer_1/supervised"], losses.pixel_cross_entropy(masks, second, VOID), rtol=1e-5)


def test_the_online_teacher_answers_in_the_size_of_the_picture(scenes):
    outputs = make("OnlineDistillationCheap")(scenes[0])
    assert outputs["teacher"]["logits"].shape == outputs["peer_0"]["logits"].shape == (8, 10, 14, CLASSES)
