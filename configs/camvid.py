"""CamVid's standard split (367, 101 and 233 images) at 240x180: one family of networks with cheap convolutions.

    odtf-train --config=camvid:method=oem --workdir=DIR --config.data.name=folder:PATH

PATH holds train/, val/ and test/, each with images/ and labels/ (or masks/), and classes.txt, whose last class is void.
The family is a ResNet-18 of depthwise convolutions with a decoder of the same, trained with SGD from random weights.
Sizes, at 180x240 with 11 classes:

    size      parameters      MACs   channels of the stages and the decoder
    full         241,115    95.4 M   24, 48, 96, 192; 48
    4/5          158,177    81.5 M   24, 38, 76, 153; 38
    3/5           94,828    70.3 M   24, 28, 57, 115; 28
    2/5           48,526    62.3 M   24, 19, 38, 76; 19

The teacher has 32, 64, 128, 256 and 64 channels, of standard convolutions.

The methods: alone; deep mutual learning (dml) and online distillation with cheap convolutions (od) of two equal peers;
online ensemble compression (oem) of four students on one base, with 1, 4/5, 3/5 and 2/5 of the channels after it;
offline distillation per pixel (kd) and channel-wise (cwd) from a larger network with standard convolutions, which the
same command trains with method=teacher. The protocol is a DESIGN CHOICE throughout. Weights of the classes and the rate
were chosen on validation, from 40 epochs of the network alone: mIoU 40 % without weights at a rate of 0.05, 45 % with
those of the median frequency, and with them 50 % at 0.15 and at 0.4.

Arguments: method (alone, dml, od, oem, kd, cwd, teacher), teacher (workdir of a finished run with method=teacher, for
kd and cwd), size (of the network, where it is one: full, 4/5, 3/5, 2/5), peers (of dml and od), epochs (40), smoke (two
epochs on synthetic scenes).
"""

from odtf.training.config import choose, default_config, free, parse_arg

# Stages and decoder. Where the students of OEM part, after the stem, they are equal: it has the full width in all.
SIZES = {
    "full": ((24, 48, 96, 192), 48),
    "4/5": ((24, 38, 76, 153), 38),
    "3/5": ((24, 28, 57, 115), 28),
    "2/5": ((24, 19, 38, 76), 19),
}


def network(size, conv="depthwise"):
    """Returns the specification of a network of the family."""
    widths, decoder = choose("size", size, SIZES)
    backbone = {"name": "resnet", "depth": 18, "conv": conv, "widths": widths, "stem_width": widths[0]}
    return {"name": "encoder_decoder", "backbone": backbone, "conv": conv, "width": decoder, "stride": 4}


TEACHER = {
    "name": "encoder_decoder",
    "backbone": {"name": "resnet", "depth": 18, "conv": "standard", "width": 32},
    "conv": "standard",
    "width": 64,
    "stride": 4,
}


def get_config(arg=None):
    """Returns the experiment's `ConfigDict`; see the module's docstring for `arg`."""
    arg = parse_arg(arg, method="alone", teacher="", size="full", peers=2, epochs=40, smoke=False)
    config = default_config()
    config.data.name = "folder:camvid"
    config.data.augment = free({"flip": True, "scale": (0.7, 1.8), "rotate": 5.0, "color": 0.2})
    config.task = free({"name": "segmentation", "class_weights": "median_frequency"})
    config.network = free(network(arg.size))
    config.method = free(choose("method", arg.method, methods(arg)))
    if arg.method == "teacher":
        config.network = free(TEACHER)
        config.export.targets = ()
    if arg.method == "cwd":
        config.task.distillation = "channel"
    config.batch_size = 8
    config.epochs = arg.epochs
    config.weight_decay = 1e-4
    config.precision = "mixed_bfloat16"
    config.schedule.name = "cosine"
    config.schedule.learning_rate = 0.15
    config.schedule.warmup_epochs = min(2.0, config.epochs / 4)  # Also of a run of few epochs.
    if arg.smoke:
        shrink(config)
    return config


def methods(arg):
    """Returns `config.method` for each value of the argument."""
    distillation = {"name": "OfflineDistillation", "teacher_workdir": arg.teacher or None, "alpha": 0.5}
    return {
        "alone": {"name": "Solo"},
        "teacher": {"name": "Solo"},
        "dml": {"name": "DeepMutualLearning", "num_peers": arg.peers},
        "od": {"name": "OnlineDistillationCheap", "num_peers": arg.peers, "temperature": 4.0},
        "oem": {"name": "OnlineEnsemble", "networks": [network(size) for size in SIZES]},
        "kd": {**distillation, "temperature": 1.0},
        "cwd": {**distillation, "temperature": 4.0},
    }


def shrink(config):
    """Synthetic scenes and small networks, for the smoke test."""
    config.data.name = "digit_scenes"
    config.precision = "float32"
    config.batch_size, config.epochs = 40, 2
    config.schedule.warmup_epochs = 0.0
    backbone = {"name": "resnet8", "width": (4, 6, 8)}
    small = {"name": "encoder_decoder", "backbone": backbone, "conv": "depthwise", "width": 8, "stride": 2}
    config.network = free(small)
    if "networks" in config.method:
        config.method.networks = [small, small]
    if config.method.name == "OfflineDistillation" and config.method.teacher_workdir is None:
        config.method = free({**config.method.to_dict(), "teacher_network": small, "teacher_epochs": 1})
    config.export.targets = ("soc",)
    config.export.calibration_examples = 64
