"""The config of every classification system in one regime: each has the same student, or says which other."""

import pathlib
import re

import pytest

from odtf import models, runs
from odtf.training import config_file, preparation, strategy

_SYSTEMS = {
    **dict.fromkeys(("alone", "dml", "codistillation", "kdcl", "one", "clilr", "okddip"), 27_306),
    **dict.fromkeys(("ffl", "ffsd", "pcl", "od", "od_standard", "switokd"), 27_306),
    **dict.fromkeys(("kd", "takd", "dgkd", "oem", "mcod", "indistill"), 27_306),
    "pacemaker": 61_594,
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
