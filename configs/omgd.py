"""Online multi-granularity distillation of image translation (OMGD): its scripts, with pairs and without.

    odtf-train --config=omgd:data=SHOES,vgg=vgg16-397923af.pth --workdir=runs/shoes
    odtf-train --config=omgd:task=cityscapes,network=resnet,data=STREETS,vgg=VGG --workdir=runs/streets
    odtf-train --config=omgd:task=horse2zebra,data=HORSES,vgg=VGG,judge=JUDGE --workdir=runs/zebras
    odtf-train --config=omgd:smoke --workdir=runs/digits
    odtf-train --config=omgd:task=horse2zebra,smoke --workdir=runs/turns

SHOES is a folder with train/ and val/ of images A|B, as edges2shoes-r; STREETS Cityscapes' unpacked folder, which goes
from the label map to the photograph; HORSES a folder with trainA, trainB, testA and testB. VGG is torchvision's VGG16,
a state dict, or the .keras file that tools/perceptual.py makes of it: nothing is fetched. The values are those of the
released scripts (bytedance/OMGD): widths of wide teacher, deep teacher and student, blocks that the teachers'
discriminators share, epochs, batch, the weight of the channels; without pairs the widths of teacher and student and the
turns, with a mobile ResNet alone.

An epoch is kept as the released code does: if its Fréchet distance, or on Cityscapes its mIoU, is the best so far. For
that it takes `judge`, the path of a classifier between whose features the distance then is, or of the FID's Inception
weights (pt_inception-2015-12-05-6726825d.pth, which the released code judges by), and on Cityscapes
`segmenter`, that of a segmenter. With pairs PSNR chooses where neither is given; without there must be a judge.

Every 25 epochs there are pictures of what all networks make of some images, in the workdir and on its page.

No run of the released length was made here: it takes a GPU for days.

Arguments: task (edges2shoes, cityscapes, horse2zebra, summer2winter), network (unet, resnet), size (1.0, 0.75, 0.5, of
the student), data, vgg, judge, segmenter, ablation (none, wide, deep, channels, stages, alone; without pairs none,
channels, stages), smoke (a few epochs on noisy digits, synthetic, without features).
"""

import math
import pathlib

from odtf.errors import UserError
from odtf.training.config import choose, default_config, free, parse_arg

# Wide teacher, deep teacher, student; width of the discriminator.
_WIDTHS = {"1.0": (64, 16, 16, 128), "0.75": (48, 12, 12, 96), "0.5": (48, 12, 8, 96)}
# Shared blocks of the discriminator, and the weight of the channels, by size.
_SCRIPTS = {
    ("unet", "cityscapes"): {"1.0": (5, 50.0), "0.75": (5, 50.0), "0.5": (3, 50.0)},
    ("unet", "edges2shoes"): {"1.0": (5, 10.0), "0.75": (5, 10.0), "0.5": (5, 10.0)},
    ("resnet", "cityscapes"): {"1.0": (4, 0.0), "0.75": (3, 0.0), "0.5": (3, 0.0)},
    ("resnet", "edges2shoes"): {"1.0": (3, 100.0), "0.75": (3, 1000.0), "0.5": (3, 1000.0)},
}
# Constant epochs, all epochs, steps for each of the teachers'.
_LENGTHS = {"cityscapes": (300, 750, 3), "edges2shoes": (100, 200, 1)}
# Without pairs: the weight of the channels, and the epochs of a teacher's turn by size.
_TURNS = {
    "horse2zebra": (500.0, {"1.0": 10, "0.75": 12, "0.5": 8}),
    "summer2winter": (100.0, {"1.0": 6, "0.75": 6, "0.5": 6}),
}
# Constant epochs of the teacher, all of them, and epochs of the student for each; width of the discriminators.
_CYCLE_LENGTHS, _CYCLE_WIDTH = (100, 200, 4), 64


def get_config(arg=None):
    """Returns the experiment's `ConfigDict`; see the module's docstring for `arg`."""
    arg = parse_arg(
        arg,
        task="edges2shoes",
        network="",
        size="1.0",
        data="PICTURES",
        vgg="VGG",
        judge="",
        segmenter="",
        ablation="none",
        smoke=False,
    )
    choose("task", arg.task, {**_LENGTHS, **_TURNS})
    config = default_config()
    config.data.name, config.data.image_size = f"folder:{arg.data}", (256, 256)
    config.data.augment = free({"load_size": 286, "flip": True})
    config.optimizer = free({"name": "adam", "beta_1": 0.5})
    config.schedule.name, config.schedule.learning_rate = "linear", 2e-4
    config.pictures.every_epochs = 0 if arg.smoke else 25
    if arg.smoke:
        config.data.name, config.data.image_size = "digit_pictures", (32, 32)
        config.data.augment = free({"load_size": 36, "flip": True})
        config.data.max_train_examples = 200
        config.schedule.learning_rate = 2e-3
        config.export.calibration_examples = 32
    _set_task(config, arg)
    method = _paired(config, arg) if arg.task in _LENGTHS else _unpaired(config, arg)
    if arg.smoke:
        config.batch_size = 20
        method |= {"features": None, "style_weight": 0.0, "feature_weight": 0.0, "discriminator_width": 8}
    config.method = free({"name": "OnlineMultiGranularity", "features": arg.vgg, **method})
    return config


def _set_task(config, arg):
    paired, judge = arg.task in _LENGTHS, arg.judge
    if not paired:
        judge = judge or (f"{pathlib.Path(__file__).resolve()}:grey_levels" if arg.smoke else "JUDGE")
    if arg.segmenter and arg.task != "cityscapes":
        raise UserError(f"The config's argument segmenter is for task=cityscapes. Received: task={arg.task}.")
    config.task = free({"name": "translation"} if paired else {"name": "translation", "paired": False})
    chosen_by = []
    if judge:
        config.task.features = judge
        chosen_by.append(f"frechet_{_title(judge)}")
    if arg.segmenter:
        config.task.segmenter = arg.segmenter
        chosen_by.append(f"miou_{_title(arg.segmenter)}")
    if chosen_by:
        config.task.chosen_by = tuple(chosen_by)


def _paired(config, arg):
    """Sets what belongs to pairs and returns the arguments of the method."""
    constant, epochs, every = _LENGTHS[arg.task]
    name = arg.network or "unet"
    norm = choose("network", name, {"unet": "batch", "resnet": "instance"})
    wide, deep, student, judging = choose("size", arg.size, _WIDTHS)
    shared, channels = _SCRIPTS[name, arg.task][arg.size]
    network = {"name": f"{name}_generator"}
    if arg.task == "cityscapes" and not arg.smoke:
        config.data.name = f"reversed:{config.data.name}"
    config.batch_size = 1 if (name, arg.task) == ("resnet", "cityscapes") else 4
    if arg.smoke:
        constant, epochs, wide, deep, student = 2, 3, 8, 4, 4
        network |= {"levels": 4} if name == "unet" else {"blocks": 3}
    config.epochs, config.schedule.milestones = epochs, (constant,)
    _set_network(config, network, student)
    method = {
        "channel_weight": channels,
        "teachers_every": every,
        "discriminator_width": judging,
        "discriminator_norm": norm,
        "shared_blocks": shared,
        "wide_network": {**network, "width": wide},
        "deep_network": {**network, "width": deep, "deep": True},
    }
    teachers = {"wide_network": None, "deep_network": None}
    ablations = {
        "none": {},
        "wide": {"deep_network": None},
        "deep": {"wide_network": None},
        "channels": {"channel_weight": 0.0},
        "stages": {"teacher_epochs": max(1, epochs // 2)},
        "alone": {**teachers, "alone": True},
    }
    return method | choose("ablation", arg.ablation, ablations)


def _unpaired(config, arg):
    """Sets what belongs to two sets without pairs and returns the arguments of the method."""
    (constant, epochs, pace), (channels, turns) = _CYCLE_LENGTHS, _TURNS[arg.task]
    choose("network", arg.network or "resnet", {"resnet": None})
    wide, _, student, _ = choose("size", arg.size, _WIDTHS)
    turn, network = turns[arg.size], {"name": "resnet_generator"}
    config.batch_size = 1
    if arg.smoke:
        constant, epochs, pace, turn, wide, student = 1, 2, 1, 1, 8, 4
        network |= {"blocks": 3}
    config.epochs = epochs + math.ceil(epochs / turn) * turn * pace
    config.schedule.milestones = (constant,)  # Of the teacher's epochs.
    _set_network(config, network, student)
    method = {
        "channel_weight": channels,
        "teachers_every": pace,
        "teacher_epochs": epochs,
        "turn_epochs": turn,
        "discriminator_width": _CYCLE_WIDTH,
        "discriminator_norm": "instance",
        "wide_network": {**network, "width": wide},
    }
    ablations = {"none": {}, "channels": {"channel_weight": 0.0}, "stages": {"turn_epochs": None}}
    return method | choose("ablation", arg.ablation, ablations)


def _set_network(config, network, width):
    config.network = free({**network, "width": width})
    if network["name"] == "resnet_generator":  # Its instance norms and margins are no operators of a microcontroller.
        config.export.targets, config.export.quantization = ("phone",), "float16"


def grey_levels(pixels):
    """What judges the smoke form without pairs: grey levels of sixteen places, no features of pictures."""
    from keras import ops

    return ops.reshape(ops.mean(pixels[:, 4::8, 4::8], axis=-1), (-1, 16)) / 255.0


def _title(name):
    """The name of a file or folder without its suffix, or of a function, as the task names its metric."""
    return name.rpartition(":")[2] if ":" in name else pathlib.Path(name).stem
