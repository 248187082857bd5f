"""What Keras' loops show of an epoch: running means, and sums that the task's metrics are computed from."""

import concurrent.futures

import keras
import tensorflow as tf
from keras import ops

from odtf import metrics


class Running:
    """Keras metrics that are made when a step is traced for the first time: only then is it known what there is to say.

    A phase of training may have other terms than the last: it begins with a new object.
    """

    def __init__(self):
        self._means = {}
        self._totals = None

    @property
    def metrics(self):
        """The Keras metrics there are by now, a list."""
        return [*self._means.values(), *([] if self._totals is None else [self._totals])]

    @property
    def sums(self):
        """The sums so far: a dict of numpy arrays by name."""
        return {} if self._totals is None else self._totals.sums

    def add_means(self, values, count):
        """Adds the means of a batch.

        Args:
            values: dict of scalars.
            count: int scalar tensor, how many examples they are means of.
        """
        if not self._means:
            self._means = _outside_of_graphs(lambda: {name: keras.metrics.Mean(name=name) for name in values})
        for name, value in values.items():
            self._means[name].update_state(value, sample_weight=count)

    def add_sums(self, task_metrics, sums):
        """Adds the sums of a batch.

        Args:
            task_metrics: mapping from name to `odtf.metrics.Metric`.
            sums: dict "NAME/METRIC/SUM" -> tensor of a static shape, and others.
        """
        if self._totals is None:
            shapes = {name: tuple(value.shape) for name, value in sums.items()}
            self._totals = _outside_of_graphs(lambda: Totals(task_metrics, shapes))
        self._totals.update_state(sums)


class Totals(keras.metrics.Metric):
    """Sums of batches, by name.

    Its result is a dict of the metrics that are means, which a step can tell of; the others are computed from `sums`.

    Args:
        task_metrics: mapping from name to `odtf.metrics.Metric`.
        shapes: dict from the name of every sum to its shape.
    """

    def __init__(self, task_metrics, shapes):
        super().__init__(name="totals")
        self._means = tuple(name for name, metric in task_metrics.items() if isinstance(metric, metrics.Mean))
        self._sums = {
            name: self.add_variable(shape, "zeros", name=name.replace("/", "_")) for name, shape in shapes.items()
        }

    @property
    def sums(self):
        """The sums so far: a dict of numpy arrays by name."""
        return {name: ops.convert_to_numpy(total) for name, total in self._sums.items()}

    def update_state(self, sums):
        for name, value in sums.items():
            self._sums[name].assign_add(ops.cast(value, self.dtype))

    def result(self):
        endings = {f"/{name}/sum": name for name in self._means}
        found = {}
        for key, total in self._sums.items():
            if any(key.endswith(ending) for ending in endings):
                name = key.removesuffix("/sum")
                found[name] = ops.divide_no_nan(total, self._sums[f"{name}/count"])
        return {name: found[name] for name in sorted(found)}


def _outside_of_graphs(make):
    """Returns what `make` makes, once for all replicas: variables belong to no graph, and to no replica alone.

    It is made in a thread of its own, which traces nothing: TensorFlow traces a function twice that makes a variable.
    """

    def across_replicas(strategy):
        def made():
            with strategy.scope():
                return make()

        with concurrent.futures.ThreadPoolExecutor(1) as thread:
            return thread.submit(made).result()

    return tf.distribute.get_replica_context().merge_call(across_replicas)
