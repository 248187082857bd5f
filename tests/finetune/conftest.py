"""A finished run of a tiny cohort on digits, and every mode of fine-tuning of it, each made once."""

import functools
import pathlib

import pytest

from odtf import data, runs
from odtf.finetune.settings import Settings
from odtf.training import config as config_lib
from odtf.training import strategy
from tests.conftest import require


class _NeedsTfmot(pytest.Module):
    """A file of tests that cannot even be imported without TFMOT: the whole of it is one skip then."""

    def collect(self):
        require("tensorflow_model_optimization")
        return super().collect()


def pytest_pycollect_makemodule(module_path, parent):
    """Makes the modules of this folder."""
    return _NeedsTfmot.from_parent(parent, path=module_path)


# The pattern and the number of clusters that the tests look for in the files.
OPTIONS = {
    "qat": {},
    "prune": {"sparsity_pattern": "2:4", "pruning_end": 1.0, "teacher": "ensemble", "target": "phone"},
    "cluster": {"clusters": 4, "teacher": "none"},
    "pqat": {"sparsity_pattern": "block:1x4", "sparsity": 0.5, "pruning_end": 1.0},
    "cqat": {"clusters": 5},
}


@pytest.fixture(scope="session")
def digits():
    return data.load("digits")


@pytest.fixture(scope="session")
def workdir(tmp_path_factory):
    """The workdir of a run of two peers with an online teacher."""
    config = config_lib.default_config()
    config.batch_size, config.epochs = 128, 3
    config.network = config_lib.free({"name": "plain_cnn", "widths": [8, 8], "embedding": 16, "padding": "symmetric"})
    config.method = config_lib.free({"name": "OnlineDistillationCheap", "num_peers": 2})
    config.export.targets, config.export.calibration_examples = (), 64
    directory = tmp_path_factory.mktemp("run")
    runs.train(config, directory, strategy.make_placement())
    return pathlib.Path(directory)


@pytest.fixture(scope="session")
def tuned(workdir):
    """Function from a mode to its row in the report."""
    from odtf.finetune.finetuning import finetune

    return functools.cache(lambda mode: finetune(workdir, Settings(mode, epochs=1, **OPTIONS[mode])))
