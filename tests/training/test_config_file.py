"""The --config flag: files, the names of odtf's configs, and what --help says of them."""

import pathlib
import re

import pytest

from odtf import data, models, names
from odtf.errors import UserError
from odtf.training import config as config_lib
from odtf.training import config_file


@pytest.mark.parametrize("text", ["pcl:smoke", "digits", "start:form=shift"])
def test_a_config_is_found_by_its_name_wherever_the_command_runs(text, tmp_path, monkeypatch):
    name, colon, arg = text.partition(":")
    by_path = config_file.load(f"configs/{name}.py{colon}{arg}")
    monkeypatch.chdir(tmp_path)
    assert config_lib.to_json(config_file.load(text)) == config_lib.to_json(by_path)


@pytest.mark.parametrize("block", ["depthwise", "group", "shift"])
@pytest.mark.parametrize("config", ["cifar10_od", "digits", "few_images", "gain", "recipe"])
def test_every_block_that_a_config_offers_can_be_built(config, block):
    text = pathlib.Path(f"configs/{config}.py").read_text("utf-8")
    assert re.search(r"Arguments: .*\bblock \(depthwise, group,\s+shift\)", text, re.DOTALL)
    network = config_file.load(f"{config}:block={block}").network.to_dict()
    assert network["conv"] == block
    models.build({**network, "depth": 8}, (8, 8, 3), 10, seed=0, name="student")


def test_a_file_comes_before_a_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tmp_path.joinpath("digits").write_text(
        "from odtf.training.config import default_config\n"
        "def get_config():\n    config = default_config()\n    config.epochs = 77\n    return config\n"
    )
    assert config_file.load("digits").epochs == 77
    assert config_file.load("pcl").epochs == 300


@pytest.mark.parametrize(
    ("given", "meant"), [("dgits", "digits"), ("elsewhere/pcl.py", "pcl"), ("cifar10-od", "cifar10_od")]
)
def test_what_is_no_config_is_told_the_nearest_name(given, meant):
    with pytest.raises(UserError, match=rf"`odtf list configs` shows \(did you mean {meant}\?\)\. Received: '{given}'"):
        config_file.load(given)


def test_arguments_and_their_values_are_told_the_nearest_too():
    with pytest.raises(UserError, match=r"did you mean smoke\?\)\. Received: 'smke'"):
        config_file.load("pcl:smke")
    with pytest.raises(UserError, match=r"did you mean wrn20_8\?\)\. Received: 'wrn_20_8'"):
        config_file.load("pcl:network=wrn_20_8")


def test_data_sets_are_told_the_nearest(tmp_path):
    with pytest.raises(UserError, match=r"data_dir \(did you mean digits\?\)\. Received: data_dir="):
        data.load("digts", data_dir=tmp_path)
    (tmp_path / "cifar10").mkdir()
    with pytest.raises(UserError, match=r"did you mean cifar10\?"):
        data.load("cifar_10", data_dir=tmp_path)


def test_help_has_the_docstring_and_every_key_of_the_configs_that_are_named():
    assert config_file.explain(["--workdir=x", "--config.epochs=3", "--help"]) is None
    told = config_file.explain(["--config=pcl:smoke", "-config", "digits", "--help"])
    for name, arg in (("pcl", "smoke"), ("digits", None)):
        config = config_lib.load_config(names.configs()[name], arg)
        for key, value in config_lib.leaves(config.to_dict()):
            if key != "code_dir":
                assert f"\n  --config.{key}={value!r}\n" in f"{told}\n"
    assert "PCL, peer collaborative learning" in told and "The quick start: four depthwise peers" in told


def test_names_that_differ_by_case_or_underscores_are_near():
    assert names.meant("kdcl", ["KDCL", "Solo"]) == " (did you mean KDCL?)"
    assert names.meant("deep_mutual_learning", names.methods()) == " (did you mean DeepMutualLearning?)"
    assert names.meant("zzz", ["KDCL", "Solo"]) == ""
    assert names.meant("kdcl", ["KDCL"]) == ""  # There is no other.
