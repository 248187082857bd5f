"""Online multi-granularity distillation of image translation (OMGD): its paired scripts.

    odtf-train --config=omgd:data=SHOES,vgg=vgg16-397923af.pth --workdir=runs/shoes
    odtf-train --config=omgd:task=cityscapes,network=resnet,data=STREETS,vgg=VGG --workdir=runs/streets
    odtf-train --config=omgd:smoke --workdir=runs/digits

SHOES is a folder with train/ and val/ of images A|B, as edges2shoes-r; STREETS Cityscapes' unpacked folder, which goes
from the label map to the photograph. VGG is torchvision's VGG16, a state dict, or the .keras file that
tools/perceptual.py makes of it: nothing is fetched. The values are those of the released scripts (bytedance/OMGD):
widths of wide teacher, deep teacher and student, blocks that the teachers' discriminators share, epochs, batch, the
weight of the channels. Their choice by Fréchet distance or mIoU needs networks that judge; here it is PSNR, unless
`judge` names one: the path of a classifier, between whose features the Fréchet distance then is.

No run of the released length was made here: it takes a GPU for days.

Arguments: task (edges2shoes, cityscapes), network (unet, resnet), size (1.0, 0.75, 0.5, of the student), data, vgg,
judge, ablation (none, wide, deep, channels, stages, alone), smoke (three epochs on noisy digits, synthetic, without
features).
"""

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


def get_config(arg=None):
    """Returns the experiment's `ConfigDict`; see the module's docstring for `arg`."""
    arg = parse_arg(
        arg,
        task="edges2shoes",
        network="unet",
        size="1.0",
        data="PAIRS",
        vgg="VGG",
        judge="",
        ablation="none",
        smoke=False,
    )
    constant, epochs, every = choose("task", arg.task, _LENGTHS)
    norm = choose("network", arg.network, {"unet": "batch", "resnet": "instance"})
    wide, deep, student, judging = choose("size", arg.size, _WIDTHS)
    shared, channels = _SCRIPTS[arg.network, arg.task][arg.size]
    config = default_config()
    config.data.name = f"reversed:folder:{arg.data}" if arg.task == "cityscapes" else f"folder:{arg.data}"
    config.data.image_size = (256, 256)
    config.data.augment = free({"load_size": 286, "flip": True})
    config.batch_size = 1 if (arg.network, arg.task) == ("resnet", "cityscapes") else 4
    config.epochs = epochs
    config.task = free({"name": "translation", "features": arg.judge} if arg.judge else {"name": "translation"})
    if arg.judge:
        config.task.chosen_by = f"frechet_{_stem(arg.judge)}"
    config.optimizer = free({"name": "adam", "beta_1": 0.5})
    config.schedule.name, config.schedule.learning_rate, config.schedule.milestones = "linear", 2e-4, (constant,)
    method = {
        "features": arg.vgg,
        "channel_weight": channels,
        "teachers_every": every,
        "discriminator_width": judging,
        "discriminator_norm": norm,
        "shared_blocks": shared,
    }
    network = {"name": f"{arg.network}_generator"}
    if arg.network == "resnet":  # Its instance norms and mirrored margins are no operators of a microcontroller.
        config.export.targets, config.export.quantization = ("phone",), "float16"
    if arg.smoke:
        wide, deep, student = 8, 4, 4
        network |= {"levels": 4} if arg.network == "unet" else {"blocks": 3}
        method |= {"features": None, "style_weight": 0.0, "feature_weight": 0.0, "discriminator_width": 8}
        config.data.name, config.data.image_size = "digit_pictures", (32, 32)
        config.data.augment = free({"load_size": 36, "flip": True})
        config.data.max_train_examples = 200
        config.batch_size, config.epochs, config.schedule.milestones = 20, 3, (2,)
        config.schedule.learning_rate = 2e-3
        config.export.calibration_examples = 32
    config.network = free({**network, "width": student})
    method |= {"wide_network": {**network, "width": wide}, "deep_network": {**network, "width": deep, "deep": True}}
    method |= choose("ablation", arg.ablation, _ablations(config.epochs))
    config.method = free({"name": "OnlineMultiGranularity", **method})
    return config


def _ablations(epochs):
    """What each of them changes in the method, by its name."""
    teachers = {"wide_network": None, "deep_network": None}
    return {
        "none": {},
        "wide": {"deep_network": None},
        "deep": {"wide_network": None},
        "channels": {"channel_weight": 0.0},
        "stages": {"teacher_epochs": max(1, epochs // 2)},
        "alone": {**teachers, "alone": True},
    }


def _stem(path):
    """The name of a file or folder without its suffix, as the task names its metric."""
    return path.rstrip("/").rpartition("/")[2].partition(".")[0]
