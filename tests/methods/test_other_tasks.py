"""Methods in a task that has no classes: what is generic trains, and the rest says that it has no meaning there."""

import functools
import inspect
import typing

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from odtf import methods
from odtf.data import Target
from odtf.metrics import MeanAbsoluteError, Metric
from odtf.tasks import Task
from tests.methods.conftest import few_peers, make_method, meaningful

GENERIC = [name for name in methods.available() if not getattr(methods, name).only]
ABOUT_CLASSES = [name for name in meaningful() if name not in GENERIC]


class Depth(Task):
    """A number for every pixel."""

    name = "depth"
    output = "depth"
    targets: typing.ClassVar[dict] = {"depth": Target(shape=None, dtype="float32", spatial="nearest")}
    metrics: typing.ClassVar[dict] = {"error": MeanAbsoluteError()}

    def supervised(self, targets, output):
        return ops.mean(ops.abs(targets - output), axis=(1, 2, 3))

    def distil(self, teacher, student, temperature=1.0):
        return ops.mean(ops.square(teacher - student), axis=(1, 2, 3))


def network(widths=(4, 6), *, seed, name, synchronized=False):
    """Two stages on 8x8 images, and a map of the images' size as the answer."""
    image = x = keras.Input((8, 8, 1), name="image")
    taps = {}
    for index, width in enumerate(widths):
        initializer = keras.initializers.HeNormal(seed=seed + index)
        layer = f"stage{index + 1}_conv" if index else "stem"
        x = keras.layers.Conv2D(width, 3, 2, "same", kernel_initializer=initializer, name=layer)(x)
        x = taps[f"stage{index + 1}"] = keras.layers.ReLU(name=f"stage{index + 1}")(x)
    x = keras.layers.Conv2D(1, 1, kernel_initializer=keras.initializers.HeNormal(seed=seed + 100), name="answer")(x)
    taps["depth"] = keras.layers.UpSampling2D(4, name="depth")(x)
    return keras.Model(image, taps, name=name)


def make(name, **options):
    if "teacher" in inspect.signature(getattr(methods, name)).parameters:
        options["teacher"] = network((6, 8), seed=9, name="teacher")
    if name == "SpiritDistillation":
        options["teacher"] = network(seed=9, name="teacher")
    given = {
        "AttentionTransfer": {"beta": 1.0},  # As much as the labels.
        "InDistill": {"layers": ("stage1", "stage2"), "layer_epochs": ()},
        "OnlineEnsemble": {"cut": "stage1"},
        "PKT": {"tap": "stage2"},
        "DGKD": {"teacher_network": functools.partial(network, (6, 8)), "share": 0.5},
        "TAKD": {"teacher_network": functools.partial(network, (6, 8))},
        "Pacemaker": {"teacher_network": functools.partial(network, (4, 8))},
    }
    return make_method(name, network=network, task=Depth(), **given.get(name, {}), **options)


@pytest.fixture
def depths(batch):
    """Images, and the depth of every pixel."""
    return batch[0], np.random.default_rng(1).random((16, 8, 8, 1)).astype("float32")


def test_some_are_generic():
    expected = {
        "Solo",
        "DeepMutualLearning",
        "OfflineDistillation",
        "OnlineDistillationCheap",
        "OnlineEnsemble",
        "TAKD",
    }
    assert expected <= set(GENERIC)
    assert {"KDCL", "ONE", "CLILR", "OKDDip"} <= set(ABOUT_CLASSES)


@pytest.mark.parametrize("name", GENERIC)
def test_a_generic_method_learns_another_task(name, depths):
    method = make(name, **few_peers(name))
    method.compile(keras.optimizers.SGD(0.1), steps_per_epoch=1)
    terms = method.loss_terms(depths[1], method(depths[0], training=True))
    assert all(term.shape == (16,) for term in terms.values())
    step, iterator = method.step_function, iter(tf.data.Dataset.from_tensors(depths).repeat())
    logs = [step(iterator) for _ in range(30)]
    assert set(logs[0]) == {"loss", *terms}
    supervised = [term for term in terms if term.endswith("/supervised")]
    assert supervised
    assert all(float(logs[-1][term]) < 0.9 * float(logs[0][term]) for term in supervised)
    # The metrics are the task's: traced for one method, they are the same for all.
    method.run_eagerly = name != "DeepMutualLearning"
    values = method.measure(*depths)
    assert {f"{peer}/error" for peer in method.peers} <= set(values)
    predicted = method(depths[0])["peer_0"]["depth"].numpy()
    assert values["peer_0/error"] == pytest.approx(np.abs(predicted - depths[1]).mean(), rel=1e-5)
    assert method.selection == "error"
    assert method.extra_values("validation", lambda split: pytest.fail("no labels")) == {}


def test_what_distils_follows_the_answer_of_the_teacher(depths):
    """Deep mutual learning against numpy, with the task's own terms."""
    method = make("DeepMutualLearning", num_peers=3)
    outputs = method(depths[0], training=True)
    answers = [taps["depth"].numpy() for taps in outputs.values()]
    expected = sum(
        np.abs(depths[1] - z).mean() + sum(((other - z) ** 2).mean() for other in answers if other is not z) / 2
        for z in answers
    )
    terms = method.loss_terms(tf.constant(depths[1]), outputs)
    assert sum(float(tf.reduce_mean(term)) for term in terms.values()) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("name", ABOUT_CLASSES)
def test_what_is_about_classes_says_so(name):
    with pytest.raises(ValueError, match=f"{name} has no meaning outside classification.*'depth'"):
        make(name)


@pytest.mark.parametrize(("name", "options"), [("InDistill", {"main": "pkt"}), ("PKT", {"labels_weight": 0.0})])
def test_relations_alone_do_not_train_another_answer(name, options):
    with pytest.raises(ValueError, match=r"nothing trains the answer 'depth'.*'retrieval'.*task='depth' and the tap"):
        make(name, **options)


def test_a_teacher_on_maps_needs_sides_that_double():
    def odd(*, seed, name, synchronized=False):
        taps = dict(network(seed=seed, name=name).output)
        image = keras.Input((8, 8, 1))
        x = taps["stage1"] = keras.layers.Conv2D(2, 6, name="stage1")(image)
        taps = {"stage1": x, "depth": keras.layers.Conv2DTranspose(1, 6, name="depth")(x)}
        return keras.Model(image, taps, name=name)

    with pytest.raises(ValueError, match=r"by doubling.*\(3, 3\) for \(8, 8\)"):
        methods.OnlineDistillationCheap(odd, task=Depth())


class RelativeMedian(Metric):
    """The median error, in units of that of another split: it needs all errors at once."""

    joined = True

    def __init__(self, reference):
        self.reference = reference

    def sums(self, targets, output, weights):
        return {"errors": ops.mean(ops.abs(output - targets), axis=(1, 2, 3))}

    def result(self, sums, reference=None):
        return float(np.median(sums["errors"]) / np.median(reference["errors"]))


def test_metrics_that_join_and_refer_to_other_splits(depths, mirrored):
    """On one replica and on two, with padding; a metric whose split is not given is left out."""
    task = Depth()
    task.metrics = {"error": MeanAbsoluteError(), "one": RelativeMedian("train"), "other": RelativeMedian("test")}
    rng = np.random.default_rng(2)
    others = {
        name: (rng.normal(size=(count, 8, 8, 1)).astype("float32"), rng.random((count, 8, 8, 1)).astype("float32"))
        for name, count in (("train", 11), ("test", 6))
    }

    def dataset(images, targets, replicas):
        """Batches of 4, shared by the replicas, the last one padded."""
        padding = -len(images) % 4
        weights = np.array([1.0] * len(images) + [0.0] * padding, "float32")
        images, targets = (np.concatenate([x, np.ones((padding, 8, 8, 1), "float32")]) for x in (images, targets))
        return tf.data.Dataset.from_tensor_slices((images, targets, weights)).batch(4 // replicas)

    found = []
    for strategy in (tf.distribute.get_strategy(), mirrored):
        replicas = strategy.num_replicas_in_sync
        with strategy.scope():
            method = methods.Solo(network, task=task)
            method.compile(keras.optimizers.SGD(0.1))

        def distributed(examples, strategy=strategy, replicas=replicas):
            if replicas == 1:
                return dataset(*examples, 1)
            return strategy.distribute_datasets_from_function(lambda _: dataset(*examples, replicas))

        references = {name: distributed(examples) for name, examples in others.items()}
        found.append(method.measure(distributed(depths), references=references))
        assert set(method.measure(distributed(depths))) == {"peer_0/error"}
        train = method.measure(distributed(depths), references={"train": distributed(others["train"])})
        assert train == {key: found[-1][key] for key in ("peer_0/error", "peer_0/one")}

    def errors(images, targets):
        return np.abs(method(images)["peer_0"]["depth"].numpy() - targets).mean((1, 2, 3))

    median = np.median(errors(*depths))
    expected = {"peer_0/error": errors(*depths).mean()}
    for name, split in (("one", "train"), ("other", "test")):
        expected[f"peer_0/{name}"] = median / np.median(errors(*others[split]))
    assert found == [pytest.approx(expected, rel=1e-5)] * 2
