"""Spirit Distillation: the loss of imitation against numpy, what moves in which stage, and a resume in each of them."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from odtf import data, models
from odtf.data.joined_stores import Unlabelled
from odtf.methods.spirit_distillation import SpiritDistillation
from odtf.models import heads
from odtf.models.halves import CUT
from odtf.tasks import find as find_task

SHAPE, CLASSES = (32, 32, 3), 5
SPEC = {
    "name": "deeplab_v3",
    "backbone": {"name": "resnet8", "conv": "standard", "width": (4, 6, 8)},
    "width": 8,
    "rates": (1, 2),
}
COMPACT = {**SPEC, "cheap": {"conv": "depthwise", "where": ("stage1_*", "stage2_*")}}
# An epoch of each stage behind the teacher's.
STAGES = {"imitation_epochs": 1, "statistics_epochs": 1, "frozen_epochs": 1}
IMITATION, STATISTICS, PARTLY_FROZEN, ALL = range(4)


def network(spec, *, seed, name, synchronized=False):
    head = heads.Pixels(CLASSES, tap="logits")
    return models.build(spec, SHAPE, head, seed=seed, name=name, synchronized=synchronized, output="logits")


def make(rate=0.1, decay=0.0, synchronized=False, seed=0, eager=False, **options):
    student = functools.partial(network, COMPACT, synchronized=synchronized)
    options = {"cut": "stage2", **STAGES, **options}
    if "teacher_epochs" in options:
        options["teacher_network"] = functools.partial(network, SPEC, synchronized=synchronized)
    else:
        options["teacher"] = network(SPEC, seed=5, name="teacher")
    task = find_task("segmentation")()
    method = SpiritDistillation(student, task=task, synchronized=synchronized, seed=seed, **options)
    method.compile(keras.optimizers.SGD(rate, momentum=0.9), weight_decay=decay, steps_per_epoch=1, run_eagerly=eager)
    return method


def scenes(count=4):
    random = np.random.default_rng(0)
    images = random.normal(size=(count, *SHAPE)).astype("float32")
    return images, random.integers(0, CLASSES, (count, *SHAPE[:2])).astype("uint8")


def fit(method, epochs, start=0):
    """A step of each epoch; returns what was logged."""
    iterator, logs = iter(tf.data.Dataset.from_tensors(scenes()).repeat()), []
    for epoch in range(start, start + epochs):
        method.begin_epoch(epoch)
        logs.append({key: float(value) for key, value in method.step_function(iterator).items()})
    return logs


def values(variables):
    return {v.path: v.numpy() for v in variables}


def moved(before, variables):
    """Paths of the variables that are others than they were."""
    return {v.path for v in variables if not np.array_equal(before[v.path], v.numpy())}


def test_imitation_is_the_mean_of_squares_and_asks_for_no_labels():
    method, (images, _) = make(imitation_weight=3.0), scenes()
    method.begin_epoch(IMITATION)
    outputs = method(images, training=True)
    student, teacher = (outputs[name][CUT].numpy() for name in ("peer_0", "teacher"))
    # The teacher's statistics do not follow the batch; the student's map is that of the batch.
    np.testing.assert_array_equal(teacher, method.teacher(images, training=False)["stage2"])
    terms = method.loss_terms(None, outputs)
    assert set(terms) == {"peer_0/imitation"}
    expected = 3.0 * ((student - teacher) ** 2).reshape(len(images), -1).mean(1)
    np.testing.assert_allclose(terms["peer_0/imitation"], expected, rtol=1e-5)


def test_no_gradient_of_imitation_reaches_a_teacher_that_was_trained_here():
    method, (images, labels) = make(teacher_epochs=1), scenes()
    method.begin_epoch(1)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(sum(method.loss_terms(labels, method(images, training=True)).values()))
    assert method.teacher.trainable_variables
    assert all(g is None for g in tape.gradient(loss, [v.value for v in method.teacher.trainable_variables]))


@pytest.mark.parametrize("frozen", ["front", "rear"])
def test_which_variables_move_in_which_stage(frozen):
    """With a decay and a momentum, which move nothing that waits."""
    method = make(decay=0.1, frozen=frozen)
    front, rear = method.student.front, method.student.rear
    weights = {part: {v.path for v in part.trainable_variables} for part in (front, rear)}
    statistics = {part: {v.path for v in part.non_trainable_variables if "moving" in v.path} for part in (front, rear)}
    other = {"front": rear, "rear": front}[frozen]
    both = statistics[front] | statistics[rear]
    expected = {
        IMITATION: weights[front] | statistics[front],
        STATISTICS: both,
        PARTLY_FROZEN: weights[other] | statistics[other],
        ALL: weights[front] | weights[rear] | both,
    }
    teacher = values(method.teacher.variables)
    for stage, names in expected.items():
        method.begin_epoch(stage)  # As the loop does; what enters with it is not the step's.
        before = values(method.peers["peer_0"].variables)
        images, labels = scenes()
        method.step((tf.constant(images), tf.constant(labels)))
        assert moved(before, method.peers["peer_0"].variables) == names, stage
    assert not moved(teacher, method.teacher.variables)


@pytest.mark.parametrize("new_answer", [False, True])
def test_the_rear_takes_the_weights_of_the_teacher(new_answer):
    method = make(teacher_epochs=1, new_answer=new_answer, eager=True)
    fresh = values(method.student.rear.variables)
    fit(method, 1)
    assert not moved(fresh, method.student.rear.variables)
    method.begin_epoch(1)
    teacher = values(method.taught.rear.variables)
    others = moved(teacher, method.student.rear.variables)
    assert others == ({"logits_small/kernel", "logits_small/bias"} if new_answer else set())
    if new_answer:
        assert "logits_small/kernel" not in moved(fresh, method.student.rear.variables)


def test_statistics_become_those_of_the_images():
    """After many steps the moving mean of the first normalisation is the mean of what its convolution gives."""
    method, (images, _) = make(statistics_epochs=100, imitation_epochs=0), scenes()
    fit(method, 100)
    stem = keras.Model(method.peers["peer_0"].input, method.peers["peer_0"].get_layer("stem").output)(images)
    found = method.peers["peer_0"].get_layer("stem_norm").moving_mean
    np.testing.assert_allclose(found, np.mean(stem, (0, 1, 2)), atol=1e-3)


def test_stages_and_terms():
    method = make(teacher_epochs=1, frozen_epochs=2, eager=True)
    assert [method.phase_at(epoch) for epoch in range(7)] == [0, 1, 2, 3, 3, 4, 4]
    logs = fit(method, 6)
    terms = [{key for key in line if "/" in key and not key.endswith("accuracy")} for line in logs]
    supervised = {"peer_0/supervised"}
    assert terms == [{"teacher/supervised"}, {"peer_0/imitation"}, supervised, supervised, supervised, supervised]


def step_eagerly(method, epochs, start=0):
    images, labels = (tf.constant(x) for x in scenes())
    for epoch in range(start, start + epochs):
        method.begin_epoch(epoch)
        method.step((images, labels))


def test_a_resume_in_every_stage_is_bit_equal():
    """A method goes on from what another one had when the stage was over, and ends where the whole run does."""
    whole = make(teacher_epochs=1, seed=3)
    for stop in range(5):
        resumed = make(teacher_epochs=1, seed=9)
        pairs = [
            *zip(whole.variables, resumed.variables, strict=True),
            *zip(whole.optimizer.variables, resumed.optimizer.variables, strict=True),
        ]
        for old, new in pairs:
            new.assign(old)
        step_eagerly(whole, 1, start=stop)
        step_eagerly(resumed, 1, start=stop)
        for old, new in pairs:
            np.testing.assert_array_equal(old.numpy(), new.numpy(), err_msg=f"{stop} {old.path}")


def mixed():
    """Batches of the scenes, of which an epoch is one; in the imitation three images without labels join them."""
    random, targets = np.random.default_rng(1), {"mask": data.Target(None, "uint8", "nearest", 255)}

    def split(count):
        images = random.integers(0, 256, (count, *SHAPE)).astype("uint8")
        masks = random.integers(0, CLASSES, (count, *SHAPE[:2]))
        return data.Split(data.MemoryStore(images, {"mask": masks}, targets))

    names, constants = tuple(map(str, range(CLASSES))), ((0.5,) * 3, (0.3,) * 3)
    dataset = data.ImageDataset("scenes", names, SHAPE, *constants, {"train": split(4)})
    others = split(3)
    domain = data.Domain("others", data.Split(Unlabelled(others.store, targets), others.rows), (1, 2), labels=False)
    return data.TrainPipeline(dataset, batch_size=4, seed=0, domains=[domain])


def test_one_replica_is_two_in_every_stage(mirrored):
    found, pipeline = [], mixed()
    masks = np.concatenate([pipeline.batch(step)[1] for step in range(5)])
    assert [255 in mask for mask in np.split(masks, 5)] == [False, True, False, False, False]
    for strategy in (tf.distribute.get_strategy(), mirrored):
        replicas = strategy.num_replicas_in_sync

        def dataset(context=None, replicas=replicas):
            return pipeline.dataset(0, tuple(range(replicas)), replicas)

        with strategy.scope():
            method = make(rate=0.05, decay=0.01, synchronized=True, eager=True, teacher_epochs=1)
            iterator = iter(strategy.distribute_datasets_from_function(dataset) if replicas > 1 else dataset())
            for epoch in range(5):
                method.begin_epoch(epoch)
                method.step_function(iterator)
            found.append({f"{i} {v.path}": v.numpy() for i, v in enumerate(method.variables)})
    for path, value in found[0].items():
        np.testing.assert_allclose(found[1][path], value, atol=2e-4, rtol=1e-3, err_msg=path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"imitation_epochs": -1}, "imitation_epochs must be an integer"),
        ({"frozen": "none"}, "frozen is 'front' or 'rear'"),
        ({"imitation_weight": 0.0}, "must be positive"),
        ({"cut": "stage1_conv1"}, "all of its answer"),
        ({"cut": "stage1"}, "the layers of the teacher.*stage2_conv1"),
        ({"teacher": network({**SPEC, "width": 6}, seed=0, name="other")}, "the layers of the teacher"),
    ],
)
def test_bad_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        SpiritDistillation(
            functools.partial(network, COMPACT),
            **{"teacher": network(SPEC, seed=5, name="teacher"), "cut": "stage2", **STAGES, **options},
            task=find_task("segmentation")(),
        )
