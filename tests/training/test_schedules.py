"""Learning rates at the steps where they change, and the momentum of PyTorch."""

import keras
import numpy as np
import pytest

from odtf.errors import UserError
from odtf.training.config import default_config
from odtf.training.schedules import Restarts, WarmUp, make_optimizer, make_schedule


def schedule(steps_per_epoch=10, epochs=8, **values):
    config = default_config().schedule
    config.update(values)
    made = make_schedule(config, steps_per_epoch, epochs)
    return lambda step: float(made(step))


def test_piecewise_drops_at_the_first_step_of_the_epoch():
    rate = schedule(name="piecewise", milestones=(4, 6), learning_rate=0.1)
    expected = {0: 0.1, 39: 0.1, 40: 0.01, 59: 0.01, 60: 0.001, 79: 0.001}
    for step, value in expected.items():
        assert rate(step) == pytest.approx(value), step


def test_cosine():
    rate = schedule(name="cosine", learning_rate=0.2, final_fraction=0.1)
    for step in (0, 17, 40, 80):
        cosine = 0.5 * (1 + np.cos(np.pi * step / 80))
        assert rate(step) == pytest.approx(0.2 * (0.9 * cosine + 0.1), rel=1e-5)


def test_one_cycle_rises_and_falls_in_straight_lines():
    """Eight epochs of ten steps, two of them up; the last step is one before the end of the fall."""
    rate = schedule(name="one_cycle", learning_rate=0.4, warmup_epochs=2.0, final_fraction=0.25)
    expected = {0: 0.0, 5: 0.1, 20: 0.4, 35: 0.4 - 0.3 / 4, 50: 0.25, 79: 0.1 + 0.3 / 60, 80: 0.1, 99: 0.1}
    for step, value in expected.items():
        assert rate(step) == pytest.approx(value, rel=1e-5, abs=1e-7), step
    assert schedule(name="one_cycle", learning_rate=1.0)(40) == pytest.approx(0.5)


def test_linear_falls_by_epoch_and_never_to_zero():
    """300 constant epochs and 450 that fall: the last one has 1/451 of the rate."""
    rate = schedule(steps_per_epoch=7, epochs=750, name="linear", milestones=(300,), learning_rate=2e-4)
    for epoch in (0, 299, 300, 301, 748, 749):
        expected = 2e-4 * (1 - max(0, epoch + 1 - 300) / 451)
        assert [rate(7 * epoch + step) for step in (0, 6)] == pytest.approx([expected] * 2, rel=1e-4), epoch
    assert rate(7 * 750 - 1) == pytest.approx(2e-4 / 451, rel=1e-3)
    assert schedule(epochs=4, name="linear", learning_rate=1.0)(0) == pytest.approx(0.8)


@pytest.mark.parametrize("name", ["constant", "piecewise", "cosine", "linear"])
def test_warm_up_is_linear_and_then_gives_way(name):
    plain, warm = schedule(name=name, milestones=(4,)), schedule(name=name, milestones=(4,), warmup_epochs=2.0)
    for step in (0, 5, 10, 19):
        assert warm(step) == pytest.approx(plain(step) * step / 20, rel=1e-5)
    for step in (20, 50):
        assert warm(step) == pytest.approx(plain(step), rel=1e-6)


def test_warm_up_is_serializable():
    config = default_config().schedule
    config.warmup_epochs = 1.0
    made = make_schedule(config, 10, 8)
    again = WarmUp.from_config(made.get_config())
    assert float(again(5)) == float(made(5)) == pytest.approx(0.05)


@pytest.mark.parametrize("name", ["constant", "piecewise", "cosine", "linear", "one_cycle"])
def test_restarts_begin_everything_anew(name):
    """Stages of 3, 2 and 3 epochs: each as if it were a run of its own."""
    options = {"name": name, "milestones": (1,), "warmup_epochs": 0.5}
    whole = schedule(restarts=(3, 5), **options)
    for start, length in ((0, 3), (30, 2), (50, 3)):
        alone = schedule(epochs=length, **options)
        for step in range(10 * length):
            assert whole(start + step) == pytest.approx(alone(step), rel=1e-5), (start, step)


def test_restarts_are_serializable():
    config = default_config().schedule
    config.restarts = (4,)
    config.warmup_epochs = 1.0
    made = make_schedule(config, 10, 8)
    again = Restarts.from_config(made.get_config())
    assert [float(again(step)) for step in (5, 45)] == [float(made(step)) for step in (5, 45)]


@pytest.mark.parametrize("nesterov", [False, True])
def test_sgd_is_pytorchs_at_a_constant_rate(nesterov):
    optimizer = make_optimizer({"name": "sgd", "momentum": 0.9, "nesterov": nesterov}, 0.1)
    w = keras.Variable([1.0, -2.0])
    optimizer.build([w])
    value, buffer = np.array([1.0, -2.0]), np.zeros(2)
    for gradient in ([0.5, 1.0], [-1.0, 0.25], [0.1, 0.1]):
        optimizer.apply_gradients([(keras.ops.convert_to_tensor(gradient), w)])
        buffer = 0.9 * buffer + np.array(gradient)
        value = value - 0.1 * (np.array(gradient) + 0.9 * buffer if nesterov else buffer)
    np.testing.assert_allclose(w.numpy(), value, rtol=1e-5)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"name": "lion9"}, "must be one of sgd, adam"),
        ({"name": "sgd", "momentun": 0.9}, "momentun"),
        ({"name": "sgd", "weight_decay": 1e-4}, "coupled"),
        ({"name": "sgd", "momentum": 7.0}, "momentum"),
    ],
)
def test_bad_optimizers(config, message):
    with pytest.raises(UserError, match=message):
        make_optimizer(config, 0.1)
