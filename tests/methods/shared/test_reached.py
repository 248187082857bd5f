"""No student is deployed with a layer that no loss has reached, in either loop, over the phases of a run."""

import keras
import pytest
import tensorflow as tf
from keras import ops

from odtf import stopping
from odtf.errors import UserError
from odtf.methods import Method
from odtf.training import experiment
from odtf.training.config import free
from tests.methods.conftest import few_peers, make_batch, make_method, meaningful
from tests.methods.tiny import least
from tests.training.test_experiment import small, train
from tests.training.test_phases import _stopping

pytestmark = pytest.mark.usefixtures("eagerly")  # A step or two of each network.


def run_phases(method, epochs):
    """A step of every epoch, eagerly, with the check after it."""
    images, targets = (tf.constant(x) for x in make_batch())
    for epoch in range(epochs):
        method.begin_epoch(epoch)
        method.step((images, targets))
        method.check_reached(epoch, epochs)


@pytest.mark.parametrize("name", meaningful())
def test_every_method_reaches_its_students(name):
    """Averages of networks that learn, and networks made of several, among them."""
    options = {"InDistill": {"layer_epochs": (1, 1, 1)}, "FitNets": {"hint_epochs": 1}}
    method = make_method(name, **few_peers(name), **options.get(name, {}))
    method.compile(keras.optimizers.SGD(0.01), steps_per_epoch=1)
    phases = [method.phase_at(epoch) for epoch in range(5)]
    run_phases(method, max(2, phases.index(phases[-1]) + 1))  # Every phase, the last one once.


class Features(Method):
    """Two networks, of which the second learns its answer in some epochs alone, and a map of it in all others."""

    def __init__(self, networks, *, answers_in=(), **common):
        super().__init__(**common)
        self.answers_in = tuple(answers_in)
        self.peers = {f"peer_{i}": networks(seed=i, name=f"peer_{i}") for i in range(2)}

    def phase_at(self, epoch):
        return int(epoch in self.answers_in)

    def loss_terms(self, targets, outputs):
        taps = outputs["peer_1"]
        terms = {"peer_0/supervised": self.task.supervised(targets, outputs["peer_0"]["logits"])}
        if self.phase:
            return {**terms, "peer_1/supervised": self.task.supervised(targets, taps["logits"])}
        return {**terms, "peer_1/map": ops.mean(taps["stage1"] ** 2, axis=(1, 2, 3))}


REFUSED = r"^No loss reaches the layer \w+ of peer_1, through which its answer 'logits' goes.* Received: \w+ without"


@pytest.mark.parametrize(("answers_in", "steps"), [((), 1), ((0,), None), ((1,), None), ((2,), 1)])
def test_fit_refuses_as_soon_as_no_phase_is_left(answers_in, steps, batch):
    """Two epochs of two steps; what an epoch before this one reached counts, and what one after them would does not."""
    method = Features(least, answers_in=answers_in)
    method.compile(keras.optimizers.SGD(0.01))
    data = tf.data.Dataset.from_tensor_slices(batch).batch(8)
    if steps is None:
        method.fit(data, epochs=2, verbose=0)
    else:
        with pytest.raises(UserError, match=REFUSED) as caught:
            method.fit(data, epochs=2, verbose=0)
        assert "\n" not in str(caught.value)
        assert int(method.optimizer.iterations) == steps


def test_a_frozen_layer_counts_as_learned(batch):
    method = Features(least)
    for layer in method.peers["peer_1"].layers:
        layer.trainable = False
    method.compile(keras.optimizers.SGD(0.01))
    method.fit(tf.data.Dataset.from_tensor_slices(batch).batch(8), epochs=1, verbose=0)


def run_of(answers_in):
    config = small(epochs=3, batch_size=512)
    config.network = free({"name": "plain_cnn", "widths": (4, 6)})
    config.method = free({"name": "tests.methods.shared.test_reached:Features", "answers_in": answers_in})
    return config


def test_a_run_refuses_before_its_first_validation(tmp_path):
    with pytest.raises(UserError, match=REFUSED):
        train(run_of(()), tmp_path)
    assert not (tmp_path / "chosen").exists()


def test_a_resumed_run_knows_what_was_reached_before(tmp_path, monkeypatch):
    """The answer learns in the first epoch alone; the process that goes on afterwards never traces its loss."""
    config = run_of((0,))
    with monkeypatch.context() as patch:
        patch.setattr(experiment.Window, "add", _stopping(experiment.Window.add, 3))
        with pytest.raises(stopping.Stopped):
            train(config, tmp_path)
    report = train(config, tmp_path)
    assert [peer["name"] for peer in report["peers"]] == ["peer_0", "peer_1"]
