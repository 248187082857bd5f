"""Modules beside a config: found by name, after everything else, wherever its runs are read."""

import json
import pathlib
import shutil
import sys

import pytest

from odtf import own_code, runs
from odtf.compare import child_runs
from odtf.errors import UserError
from odtf.training import config_file
from tests.own.test_examples import EXAMPLES

CONFIG = """
from odtf.training.config import default_config, free
import widths

def get_config():
    config = default_config()
    config.batch_size, config.schedule.learning_rate, config.export.targets = 512, 0.02, ()
    config.export.calibration_examples = 16
    config.network = free({"name": "small_network:small_network", "width": widths.WIDTH})
    return config
"""


FETCHED = """
import numpy as np
import tensorflow_datasets as tfds

class FetchedBesideConfig(tfds.core.GeneratorBasedBuilder):
    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        features = {"image": tfds.features.Image(shape=(8, 8, 3)), "label": tfds.features.ClassLabel(names=["a", "b"])}
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

    def _split_generators(self, dl_manager):
        return {"train": ((i, {"image": np.full((8, 8, 3), i, np.uint8), "label": i % 2}) for i in range(40))}

    def _generate_examples(self):
        raise NotImplementedError
"""


@pytest.fixture(scope="module")
def beside(tmp_path_factory):
    """A folder with a config, modules that it names, and one that must not hide Python's."""
    folder = pathlib.Path(shutil.copytree(EXAMPLES, tmp_path_factory.mktemp("user") / "beside"))
    (folder / "config.py").write_text(CONFIG)
    (folder / "widths.py").write_text("WIDTH = 2\n")
    (folder / "random.py").write_text("raise RuntimeError('Python has a module of this name')\n")
    return folder


@pytest.fixture(scope="module")
def trained(zygote, beside, tmp_path_factory):
    """The workdir of a run that names its network by a module beside the config."""
    workdir = tmp_path_factory.mktemp("run") / "workdir"
    losses = "--config.task.supervised=focal:focal", "--config.task.distil=focal:squares"
    flags = f"--config={beside}/config.py", f"--workdir={workdir}", "--config.method.name=DeepMutualLearning", *losses
    status, _, err = zygote.run("odtf-train", *flags)
    assert status == 0, err
    return workdir


def test_modules_beside_the_config_are_found_and_their_folder_is_recorded(trained, beside):
    report = json.loads((trained / "report.json").read_text())
    assert [peer["network"]["width"] for peer in report["peers"]] == [2, 2]
    assert report["config"]["task"] == {
        "name": "classification",
        "supervised": "focal:focal",
        "distil": "focal:squares",
    }
    assert json.loads((trained / "config.json").read_text())["code_dir"] == str(beside)


def test_a_workdir_is_exported_where_its_code_is_allowed(trained, zygote):
    status, out, err = zygote.run("odtf-export", f"--workdir={trained}", "--target=soc")
    assert (status, out) == (2, "")
    assert "--allow_code. Received: focal:squares, focal:focal, small_network:small_network." in err
    status, _, err = zygote.run("odtf-export", f"--workdir={trained}", "--target=soc", "--allow_code")
    assert status == 0, err
    assert (trained / "export" / "soc" / "student_int8.tflite").exists()


def test_nothing_beside_a_strangers_config_is_importable_until_it_is_allowed(trained, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = list(sys.path)
    for allowed in (False, ("focal:focal", "focal:squares")):
        with pytest.raises(UserError, match=r"--allow_code\. Received: .*small_network:small_network"):
            runs.Run(trained, allowed)
    runs.Run(trained, ("focal:focal", "focal:squares", "small_network:small_network"))
    assert sys.path == before


def test_a_moved_folder_of_a_finished_run_is_no_other_config(trained, zygote, beside, tmp_path):
    moved = shutil.copytree(beside, tmp_path / "moved")
    losses = "--config.task.supervised=focal:focal", "--config.task.distil=focal:squares"
    flags = f"--config={moved}/config.py", f"--workdir={trained}", "--config.method.name=DeepMutualLearning", *losses
    status, out, err = zygote.run("odtf-train", *flags)
    assert status == 0, err
    assert "resumed at step" in out


def test_a_module_that_hides_the_one_beside_the_config_is_refused(zygote, beside, tmp_path):
    flags = f"--config={beside}/config.py", f"--workdir={tmp_path}/new", "--config.network.name=random:Random"
    status, _, err = zygote.run("odtf-train", *flags)
    assert status == 2 and len(err.splitlines()) == 1, err
    assert "Two modules have the name random" in err and f"hides {beside}/random.py" in err
    assert not (tmp_path / "new").exists()


def test_one_of_two_folders_with_a_module_of_one_name_is_not_guessed(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(own_code, "_FOLDERS", [])
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "twin_of_test.py").write_text("def network():\n    pass\n")
        own_code.add_folder(tmp_path / name)
    with pytest.raises(UserError, match=r"Two modules have the name twin_of_test.*one/twin_of_test.*two/twin_of_test"):
        own_code.find("twin_of_test:network", "a network")


def test_a_process_of_a_comparison_finds_them_too(beside, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(own_code, "_FOLDERS", [])
    run = child_runs.train(config_file.load(f"{beside}/config.py"), tmp_path / "run")
    assert run.report["student"]["network"]["name"] == "small_network:small_network"
    assert sys.path[-1] == str(beside)


def test_a_set_is_downloaded_only_when_asked_for(zygote, beside, tmp_path):
    (beside / "fetched.py").write_text(FETCHED)
    (beside / "fetching.py").write_text(f"import fetched\n{CONFIG}")
    data = "--config.data.name=fetched_beside_config", f"--config.data.data_dir={tmp_path}/data"
    flags = f"--config={beside}/fetching.py", f"--workdir={tmp_path}/run", *data, "--config.batch_size=16"
    status, _, err = zygote.run("odtf-train", *flags)
    assert status == 2 and "fetched_beside_config is not prepared there: --download" in err
    assert list(tmp_path.iterdir()) == []
    status, out, err = zygote.run("odtf-train", *flags, "--download")
    assert status == 0, err
    assert "Solo on fetched_beside_config" in out
