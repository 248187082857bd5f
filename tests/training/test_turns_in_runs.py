"""Multi-granularity without pairs through the real loop: its turns, and a run that is stopped in either and goes on."""

import os
import signal

import numpy as np
import pytest

from odtf import stopping
from odtf.training import experiment
from odtf.training.config import load_config
from tests.training.test_experiment import assert_same_weights, last_weights, log_of, train

pytestmark = pytest.mark.usefixtures("eagerly")  # Few steps, of four networks.

STEPS = 2
# Of the four epochs, whose terms the steps have.
TERMS = [("wide/", "back/", "discriminators/"), ("peer_0/",)] * 2


def config():
    config = load_config("configs/omgd.py", "task=horse2zebra,smoke")
    config.deterministic = True
    config.data.max_train_examples, config.batch_size = 8, 4
    config.method.pool_size = 6
    config.method.discriminator_width = config.method.wide_network.width = 4
    config.network.width, config.network.blocks, config.method.wide_network.blocks = 2, 3, 3
    config.log_every_steps = 1
    return config


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run without any interruption: (workdir, report)."""
    workdir = tmp_path_factory.mktemp("turns")
    return workdir, train(config(), workdir)


def test_teacher_and_student_take_turns(whole):
    workdir, report = whole
    lines = [line for line in log_of(workdir) if line["kind"] == "train"]
    assert [line["step"] for line in lines] == list(range(1, 4 * STEPS + 1))
    # In epochs 1 and 3, counted from 1, the teacher learns; its second epoch, and the student's after it, have half.
    rates = [line["learning_rate"] for line in lines[::STEPS]]
    assert rates == pytest.approx([2e-3, 2e-3, 1e-3, 1e-3])
    for line in lines:
        begins = TERMS[(line["step"] - 1) // STEPS]
        terms = [key for key in line if "/" in key]
        assert terms and all(key.startswith(begins) for key in terms)
    found = [line for line in log_of(workdir) if line["kind"] == "validation"]
    assert [("back/frechet_grey_levels" in line) for line in found] == [True, False, True, False]
    assert [peer["name"] for peer in report["peers"]] == ["peer_0", "wide"]
    assert report["student"]["name"] == "peer_0" and report["student"]["epoch"] >= 2
    # What teaches is what the teacher was at the end of a turn.
    stored = {line["epoch"]: line["teacher/frechet_grey_levels"] for line in found}
    own = {line["epoch"]: line["wide/frechet_grey_levels"] for line in found}
    assert stored[2] == pytest.approx(own[1]) and stored[4] in (pytest.approx(stored[2]), pytest.approx(own[3]))
    pools = [value for value in last_weights(workdir).values() if value.shape == (6, 32, 32, 1)]
    assert len(pools) == 2 and all((np.abs(pool).max(axis=(1, 2, 3)) > 0).all() for pool in pools)


# In the teacher's first turn, in the student's, and in the teacher's second, when the pools are full.
@pytest.mark.parametrize("stops", [(1, 3), (5, 7)])
def test_a_run_that_is_stopped_in_a_turn_goes_on_bit_by_bit(stops, whole, tmp_path, monkeypatch):
    for stop in stops:
        with monkeypatch.context() as patch:
            patch.setattr(experiment.Window, "add", _stopping(experiment.Window.add, stop))
            with pytest.raises(stopping.Stopped, match=f"stopped at step {stop} of {4 * STEPS}"):
                train(config(), tmp_path)
    report = train(config(), tmp_path)
    assert_same_weights(last_weights(tmp_path), last_weights(whole[0]))
    for key in ("peers", "teacher", "student"):
        assert report[key] == whole[1][key]


def _stopping(add, at):
    """`Window.add`, during which the process is asked to stop at a step."""

    def add_and_stop(window, step, values):
        if step == at:
            os.kill(os.getpid(), signal.SIGTERM)
        add(window, step, values)

    return add_and_stop
