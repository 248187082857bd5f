"""The config of every classification system in one regime: each has the same student, or says which other."""

import pathlib
import re

import pytest

from odtf import models, runs
from odtf.training import config_file, preparation, strategy

_SYSTEMS = {
    **dict.fromkeys(("alone", "dml", "codistillation", "kdcl", "one", "clilr", "okddip"), 27_306),
    **dict.fromkeys(("ffl", "ffsd", "pcl", "od", "od_standard", "switokd"), 27_306),
    **dict.fromkeys(("kd", "takd", "dgkd", "oem"), 27_306),
    "original": 175_258,
    "standard": 272_474,
}


@pytest.mark.parametrize("system", _SYSTEMS)
def test_each_system_has_the_student_of_the_regime(system, tmp_path):
    text = f"few_images:system={system}"
    config = config_file.load(text)
    assert (config.data.image_size, config.data.max_train_examples, config.batch_size) == ((16, 16), 5000, 64)
    # The data are others, which are there at once; the networks and the method are the regime's own.
    small = config_file.load(f"{text},smoke")
    small.network, small.method = config.network, config.method
    small.epochs, small.schedule.restarts = config.epochs, config.schedule.restarts
    method = preparation.prepare(small, tmp_path, strategy.make_placement(), runs.load_teacher).method
    two_colours_less = 2 * 3 * 3 * 16
    assert models.cost(method.peers["peer_0"]).params == _SYSTEMS[system] - two_colours_less


def test_the_docstring_names_every_system():
    text = pathlib.Path("configs/few_images.py").read_text("utf-8")
    listed = re.findall(r"^    ([a-z_]+(?:, [a-z_]+)*) {2,}\S", text, re.MULTILINE)
    named = {name for names in listed for name in names.split(", ")} - {"system"}
    assert named == set(_SYSTEMS)


def test_students_begin_with_a_start_and_the_network_that_teaches_them_does_not(tmp_path):
    config = config_file.load("few_images:system=od_standard,start=zoo:depthwise,frozen=2,smoke")
    config.network.depth = 14
    assert config.schedule.learning_rate == config_file.load("few_images:smoke").schedule.learning_rate / 2
    placement = strategy.make_placement()
    prepared = preparation.prepare(config, tmp_path, placement, runs.load_teacher, load_start=runs.load_start)
    method = prepared.method
    assert set(method.starts) == {"peer_0", "peer_1", "peer_2"} and method.warm_start.frozen_epochs == 2
