"""The configuration: arguments of config files, the check, the comparison on a workdir."""

import functools
import glob
import pathlib
import re
import subprocess
import sys

import pytest

from odtf.errors import UserError
from odtf.training import cohorts, config_checks
from odtf.training import config as config_lib


def takes_epochs(path):
    return re.search(r"parse_arg\([^)]*\bepochs=", pathlib.Path(path).read_text("utf-8"))


@pytest.mark.parametrize("epochs", [1, 2, 3])
@pytest.mark.parametrize("path", sorted(filter(takes_epochs, glob.glob("configs/*.py"))))
def test_a_config_of_few_epochs_has_a_schedule(path, epochs):
    config = config_lib.load_config(path, f"epochs={epochs}")
    config_checks.check(config)
    assert config.schedule.warmup_epochs <= config.epochs


def test_a_warm_up_is_shorter_than_a_run_of_few_epochs():
    config = config_lib.load_config("configs/ffsd.py", "data=imagenet2012,epochs=1")
    config_checks.check(config)
    assert (config.schedule.warmup_epochs, config.schedule.milestones) == (0.25, (0,))
    assert config_lib.load_config("configs/ffsd.py", "data=imagenet2012").schedule.warmup_epochs == 5.0
    assert config_lib.load_config("configs/masks.py").schedule.warmup_epochs == 2.0


@pytest.mark.parametrize("path", sorted(glob.glob("configs/*.py")))
def test_every_config_is_valid_and_explains_itself(path):
    config = config_lib.load_config(path)
    config_checks.check(config)
    assert config.is_locked
    assert config_lib.differences(*[config_lib.to_json(config)] * 2) == []
    with open(path, encoding="utf-8") as file:
        assert f"--config={pathlib.Path(path).stem}" in file.read(), "a config's docstring gives the command"


HUGE = 2**40


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        # What hung, or ended in a traceback.
        ({"epochs": HUGE}, "epochs must be an integer of at least 1, and at most 100,000"),
        ({"batch_size": HUGE}, "batch_size must be an integer"),
        ({"seed": 10**400}, "seed must be an integer"),
        ({"method.weight": 10**400}, "method.weight must be an integer"),
        ({"data.num_views": HUGE}, "data.num_views must be an integer of at least 1, and at most 64"),
        ({"data.image_size": (HUGE, 8)}, "data.image_size must be None, one integer, or height and width"),
        ({"data.image_size": "8"}, "data.image_size must be"),
        ({"data.resize": "pad"}, "data.resize must be .*stretch.*crop"),
        ({"data.channels": 2}, "data.channels must be None, 1 or 3"),
        ({"network.width": HUGE}, "network.width must be an integer .* at most 100,000"),
        ({"network.widths": (4, HUGE)}, "network.widths.1 must be an integer"),
        ({"method.num_peers": HUGE}, "method.num_peers must be an integer .* at most 256"),
        ({"method.networks": [{"name": "plain_cnn", "depth": HUGE}]}, "method.networks.0.depth must be an integer"),
        ({"code_dir": "\ud800"}, "code_dir must be None or a path"),
        ({"data.data_dir": "a\0b"}, "data.data_dir must be None or a path"),
        ({"optimizer.clipnorm": "x"}, "optimizer.clipnorm must be None or a number"),
        ({"optimizer.clipvalue": True}, "optimizer.clipvalue must be None or a number"),
        ({"optimizer.global_clipnorm": (1.0,)}, "optimizer.global_clipnorm must be None or a number"),
        ({"optimizer.loss_scale_factor": "x"}, "optimizer.loss_scale_factor would be right left out"),
        ({"optimizer.gradient_accumulation_steps": 2.5}, "gradient_accumulation_steps would be right left out"),
        ({"optimizer.epsilon": "x"}, r"optimizer.epsilon must be a positive number"),
        ({"export.quantization": None}, "export.quantization must be the name of a quantisation"),
        # What left a network untrained, or had no effect.
        ({"optimizer.use_ema": True}, "optimizer.use_ema would be right left out: config.average.name=ema averages"),
        ({"optimizer.gradient_accumulation_steps": 1000}, "would be right left out: .*config.batch_size"),
        ({"optimizer.clipnorm": -1.0}, "optimizer.clipnorm must be None or a number"),
        ({"optimizer.clipnorm": 1e-30}, "optimizer.clipnorm must be None or a number"),
        ({"optimizer.momentum": 0.0, "optimizer.nesterov": True}, "nesterov is of a momentum"),
        ({"schedule.warmup_epochs": 1e6}, "schedule.warmup_epochs must be a number"),
        ({"schedule.warmup_epochs": 5.0, "epochs": 4}, "warmup_epochs must be at most 4, the epochs of the run"),
        ({"schedule.warmup_epochs": 3.0, "epochs": 4, "schedule.restarts": (2,)}, "warmup_epochs must be at most 2"),
        ({"schedule.milestones": (2,)}, "milestones acts where config.schedule.name is piecewise or linear alone"),
        (
            {"schedule.final_fraction": 0.5},
            "final_fraction acts where config.schedule.name is cosine or one_cycle",
        ),
        ({"quantization.delay_epochs": 1}, "delay_epochs acts where config.quantization.aware is True alone"),
        ({"quantization.freeze_batch_norm_epochs": 0}, "freeze_batch_norm_epochs acts where"),
        ({"data.mean": (127.5,)}, r"data.mean must be .*scaled to \[0, 1\], not of 0..255"),
        ({"data.std": (58.0, 57.0, 57.0)}, r"data.std must be .*scaled to \[0, 1\], not of 0..255"),
        ({"data.std": 0}, r"data.std must be None, or a number in \[0.001, 1\]"),
        ({"data.mean": float("inf")}, "data.mean must be"),
        ({"schedule.learning_rate": 1e30}, "schedule.learning_rate must be a positive number, and at most 1000"),
        ({"weight_decay": 2.0}, "weight_decay must be a number"),
        ({"jit": True, "deterministic": True}, "jit must be False where config.deterministic is True"),
        # What was blamed on something else.
        ({"method.temperature": 1e30}, "method.temperature must be a positive number, from 0.001 to 1000"),
        ({"method.temperature": 1e-30}, "method.temperature must be a positive number, from 0.001 to 1000"),
        ({"method.weight": -1e30}, r"method.weight must be a number in \[-1e\+09, 1e\+09\]"),
        ({"task.label_smoothing": 1e30}, r"task.label_smoothing must be a number"),
    ],
    ids=str,
)
def test_values_out_of_any_sense_are_refused(changes, wanted):
    config = config_lib.default_config()
    for key, value in changes.items():
        *parts, last = key.split(".")
        part = functools.reduce(lambda outer, name: outer[name], parts, config)
        with part.unlocked(), part.ignore_type():
            part[last] = value
    with pytest.raises(UserError, match=wanted) as found:
        config_checks.check(config)
    line = str(found.value)
    assert "\n" not in line and "Received: " in line


def test_numbers_of_own_code_mean_what_it_likes():
    config = config_lib.default_config()
    config.network = config_lib.free({"name": "mine.py:network", "table": HUGE})
    config_checks.check(config)


def test_what_changes_nothing_passes():
    """Defaults of Keras may be given, and what a recorded config has as a list."""
    config = config_lib.from_json(config_lib.to_json(config_lib.default_config()))
    config.optimizer = config_lib.free({"name": "adam", "use_ema": False, "ema_momentum": 0.99, "clipnorm": None})
    config_checks.check(config)


def test_json_round_trip():
    config = config_lib.load_config("configs/cifar10_od.py", "block=group,groups=8,depth=20")
    again = config_lib.from_json(config_lib.to_json(config))
    assert config_lib.to_json(again) == config_lib.to_json(config)
    assert again.network.groups == 8
    config_checks.check(again)


def test_differences_name_the_leaves_that_count():
    one, two = config_lib.default_config(), config_lib.default_config()
    two.seed = 7
    two.data.augment.pad = 4
    two.log_every_steps = 1
    two.export.targets = ()
    found = config_lib.differences(config_lib.to_json(one), config_lib.to_json(two))
    assert found == ["data.augment.pad: 0 -> 4", "seed: 0 -> 7"]


def test_a_config_file_names_what_it_knows():
    assert config_lib.choose("network", "a", {"a": 1, "b": 2}) == 1
    with pytest.raises(UserError, match=r"network must be one of a, b\. Received: 'c'"):
        config_lib.choose("network", "c", {"a": 1, "b": 2})


def test_parse_arg():
    arg = config_lib.parse_arg("depth=20,smoke,rate=0.5", depth=8, smoke=False, rate=0.1, block="shift")
    assert arg.to_dict() == {"depth": 20, "smoke": True, "rate": 0.5, "block": "shift"}
    for text, message in (("dept=20", "takes the arguments"), ("depth=x", "type int"), ("smoke=7", "type bool")):
        with pytest.raises(UserError, match=message):
            config_lib.parse_arg(text, depth=8, smoke=False)


@pytest.mark.parametrize("module", ["commands.train", "commands.export", "commands.benchmark", "training.config"])
def test_command_lines_do_not_import_what_takes_seconds(module):
    code = (
        f"import sys, odtf.{module}\n"
        "heavy = ('tensorflow', 'keras', 'tensorflow_datasets', 'sklearn', 'matplotlib')\n"
        "sys.exit(str([m for m in heavy if m in sys.modules] or '') or 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("network", ["unet", "resnet"])
@pytest.mark.parametrize("task", ["edges2shoes", "cityscapes"])
@pytest.mark.parametrize("size", ["1.0", "0.75", "0.5"])
def test_the_paired_scripts_of_multi_granularity(size, task, network):
    """Each with its own widths, shared blocks and lengths, by the table of the specification."""
    config = config_lib.load_config("configs/omgd.py", f"task={task},network={network},size={size}")
    config_checks.check(config)
    method, row = config.method, ["1.0", "0.75", "0.5"].index(size)
    widths = method.wide_network.width, method.deep_network.width, config.network.width, method.discriminator_width
    assert widths == [(64, 16, 16, 128), (48, 12, 12, 96), (48, 12, 8, 96)][row]
    shared, channels = {
        ("unet", "cityscapes"): ((5, 5, 3), (50, 50, 50)),
        ("unet", "edges2shoes"): ((5, 5, 5), (10, 10, 10)),
        ("resnet", "cityscapes"): ((4, 3, 3), (0, 0, 0)),
        ("resnet", "edges2shoes"): ((3, 3, 3), (100, 1000, 1000)),
    }[network, task]
    assert (method.shared_blocks, method.channel_weight) == (shared[row], channels[row])
    lengths = config.epochs, *config.schedule.milestones, method.teachers_every
    assert lengths == ((750, 300, 3) if task == "cityscapes" else (200, 100, 1))
    assert config.batch_size == (1 if (network, task) == ("resnet", "cityscapes") else 4)
    assert method.wide_network.get("deep", False) is False and method.deep_network.deep is True


@pytest.mark.parametrize("row", range(3))
@pytest.mark.parametrize(
    ("task", "channels", "turns"), [("horse2zebra", 500, (10, 12, 8)), ("summer2winter", 100, [6] * 3)]
)
def test_the_scripts_of_multi_granularity_without_pairs(task, channels, turns, row):
    """Teacher and student, turns and lengths of each, by the table of the specification."""
    size = ["1.0", "0.75", "0.5"][row]
    config = config_lib.load_config("configs/omgd.py", f"task={task},size={size},judge=nets/judge.keras")
    config_checks.check(config)
    method = config.method
    assert (method.wide_network.width, config.network.width) == [(64, 16), (48, 12), (48, 8)][row]
    assert config.network.name == method.wide_network.name == "resnet_generator" and "deep_network" not in method
    assert (method.channel_weight, method.discriminator_width, method.discriminator_norm) == (channels, 64, "instance")
    assert (method.teacher_epochs, method.turn_epochs, method.teachers_every) == (200, turns[row], 4)
    assert config.epochs == 200 + {10: 800, 12: 816, 8: 800, 6: 816}[turns[row]]
    assert (config.batch_size, config.optimizer.beta_1, config.schedule.milestones) == (1, 0.5, (100,))
    assert config.task.to_dict() == {
        "name": "translation",
        "paired": False,
        "features": "nets/judge.keras",
        "chosen_by": ("frechet_judge",),
    }


def test_epochs_of_streets_are_chosen_by_either_of_two_metrics():
    config = config_lib.load_config("configs/omgd.py", "task=cityscapes,judge=a/b.c.keras,segmenter=runs/roads")
    assert config.task.chosen_by == ("frechet_b.c", "miou_roads")
    with pytest.raises(UserError, match=r"segmenter is for task=cityscapes. Received: task=edges2shoes"):
        config_lib.load_config("configs/omgd.py", "segmenter=runs/roads")
    with pytest.raises(UserError, match=r"network must be one of resnet\. Received: 'unet'"):
        config_lib.load_config("configs/omgd.py", "task=horse2zebra,network=unet")


def test_networks_are_rehearsed_with_images_of_the_size_that_is_said():
    """A U-Net of eight levels takes no smaller ones than 256x256."""
    config = config_lib.load_config("configs/omgd.py", "task=cityscapes,size=0.5")
    cohorts.rehearse(config, None)
    config.data.image_size = (64, 64)
    with pytest.raises(UserError, match=r"8 levels takes sides that are multiples of 256.*Received: \(64, 64\)"):
        cohorts.rehearse(config, None)


UNPAIRED = [("task=horse2zebra,", name) for name in ("channels", "stages")]


@pytest.mark.parametrize(
    ("task", "ablation"), [*(("", name) for name in ("wide", "deep", "channels", "stages", "alone")), *UNPAIRED]
)
def test_ablations_of_multi_granularity(task, ablation):
    whole, config = (
        config_lib.load_config("configs/omgd.py", f"{task}smoke{text}") for text in ("", f",ablation={ablation}")
    )
    config_checks.check(config)
    changed = {line.split(":")[0] for line in config_lib.differences(*map(config_lib.to_json, (whole, config)))}
    assert changed and all(key.startswith("method.") for key in changed)
