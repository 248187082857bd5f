"""Small cohorts and batches for the tests of the methods."""

import functools
import inspect

import keras
import numpy as np
import pytest

from odtf import methods
from odtf.tasks import Classification
from tests.methods.tiny import least

NETWORK = least


def make_method(name, network=NETWORK, synchronized=False, **options):
    """Builds a small cohort of the method, with a teacher where the method wants one trained before."""
    parameters = inspect.signature(getattr(methods, name)).parameters
    if "teacher" in parameters:
        options.setdefault("teacher", least(seed=99, name="teacher"))
    if "step_epochs" in parameters:  # A chain, trained all at once.
        options.setdefault("teacher_network", functools.partial(least, synchronized=synchronized))
        options.setdefault("step_epochs", ())
    if name == "SwitOKD":
        options.setdefault("teacher_network", functools.partial(network, synchronized=synchronized))
    if name == "SpiritDistillation":  # Its last stage alone; its networks are equal behind the cut.
        options = {"cut": "stage2", "imitation_epochs": 0, "statistics_epochs": 0, **options}
    if name == "PKT" and options.get("task", Classification()).name != "retrieval":
        options.setdefault("labels_weight", 1.0)  # Elsewhere nothing else trains the answer.
    if callable(network):
        network = functools.partial(network, synchronized=synchronized)
    return getattr(methods, name)(network, synchronized=synchronized, **options)


def meaningful(task="classification"):
    """Returns the names of the methods that have a meaning in a task."""
    return [name for name in methods.available() if task in (getattr(methods, name).only or (task,))]


def few_peers(name):
    """Options that give a method two peers, where it says how many: a leader has two beside it."""
    parameters = inspect.signature(getattr(methods, name)).parameters
    return {"num_peers": 3 if name == "OKDDip" else 2} if "num_peers" in parameters else {}


def make_batch():
    """A batch of 16 random images with labels."""
    rng = np.random.default_rng(0)
    return rng.normal(size=(16, 8, 8, 1)).astype("float32"), rng.integers(0, 10, 16).astype("int32")


@pytest.fixture
def batch():
    return make_batch()


@pytest.fixture
def sgd():
    """Plain gradient descent."""
    return keras.optimizers.SGD(0.1)
