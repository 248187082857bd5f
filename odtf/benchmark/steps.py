"""Whole training steps of a cohort: what each part of them costs."""

import contextlib
import functools

import keras
import numpy as np
import tensorflow as tf

from odtf import data, models
from odtf.benchmark.timing import Comparison, interleave
from odtf.layers import BatchNormalization
from odtf.methods import OnlineDistillationCheap, Solo
from odtf.methods.shared.peers import last_map

IMAGE_SHAPE = (32, 32, 3)
NUM_CLASSES = 10
BLOCKS = {"depthwise": {}, "shift": {}, "group": {"groups": 4}}
# Steps timed together where two pipelines are compared: what one prepares ahead must not run in the other's time.
STEPS_PER_RUN = 3


def make_network(setup, block):
    """Returns the callable `network(seed, name)` of a cohort: an OD-cheap ResNet of the setup's depth."""
    arguments = {"depth": setup.depth, "conv": block, **BLOCKS[block]}
    return functools.partial(models.od_cheap_resnet, IMAGE_SHAPE, NUM_CLASSES, **arguments)


def make_cohort(setup, block="depthwise", method=OnlineDistillationCheap, **options):
    """Builds and compiles a cohort with the optimizer and the weight decay of the CIFAR recipe."""
    cohort = method(make_network(setup, block), **options)
    # So small a rate keeps the weights where they are: times must not change with them, nor become those of NaNs.
    cohort.compile(keras.optimizers.SGD(1e-6, momentum=0.9), weight_decay=2e-4)
    return cohort


def make_batch(setup):
    """Returns constant images `[batch, 32, 32, 3]` and labels `[batch]`."""
    images = tf.random.stateless_normal((setup.batch_size, *IMAGE_SHAPE), (0, 0))
    labels = tf.random.stateless_uniform((setup.batch_size,), (0, 1), 0, NUM_CLASSES, tf.int32)
    return images, labels


def trace(cohort, batch):
    """Returns the graph of one training step; the context managers around this call decide what is in it."""
    return tf.function(cohort.step, autograph=False).get_concrete_function(batch)


def run_step(step, batch):
    """Runs a traced step to its end and returns its values, a dict of floats."""
    return {name: float(value) for name, value in step(batch).items()}


def training_step(cohort, batch):
    """Returns a callable that runs one training step of a cohort."""
    return functools.partial(run_step, trace(cohort, batch), batch)


@contextlib.contextmanager
def stock_batch_norm():
    """Makes odtf's batch normalisation compute as Keras' own in every graph that is traced inside."""
    fused = BatchNormalization.call
    BatchNormalization.call = keras.layers.BatchNormalization.call
    try:
        yield
    finally:
        BatchNormalization.call = fused


def batch_norm(setup):
    """The whole step of every kind of block, with the fused kernel against the same graph with stock Keras norms.

    Args:
        setup: `odtf.benchmark.suite.Setup`.

    Returns:
        list of `Comparison`.
    """
    batch, rows = make_batch(setup), []
    for block in BLOCKS:
        cohort = make_cohort(setup, block, num_peers=setup.num_peers)
        steps = {"fused": training_step(cohort, batch)}
        with stock_batch_norm():
            steps["stock"] = training_step(cohort, batch)
        times = interleave(steps, setup.repeats)
        case = f"joint step, {block}"
        rows.append(Comparison(case, "fused norms", times["fused"], "stock Keras norms", times["stock"], at_most=0.75))
        setup.log(f"  {case}: {rows[-1].ratio['median']:.2f} of stock")
    return rows


def joint_step(setup):
    """One step of m peers with their teacher against m separate steps of one network each; see `batch_norm`."""
    batch = make_batch(setup)
    joint = training_step(make_cohort(setup, num_peers=setup.num_peers), batch)
    alone = [training_step(make_cohort(setup, method=Solo, seed=i), batch) for i in range(setup.num_peers)]
    times = interleave({"joint": joint, "alone": lambda: [step() for step in alone]}, setup.repeats)
    case = f"{setup.num_peers} peers, depthwise"
    return [Comparison(case, "joint step", times["joint"], "separate steps", times["alone"])]


class WithoutDivergences(OnlineDistillationCheap):
    """The cohort and its teacher, each trained on the labels alone."""

    def loss_terms(self, targets, outputs):
        terms = super().loss_terms(targets, outputs)
        return {name: term for name, term in terms.items() if not name.endswith("/distillation")}


class PeersAlone(OnlineDistillationCheap):
    """The peers, without a teacher."""

    def call_teacher(self, outputs, training):
        return None

    def loss_terms(self, targets, outputs):
        return {f"{name}/supervised": self.task.supervised(targets, self.answer(outputs[name])) for name in self.peers}


def distillation(setup):
    """What learning from the teacher adds to a step; see `batch_norm`.

    Twice: the divergences (and the teacher with its head) alone, forward and backward, as a share of the whole step;
    and whole steps without them. The first is precise, the second a difference of two large numbers.
    """
    batch = make_batch(setup)
    cohorts = {
        "whole step": make_cohort(setup, num_peers=setup.num_peers),
        "step without divergences": make_cohort(setup, method=WithoutDivergences, num_peers=setup.num_peers),
        "step without teacher": make_cohort(setup, method=PeersAlone, num_peers=setup.num_peers),
    }
    steps = {name: training_step(cohort, batch) for name, cohort in cohorts.items()}
    whole = cohorts["whole step"]
    steps["divergences alone"] = _terms_step(whole, batch, with_teacher=False)
    steps["teacher and divergences alone"] = _terms_step(whole, batch, with_teacher=True)
    times = interleave(steps, setup.repeats)
    goals = {"divergences alone": 0.05}
    return [
        Comparison(f"{setup.num_peers} peers, depthwise", n, times[n], "whole step", times["whole step"], goals.get(n))
        for n in ("divergences alone", "teacher and divergences alone", *list(steps)[1:3])
    ]


def _terms_step(cohort, batch, with_teacher):
    """Returns a callable that computes the divergences on given outputs of the peers, and their gradients.

    With the teacher: its head, its supervised term and the gradients of the head's weights as well.
    """
    images, labels = batch
    outputs = cohort(images, training=False)
    given = {name: {"logits": taps["logits"]} for name, taps in outputs.items()}
    weights = []
    if with_teacher:
        del given["teacher"]
        for name in cohort.peers:
            given[name]["stage3"] = last_map(outputs[name])
        weights = [v.value for v in cohort.teacher_head.trainable_variables]

    @tf.function(autograph=False)
    def step(given):
        with tf.GradientTape() as tape:
            tape.watch(given)
            outputs = {**given, "teacher": cohort.call_teacher(given, True)} if with_teacher else given
            wanted = ("/distillation", "teacher/supervised") if with_teacher else "/distillation"
            terms = cohort.loss_terms(labels, outputs)
            loss = sum(tf.reduce_mean(term) for name, term in terms.items() if name.endswith(wanted))
        gradients = tape.gradient(loss, [*tf.nest.flatten(given), *weights])
        return [tf.reshape(gradient, [-1])[0] for gradient in gradients]

    step = step.get_concrete_function(given)
    return lambda: [value.numpy() for value in step(given)]


def pipeline(setup, num_images=50_000):
    """Steps fed by the real pipeline (pad, crop, flip) against steps fed one batch for ever; see `batch_norm`.

    Args:
        setup: `odtf.benchmark.suite.Setup`.
        num_images: int, of the synthetic training split; CIFAR's number, for the caches to miss as they would.
    """
    cohort = make_cohort(setup, num_peers=setup.num_peers)
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (num_images, *IMAGE_SHAPE), np.uint8)
    labels = random.integers(0, NUM_CLASSES, num_images)
    dataset = data.ImageDataset(
        name="noise",
        names=tuple(map(str, range(NUM_CLASSES))),
        image_shape=IMAGE_SHAPE,
        mean=(0.5,) * 3,
        std=(0.25,) * 3,
        splits={"train": data.Split(data.MemoryStore(images, {"label": labels}))},
    )
    augment = {"pad": 4, "pad_mode": "zero", "flip": True}
    real = data.TrainPipeline(dataset, batch_size=setup.batch_size, seed=0, augment=augment).dataset()
    constant = tf.data.Dataset.from_tensors(make_batch(setup)).repeat()
    step = cohort.step_function

    def run(iterator):
        for _ in range(STEPS_PER_RUN):
            values = step(iterator)
        return float(values["loss"])

    runs = {name: functools.partial(run, iter(source)) for name, source in (("real", real), ("constant", constant))}
    times = interleave(runs, setup.repeats, warmup=1)
    per_step = {name: [value / STEPS_PER_RUN for value in values] for name, values in times.items()}
    case = f"{setup.num_peers} peers, depthwise"
    return [
        Comparison(case, "real pipeline", per_step["real"], "constant batch", per_step["constant"], at_most=1.05),
    ]
