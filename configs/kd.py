"""KD, classical distillation, on CIFAR-100: the pairs of networks of RepDistiller.

    odtf-train --config=kd:pair=resnet110_resnet32 --workdir=DIR --config.data.data_dir=DATA

trains the teacher and then, in the same run and with a schedule of its own, the student. To train a teacher once for
several students, in two commands:

    odtf-train --config=kd:pair=resnet110_resnet32,teacher=train --workdir=T --config.data.data_dir=DATA
    odtf-train --config=kd:pair=resnet110_resnet32,teacher=T --workdir=DIR --config.data.data_dir=DATA

To run that teacher once for all epochs of all students, store its answers; views are fewer with a smaller pad:

    odtf-store --config=kd --config.data.data_dir=DATA --config.data.augment.pad=2 --teacher=T --output=A
    odtf-train --config=kd:teacher=A --config.data.augment.pad=2 --workdir=DIR --config.data.data_dir=DATA

The protocol is that of the released code (HobbitLong/RepDistiller): 240 epochs, batch 64, SGD with momentum 0.9,
learning rate 0.05 (0.01 for MobileNetV2) times 0.1 at epochs 150, 180 and 210, weight decay 5e-4, zero-padded crops and
flips; 0.1 CE + 0.9 T^2 KL, T = 4.

Top-1 on CIFAR-100 as printed in its README:

    pair                    teacher   student alone   KD
    wrn40_2_wrn16_2         75.61     73.26           74.92
    wrn40_2_wrn40_1         75.61     71.98           73.54
    resnet56_resnet20       72.34     69.06           70.66
    resnet110_resnet20      74.31     69.06           70.67
    resnet110_resnet32      74.31     71.14           73.08
    resnet32x4_resnet8x4    79.42     72.50           73.33
    vgg13_vgg8              74.64     70.36           72.98
    vgg13_mobilenetv2       74.64     64.60           67.37

Deviations: the VGGs here pool after each of their five stages, the released ones three times on images of this size;
all convolutions start by fan-in, the released ones by fan-out.

Also resnet110_resnet20, in another recipe, of the README of AberHu/Knowledge-Distillation-Zoo: 70.06 on CIFAR-100
(alone 68.92, teacher 73.15) and 92.82 on CIFAR-10 (92.37, 93.86).

With divergence=standardized, dkd or dist it is the divergence of another paper on the same pairs, with its weights:

    divergence      loss                                                     top-1 on CIFAR-100
    standardized    0.1 CE + 9 KL of standardised logits, T = 2              71.43   74.17   76.62   74.37
    dkd             CE + min(epoch / 20, 1) DKD, T = 4, beta = 8             71.97   74.11   76.32   74.81
    dist            CE + 2 DIST, T = 4                                       71.75   -       76.31   74.43

of resnet56_resnet20, resnet110_resnet32, resnet32x4_resnet8x4 and wrn40_2_wrn40_1, as the READMEs of
sunshangquan/logit-standardization-KD (the first two rows) and hunto/DIST_KD print them. DKD's beta is 2 for the first
two pairs and 6 for the last: `--config.method.divergence.beta=2`.

Arguments: pair, data (cifar10, cifar100), divergence (kl, standardized, dkd, dist), teacher ("here": in the same run;
"train": the teacher alone; or the workdir of the finished teacher, or what odtf-store has made of it), conv (standard,
depthwise, shift, line, ghost: what stands for the 3x3 convolutions of the student, where it is a ResNet, WRN or VGG),
epochs (of each network; milestones scale with it), smoke (one epoch of the teacher and two of the student on digits).
"""

from odtf.training.config import choose, default_config, free, parse_arg, rising, smoke

NETWORKS = {
    "wrn40_2": {"name": "wide_resnet", "depth": 40, "widen": 2},
    "wrn40_1": {"name": "wide_resnet", "depth": 40, "widen": 1},
    "wrn16_2": {"name": "wide_resnet", "depth": 16, "widen": 2},
    "resnet110": {"name": "cifar_resnet", "depth": 110},
    "resnet56": {"name": "cifar_resnet", "depth": 56},
    "resnet32": {"name": "cifar_resnet", "depth": 32},
    "resnet20": {"name": "cifar_resnet", "depth": 20},
    "resnet32x4": {"name": "cifar_resnet", "depth": 32, "width": 64, "stem_width": 32},
    "resnet8x4": {"name": "cifar_resnet", "depth": 8, "width": 64, "stem_width": 32},
    "vgg13": {"name": "vgg", "depth": 13},
    "vgg8": {"name": "vgg", "depth": 8},
    "mobilenetv2": {"name": "mobilenet_v2"},
}
PAIRS = {
    f"{teacher}_{student}": (teacher, student)
    for teacher, student in (
        ("wrn40_2", "wrn16_2"),
        ("wrn40_2", "wrn40_1"),
        ("resnet56", "resnet20"),
        ("resnet110", "resnet20"),
        ("resnet110", "resnet32"),
        ("resnet32x4", "resnet8x4"),
        ("vgg13", "vgg8"),
        ("vgg13", "mobilenetv2"),
    )
}
DIVERGENCES = {
    "kl": {"temperature": 4.0, "alpha": 0.9},
    "standardized": {
        "temperature": 2.0,
        "alpha": 1.0,
        "labels_weight": 0.1,
        "divergence": {"name": "standardized", "weight": 9.0},
    },
    "dkd": {
        "temperature": 4.0,
        "alpha": 1.0,
        "labels_weight": 1.0,
        "divergence": {"name": "dkd", "alpha": 1.0, "beta": 8.0, "warmup_epochs": 20.0},
    },
    "dist": {
        "temperature": 4.0,
        "alpha": 1.0,
        "labels_weight": 1.0,
        "divergence": {"name": "dist", "weight": 2.0, "beta": 1.0, "gamma": 1.0},
    },
}
STATISTICS = {
    "cifar10": {"mean": (0.4914, 0.4822, 0.4465), "std": (0.2470, 0.2435, 0.2616)},
    "cifar100": {"mean": (0.5071, 0.4867, 0.4408), "std": (0.2675, 0.2565, 0.2761)},
}


def get_config(arg=None):
    """Returns the experiment's `ConfigDict`; see the module's docstring for `arg`."""
    arg = parse_arg(
        arg,
        pair="resnet110_resnet32",
        data="cifar100",
        divergence="kl",
        teacher="here",
        conv="standard",
        epochs=240,
        smoke=False,
    )
    teacher, student = choose("pair", arg.pair, PAIRS)
    config = default_config()
    config.data.name = arg.data
    config.data.update(choose("data", arg.data, STATISTICS))
    config.data.augment = free({"pad": 4, "pad_mode": "zero", "flip": True, "cutout": 0})
    config.batch_size = 64
    config.weight_decay = 5e-4
    config.network = free(NETWORKS[student])
    if student != "mobilenetv2":
        config.network.conv = arg.conv
    config.schedule.name = "piecewise"
    config.schedule.learning_rate = 0.01 if student == "mobilenetv2" and arg.teacher != "train" else 0.05
    config.schedule.milestones = rising([arg.epochs * 5 // 8, arg.epochs * 3 // 4, arg.epochs * 7 // 8])
    config.epochs = arg.epochs
    if arg.teacher == "train":
        config.network = free(NETWORKS[teacher])
        config.method = free({"name": "Solo"})
        config.export.targets = ()
    else:
        config.method = free({"name": "OfflineDistillation", **choose("divergence", arg.divergence, DIVERGENCES)})
        if arg.teacher == "here":
            config.method.teacher_network = NETWORKS[teacher]
            config.method.teacher_epochs = arg.epochs
            config.epochs = 2 * arg.epochs
            config.schedule.restarts = (arg.epochs,)
        else:
            config.method.teacher_workdir = arg.teacher
    if arg.smoke:
        smoke(config)
        _shrink(config, arg)
    return config


def _shrink(config, arg):
    """Small networks for the smoke test."""
    config.network = free({"name": "cifar_resnet", "depth": 8, "width": 8, "conv": arg.conv})
    if arg.teacher == "train":
        config.network = free({"name": "cifar_resnet", "depth": 8})
    elif arg.teacher == "here":
        config.method.teacher_network = {"name": "cifar_resnet", "depth": 8}
        config.method.teacher_epochs = 1
        config.epochs = 3
        config.schedule.restarts = (1,)
