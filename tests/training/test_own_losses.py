"""Loss terms of the user's own: their values, and what is refused before anything is written."""

import types
from contextlib import nullcontext

import keras
import numpy as np
import pytest

from odtf import runs
from odtf.errors import UserError
from odtf.methods.shared.divergence import Divergence
from odtf.tasks.segmentation import Segmentation
from odtf.training import cohorts, config_data, own_losses, preparation, strategy
from odtf.training.config import free
from tests.training.test_experiment import small

FOCAL = "tests/own/examples/focal.py"


def config_with(method=None, **task):
    config = small(epochs=1, batch_size=512)
    config.task = free({"name": "classification", **task})
    config.method = free(method or {"name": "DeepMutualLearning", "temperature": 3.0})
    return config


def test_the_terms_of_a_method_are_those_of_the_functions():
    config = config_with(supervised=f"{FOCAL}:focal", distil=f"{FOCAL}:squares")
    method = cohorts.make_method(config, config_data.load_dataset(config).info, load_teacher=None)
    random = np.random.RandomState(0)
    one, two = random.normal(size=(2, 5, 10)).astype("float32")
    targets = np.arange(5).astype("int32")
    terms = method.loss_terms(targets, {"peer_0": {"logits": one}, "peer_1": {"logits": two}})
    p = np.exp(one[range(5), targets]) / np.exp(one).sum(-1)
    np.testing.assert_allclose(terms["peer_0/supervised"], (1 - p) ** 2 * -np.log(p), rtol=1e-5)
    np.testing.assert_allclose(terms["peer_0/mutual"], 0.5 * ((one - two) ** 2).mean(-1), rtol=1e-5)


BAD = """
import keras

def scalar(targets, output):
    return keras.ops.mean(output)

def integers(targets, output):
    return targets

def alone(output):
    return output[:, 0]

WORD = "x"
"""


@pytest.mark.parametrize(
    ("method", "task", "message"),
    [
        (None, {"supervised": "bad.py:scalar"}, r"one float per example.*Received: float32 \(\)"),
        (None, {"supervised": "bad.py:integers"}, r"one float per example.*Received: int32 \(2,\)"),
        (None, {"supervised": "bad.py:alone"}, r"must take \(targets, output\)\. Received: '.*bad.py:alone'"),
        (None, {"supervised": "bad.py:WORD"}, r"A loss is a function of \(targets, output\).*'x'"),
        (None, {"supervised": "bad.py:nothing"}, r"a loss called nothing"),
        (None, {"supervised": "focal"}, r"config.task.supervised is FILE.py:FUNCTION or .*Received: 'focal'"),
        ({"name": "Solo"}, {"distil": f"{FOCAL}:squares"}, r"Solo never asks its task for this term.*focal.py:squares"),
        (None, {"supervised": f"{FOCAL}:focal", "label_smoothing": 0.1}, r"label_smoothing is of the term.*=0\.1"),
        (
            None,
            {"superviced": f"{FOCAL}:focal"},
            r"supervised, distil.*did you mean supervised\?.*Received: superviced",
        ),
    ],
)
def test_what_is_no_loss_is_refused_and_nothing_written(method, task, message, tmp_path):
    (tmp_path / "bad.py").write_text(BAD)
    task = {key: f"{tmp_path}/{v}" if isinstance(v, str) and v.startswith("bad") else v for key, v in task.items()}
    with pytest.raises(UserError, match=message) as caught:
        runs.train(config_with(method, **task), tmp_path / "run", strategy.make_placement())
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("method", "message"),
    [
        (
            {"name": "AttentionTransfer", "divergence": "dist", "beta": 1.0},
            "AttentionTransfer compares no answers as.*'dist'",
        ),
        ({"name": "OfflineDistillation", "divergence": "dkd", "alpha": 0.5}, None),
        ({"name": "Solo", "divergence": "dkd"}, r"Solo takes the keys name, networks\. Received: divergence='dkd'"),
    ],
)
def test_a_divergence_that_no_loss_asks_for_is_refused(method, message, tmp_path):
    if method["name"] != "Solo":
        method = {**method, "teacher_network": {"name": "plain_cnn", "widths": (4, 8)}, "teacher_epochs": 1}
    config = config_with(method)
    config.epochs = 2
    with nullcontext() if message is None else pytest.raises(UserError, match=message):
        preparation.prepare(config, tmp_path, strategy.make_placement(), load_teacher=None)


def test_a_divergence_that_needs_labels_is_refused_where_a_domain_has_none():
    """Masks have a label that is ignored, so that images without any may join."""
    config = config_with()
    config.data.domains = ({"name": "folder:streets", "labels": False},)
    for name in ("dkd", "dist"):
        method = types.SimpleNamespace(divergence=Divergence(name, Segmentation()))
        refused = pytest.raises(
            UserError, match=r"'dkd' needs the labels of all images.*'folder:streets' with labels=Fa"
        )
        with refused if name == "dkd" else nullcontext():
            preparation._check_labels(config, method)


def test_it_is_judged_on_several_replicas_alike(mirrored, tmp_path):
    (tmp_path / "bad.py").write_text(BAD)
    for loss, message in ((f"{FOCAL}:focal", None), (f"{tmp_path}/bad.py:scalar", r"one float per example.*\(\)")):
        config = config_with(supervised=loss)
        info = config_data.load_dataset(config).info
        with mirrored.scope():
            method = cohorts.make_method(config, info, load_teacher=None, synchronized=True)
            method.compile(keras.optimizers.SGD(0.1), steps_per_epoch=3)
        with nullcontext() if message is None else pytest.raises(UserError, match=message):
            own_losses.check(method, info.image_shape, 2, 1, mirrored)


def test_a_term_that_only_a_later_phase_asks_for_is_in_use(tmp_path):
    teacher = {"name": "plain_cnn", "widths": (4,)}
    method = {"name": "OfflineDistillation", "teacher_network": teacher, "teacher_epochs": 1}
    config = config_with(method, distil=f"{FOCAL}:squares")
    config.epochs = 2
    runs.train(config, tmp_path, strategy.make_placement())
    assert '"peer_0/distillation"' in (tmp_path / "log.jsonl").read_text()
