"""The arguments of Keras that a cohort takes, one a row: what to do with a model, and what to compare.

A row is a function of a compiled model that returns what Keras gives: histories, lists, dicts of logs, arrays. The same
is done with a plain `keras.Model` and with a cohort of one network that starts from the same weights. The table:

    python -m tests.methods.keras_rows
"""

import functools
import math

import keras
import numpy as np
import tensorflow as tf

from odtf import methods
from odtf.methods.shared.peers import peer_seed

CLASSES = 4
RATE = 0.05


def small(*, seed, name, regularized=False, normalized=True):
    """A network that is traced in no time: two dense layers and a batch normalisation.

    Args:
        seed: int.
        name: str.
        regularized: whether a kernel and an activation add to the loss.
        normalized: whether there is the batch normalisation, which each replica does for itself.
    """
    kernel, activity = (keras.regularizers.L2(0.1), keras.regularizers.L1(0.01)) if regularized else (None, None)
    image = keras.Input((4, 4, 1), name="image")
    initializers = [keras.initializers.GlorotNormal(seed=seed + i) for i in range(2)]
    x = keras.layers.Flatten(name="flat")(image)
    x = keras.layers.Dense(
        6,
        kernel_initializer=initializers[0],
        kernel_regularizer=kernel,
        activity_regularizer=activity,
        name="hidden",
    )(x)
    x = keras.layers.BatchNormalization(momentum=0.9, name="norm")(x) if normalized else x
    x = keras.layers.ReLU(name="embedding")(x)
    logits = keras.layers.Dense(CLASSES, kernel_initializer=initializers[1], name="logits")(x)
    return keras.Model(image, {"embedding": x, "logits": logits}, name=name)


def plain(loss="sparse_categorical_crossentropy", regularized=False, **options):
    """Returns a plain Keras model, compiled."""
    network = small(seed=peer_seed(0, 0), name="plain", regularized=regularized)
    model = keras.Model(network.input, network.output["logits"])
    kinds = {
        "sparse_categorical_crossentropy": keras.losses.SparseCategoricalCrossentropy,
        "categorical_crossentropy": keras.losses.CategoricalCrossentropy,
    }
    model.compile(keras.optimizers.SGD(RATE, momentum=0.9), kinds[loss](from_logits=True), **options)
    return model


def cohort(loss=None, regularized=False, normalized=True, **options):
    """Returns a cohort of one network, compiled; its loss is its own."""
    model = methods.Solo(functools.partial(small, regularized=regularized, normalized=normalized), seed=0)
    model.compile(keras.optimizers.SGD(RATE, momentum=0.9), **options)
    return model


def weights(model):
    """Returns all weights of a model, a list of arrays."""
    return [v.numpy() for v in model.variables if "seed" not in v.path]


RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(12, 4, 4, 1)).astype("float32")
Y = RANDOM.integers(0, CLASSES, 12).astype("int32")
VX, VY = X[::-1][:7] + 0.1, Y[::-1][:7]
W = RANDOM.uniform(0.0, 3.0, 12).astype("float32")
VW = RANDOM.uniform(0.0, 3.0, 7).astype("float32")
ONE_HOT = np.eye(CLASSES, dtype="float32")[Y]
SOFT = 0.7 * ONE_HOT + 0.3 * np.roll(ONE_HOT, 1, axis=-1)


class Batches(keras.utils.PyDataset):
    """The arrays in batches of 5."""

    def __init__(self, *arrays):
        super().__init__()
        self.arrays = arrays

    def __len__(self):
        return math.ceil(len(self.arrays[0]) / 5)

    def __getitem__(self, index):
        return tuple(array[5 * index : 5 * index + 5] for array in self.arrays)


def dataset(*arrays, repeat=False):
    """Returns a `tf.data.Dataset` of batches of 5."""
    found = tf.data.Dataset.from_tensor_slices(arrays).batch(5)
    return found.repeat() if repeat else found


def generator(*arrays):
    """Yields batches of 5 for ever."""
    while True:
        yield from iter(dataset(*arrays).as_numpy_iterator())


def fit(*data, epochs=2, shuffle=False, verbose=0, **options):
    """Returns a row: the history of a training."""
    options = {"batch_size": 5, **options} if len(data) == 2 else options

    def row(model):
        made = {key: value() if callable(value) else value for key, value in options.items()}
        arguments = [each() if callable(each) else each for each in data]
        return model.fit(*arguments, epochs=epochs, shuffle=shuffle, verbose=verbose, **made).history

    return row


def on_batches(model):
    """`train_on_batch` and `test_on_batch` with every argument."""
    return [
        model.train_on_batch(X, Y),
        model.train_on_batch(X, Y, return_dict=True),
        model.train_on_batch(X, Y, sample_weight=W, return_dict=True),
        model.train_on_batch(X, Y, class_weight={0: 2.0, 1: 0.5, 2: 1.0, 3: 0.0}, return_dict=True),
        model.test_on_batch(X, Y),
        model.test_on_batch(X, Y, sample_weight=W, return_dict=True),
    ]


def evaluated(*data, **options):
    """Returns a row: what `evaluate` gives after an epoch of training, as a dict and as a list."""

    def row(model):
        model.fit(X, Y, batch_size=5, shuffle=False, verbose=0)
        arguments = [[each() if callable(each) else each for each in data] for _ in range(2)]
        return [
            model.evaluate(*arguments[0], verbose=0, return_dict=True, **options),
            model.evaluate(*arguments[1], verbose=0, **options),
        ]

    return row


def predicted(model):
    """`predict` and `predict_on_batch`, of arrays, data sets, a share of them."""
    model.fit(X, Y, batch_size=5, shuffle=False, verbose=0)
    return [
        model.predict(X, batch_size=7, verbose=0),
        model.predict(dataset(X), verbose=0),
        model.predict(dataset(X), steps=2, verbose=0),
        model.predict(Batches(X), verbose=0),
        model.predict_on_batch(X),
    ]


def shuffled(model):
    """A training whose order follows from the global seed."""
    keras.utils.set_random_seed(3)
    return fit(X, Y, shuffle=True)(model)


def stopped(model):
    """A training that ends where val_loss rises: how long it was, and what was restored."""
    stop = keras.callbacks.EarlyStopping(patience=1, restore_best_weights=True)
    history = fit(X, Y, epochs=30, validation_data=(VX, VY), callbacks=lambda: [stop])(model)
    assert 1 < len(history["val_loss"]) < 30
    return [history, np.array(stop.best)]


def logged(model):
    """What a callback is told after every batch and epoch."""
    seen = []
    note = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: seen.append([batch, dict(logs)]),
        on_epoch_end=lambda epoch, logs: seen.append([epoch, dict(logs)]),
        on_test_batch_end=lambda batch, logs: seen.append([batch, dict(logs)]),
        on_test_end=lambda logs: seen.append(dict(logs)),
    )
    fit(X, Y, validation_data=(VX, VY), callbacks=lambda: [note])(model)
    return seen


def continued(model):
    """Two trainings, the second from where the first ended."""
    first = fit(X, Y)(model)
    return [first, fit(X, Y, epochs=4, initial_epoch=2)(model)]


def metric():
    """An own metric, new for each model."""
    return [keras.metrics.SparseTopKCategoricalAccuracy(2, name="top2"), "accuracy"]


# Name: (what to do, arguments of `compile`).
ROWS = {
    "fit: arrays, batch_size": (fit(X, Y), {}),
    "fit: shuffle": (shuffled, {}),
    "fit: labels [n, 1]": (fit(X, Y[:, None], validation_data=(VX, VY[:, None])), {}),
    "fit: labels one-hot": (fit(X, ONE_HOT), {"loss": "categorical_crossentropy"}),
    "fit: labels soft": (fit(X, SOFT), {"loss": "categorical_crossentropy"}),
    "fit: sample_weight [n]": (fit(X, Y, sample_weight=W), {}),
    "fit: sample_weight [n, 1]": (fit(X, Y, sample_weight=W[:, None]), {}),
    "fit: class_weight": (fit(X, Y, class_weight={0: 2.0, 1: 0.5, 2: 1.0, 3: 0.0}), {}),
    "fit: class_weight of one-hot": (
        fit(X, ONE_HOT, class_weight={0: 2.0, 1: 0.5, 2: 1.0, 3: 0.0}),
        {"loss": "categorical_crossentropy"},
    ),
    "fit: weights in the data set": (fit(dataset(X, Y, W), validation_data=dataset(VX, VY, VW)), {}),
    "fit: tf.data": (fit(dataset(X, Y), validation_data=dataset(VX, VY)), {}),
    "fit: PyDataset": (fit(Batches(X, Y), validation_data=lambda: Batches(VX, VY)), {}),
    "fit: generator, steps_per_epoch": (fit(lambda: generator(X, Y), steps_per_epoch=3), {}),
    "fit: steps_per_epoch": (fit(dataset(X, Y, repeat=True), steps_per_epoch=3), {}),
    "fit: validation_data, arrays": (fit(X, Y, validation_data=(VX, VY)), {}),
    "fit: validation_data, weights": (fit(X, Y, validation_data=(VX, VY, VW)), {}),
    "fit: validation_data, list": (fit(X, Y, validation_data=[VX, VY]), {}),
    "fit: validation_data, generator, validation_steps": (
        fit(X, Y, validation_data=lambda: generator(VX, VY), validation_steps=1),
        {},
    ),
    "fit: validation_steps": (fit(X, Y, validation_data=dataset(VX, VY), validation_steps=1), {}),
    "fit: validation_batch_size": (fit(X, Y, validation_data=(VX, VY), validation_batch_size=4), {}),
    "fit: validation_split": (fit(X, Y, validation_split=0.3), {}),
    "fit: validation_freq": (fit(X, Y, epochs=3, validation_data=(VX, VY), validation_freq=2), {}),
    "fit: initial_epoch": (continued, {}),
    "fit: verbose": (fit(X, Y, verbose=2, epochs=1), {}),
    "fit: callbacks": (logged, {}),
    "fit: EarlyStopping on val_loss": (stopped, {}),
    "compile: steps_per_execution": (
        fit(X, Y, validation_data=(VX, VY)),
        {"steps_per_execution": 2},
    ),
    "compile: steps_per_execution beyond the epoch": (fit(X, Y), {"steps_per_execution": 10}),
    "compile: metrics": (fit(X, Y, sample_weight=W, validation_data=(VX, VY, VW)), {"metrics": metric}),
    "compile: weighted_metrics": (
        fit(X, Y, sample_weight=W, validation_data=(VX, VY, VW)),
        {"weighted_metrics": metric},
    ),
    "compile: metrics of one-hot": (fit(X, ONE_HOT), {"loss": "categorical_crossentropy", "metrics": ["accuracy"]}),
    "layers: regularizers": (
        fit(X, Y, sample_weight=W, validation_data=(VX, VY)),
        {"regularized": True},
    ),
    "compile: run_eagerly": (fit(X, Y, validation_data=(VX, VY)), {"run_eagerly": True}),
    "compile: jit_compile='auto'": (fit(X, Y), {"jit_compile": "auto"}),
    "evaluate: arrays, batch_size": (evaluated(VX, VY, batch_size=4), {"metrics": ["accuracy"]}),
    "evaluate: sample_weight": (evaluated(VX, VY, sample_weight=VW), {"weighted_metrics": ["accuracy"]}),
    "evaluate: labels [n, 1]": (evaluated(VX, VY[:, None]), {}),
    "evaluate: tf.data, weights": (evaluated(dataset(VX, VY, VW)), {}),
    "evaluate: PyDataset": (evaluated(lambda: Batches(VX, VY)), {}),
    "evaluate: generator, steps": (evaluated(lambda: generator(VX, VY), steps=3), {}),
    "evaluate: steps": (evaluated(dataset(X, Y), steps=2), {}),
    "train_on_batch, test_on_batch": (on_batches, {"metrics": ["accuracy"]}),
    "predict, predict_on_batch": (predicted, {}),
}


# Traced as users have it; the others run eagerly, which so few batches do sooner.
TRACED = {
    "fit: arrays, batch_size",
    "fit: weights in the data set",
    "fit: labels [n, 1]",
    "compile: steps_per_execution",
    "compile: steps_per_execution beyond the epoch",
    "compile: metrics",
    "compile: jit_compile='auto'",
    "evaluate: generator, steps",
    "predict, predict_on_batch",
    "layers: regularizers",
}


def outcome(make, name):
    """Returns what a row gives for a model, and the model's weights after it."""
    row, options = ROWS[name]
    options = {"run_eagerly": name not in TRACED, **options}
    options = {key: value() if callable(value) else value for key, value in options.items()}
    model = make(**options)
    return row(model), weights(model)


@functools.cache
def results(name):
    """Returns the outcomes of a row: of the plain model, and of the cohort."""
    return outcome(plain, name), outcome(cohort, name)


def pairs(expected, found, where=""):
    """Yields (name, number or array of Keras, that of the cohort) for all that Keras gives.

    A cohort says more: further names, and further numbers at a list's end.
    """
    if isinstance(expected, dict):
        for key, value in expected.items():
            yield from pairs(value, found[key], f"{where}/{key}")
    elif isinstance(expected, list | tuple):
        assert len(found) >= len(expected), where
        for index, value in enumerate(expected):
            yield from pairs(value, found[index], f"{where}/{index}")
    else:  # A plain model with a loss alone gives a number for a list of one.
        yield where, expected, found[0] if isinstance(found, list) else found


def table():
    """Yields the lines of a table of all rows, in Markdown."""
    yield "| row | of Keras | of the cohort | numbers compared | largest difference |"
    yield "|---|---|---|---|---|"
    for name in ROWS:
        (expected, weights), (found, own) = results(name)
        compared = [*pairs(expected, found), *(("/weights", a, b) for a, b in zip(weights, own, strict=True))]
        shown = [pair for pair in compared if pair[0].removesuffix("/0").removesuffix("/1").endswith("loss")]
        where, a, b = (shown or compared)[-1 if shown else 0]
        largest = max(float(np.max(np.abs(np.subtract(x, y)))) for _, x, y in compared)
        size = sum(np.size(x) for _, x, _ in compared)
        a, b = (float(np.ravel(value)[0]) for value in (a, b))
        yield f"| {name} | {where.strip('/')} {a:.6f} | {b:.6f} | {size} | {largest:.1e} |"


if __name__ == "__main__":
    for _line in table():
        print(_line)
