"""The forms of the papers' configs for ImageNet: each is trained on small photos that are read while it trains."""

import functools

import numpy as np
import pytest
from PIL import Image

from odtf.training import config as config_lib
from odtf.training.config import free
from tests.training.test_experiment import log_of, train

# What stands for a network of the same builder.
SMALL = {
    "alexnet": {"width_multiplier": 0.125},
    "densenet": {"depth": 10, "growth": 4},
    "resnet": {"depth": 10, "width": 8},
    "vgg": {"depth": 8, "width": 8},
}


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """JPEGs of two classes, no two of one size, as ImageNet is in folders."""
    root, random = tmp_path_factory.mktemp("imagenet"), np.random.RandomState(0)
    for split, count in (("train", 8), ("validation", 4), ("test", 4)):
        for name in ("n01", "n02"):
            (root / split / name).mkdir(parents=True)
            for i in range(count):
                pixels = random.randint(0, 256, (40 + i, 60 - i, 3)).astype(np.uint8)
                Image.fromarray(pixels).save(root / split / name / f"{i}.jpg")
    return root


def shrunk(values):
    """A part of a config with small networks in place of its own, wherever it names some."""
    if isinstance(values, dict):
        small = {key: shrunk(value) for key, value in values.items()}
        if small.get("name") in SMALL:
            small |= SMALL[small["name"]]
            if "widths" in values:
                small["widths"] = tuple(width // 8 for width in values["widths"])
        return small
    return [shrunk(value) for value in values] if isinstance(values, list | tuple) else values


@pytest.mark.usefixtures("eagerly")  # Two steps of each.
@pytest.mark.parametrize("name", ["cifar10_od", "ffl", "ffsd", "mcod", "oem", "pacemaker", "pcl"])
def test_a_method_trains_on_photos_that_are_read_meanwhile(name, photos, tmp_path, capsys):
    config = config_lib.load_config(f"configs/{name}.py", "data=imagenet2012,epochs=1")
    assert config.data.image_size == (224, 224) and config.data.resize == "crop"
    assert config.data.augment.to_dict() == {"crop_area": (0.08, 1.0), "flip": True, "cutout": 0}
    config.data.name, config.data.image_size, config.data.memory_budget_mb = f"folder:{photos}", (32, 32), 0
    config.batch_size, config.log_every_steps, config.export.targets = 8, 1, ()
    config.network, config.method = (free(shrunk(part.to_dict())) for part in (config.network, config.method))
    train(config, tmp_path / "run")
    assert "train 16, validation 8, test 8, streamed from files" in capsys.readouterr().out
    losses = [line["loss"] for line in log_of(tmp_path / "run") if line["kind"] == "train"]
    assert len(losses) == 2 * config.epochs and np.isfinite(losses).all()


@pytest.mark.parametrize("name", ["cifar10_od", "ffl", "ffsd", "mcod", "oem", "pacemaker", "pcl"])
def test_networks_are_those_for_photos(name):
    config = config_lib.load_config(f"configs/{name}.py", "data=imagenet2012")
    method = config.method.to_dict()
    networks = [config.network.to_dict(), *method.get("networks", ()), method.get("teacher_network")]
    assert {spec["name"] for spec in networks if spec} <= SMALL.keys()


@pytest.mark.parametrize("name", ["cifar10_od", "ffl", "mcod", "pcl", "pacemaker", "ffsd"])
def test_the_protocol_is_that_of_ffsd(name):
    load = functools.partial(config_lib.load_config, f"configs/{name}.py")
    config, short = load("data=imagenet2012"), load("data=imagenet2012,epochs=9")
    stages = len(config.schedule.restarts) + 1
    assert (config.batch_size, config.epochs, config.weight_decay) == (256, 90 * stages, 1e-4)
    assert (config.schedule.milestones, config.schedule.warmup_epochs) == ((30, 60, 80), 5.0)
    assert (short.schedule.milestones, short.schedule.warmup_epochs, short.epochs) == ((3, 6, 8), 2.25, 9 * stages)
    rest = (config.schedule.name, config.schedule.learning_rate, config.schedule.factor)
    assert rest == ("piecewise", 0.1, 0.1)
