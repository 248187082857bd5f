"""Pacemaker: a wide ResNet of 1x3 convolutions learns from one of 3x3 through a network in between.

    odtf-train --config=pacemaker:network=wrn40_4 --workdir=DIR --config.data.data_dir=DATA

Of the paper (Son et al., arXiv 2003.03944) the abstract was read, and no code was released: WRN-40-4 on CIFAR-100 gains
5.39 points against conventional distillation, which is worse there than no distillation, and runs deviate less from
each other. Absolute numbers are UNVERIFIED; the claim is about deviations too, so run at least three seeds. The
baselines are the same student by `method=kd` (plain distillation) and by `method=solo`.

Parameters for 100 classes, teacher and student, whose stem is 1x3 as well but for the ResNets' (in millions):

    wrn40_4   8.972  3.043        wrn16_2    0.703  0.251
    wrn40_2   2.255  0.771        resnet20   0.278  0.100
    wrn28_4   5.872  2.007        resnet56   0.862  0.296
    wrn16_4   2.772  0.972        resnet110  1.737  0.591

DESIGN CHOICE, the usual protocol of wide ResNets, for each network of the chain: 200 epochs, batch 128, SGD with
Nesterov momentum 0.9, learning rate 0.1 times 0.2 at epochs 60, 120 and 160, weight decay 5e-4, zero-padded crops and
flips; T = 4, half of the weight on distillation. Never turn or transpose images here: rows are all the student sees.
ImageNet is not in the paper: data=imagenet2012, with the networks resnet18 and resnet34, whose pacemaker has two
branches on one stem, is a DESIGN CHOICE too, FFSD's protocol (see `odtf.training.protocols`) for each network.

Arguments: network (wrn40_4; on ImageNet resnet18), data (cifar10, cifar100, imagenet2012), method (pacemaker, kd,
solo), pacemaker (half: 3x3 and then 1xN in each block; ensemble: a branch of each on one 3x3 stem, which the student
has then, too; ResNets always have the latter), line (N of the 1xN convolutions, odd; the teacher stays 3x3), guidance
(mean, ensemble, sequence), online (all at once), epochs (of each network, 0: the protocol's), smoke (an epoch each on
digits).
"""

from odtf.training.config import choose, default_config, free, parse_arg, rising, smoke
from odtf.training.protocols import imagenet

NETWORKS = {
    **{
        f"wrn{depth}_{widen}": {"name": "wide_resnet", "depth": depth, "widen": widen}
        for depth, widen in ((40, 4), (40, 2), (28, 4), (16, 4), (16, 2))
    },
    **{f"resnet{depth}": {"name": "cifar_resnet", "depth": depth} for depth in (20, 56, 110)},
    **{f"resnet{depth}": {"name": "resnet", "depth": depth} for depth in (18, 34)},
}
STATISTICS = {
    "cifar10": {"mean": (0.4914, 0.4822, 0.4465), "std": (0.2470, 0.2435, 0.2616)},
    "cifar100": {"mean": (0.5071, 0.4865, 0.4409), "std": (0.2673, 0.2564, 0.2762)},
    "imagenet2012": {},
}


def get_config(arg=None):
    """Returns the experiment's `ConfigDict`; see the module's docstring for `arg`."""
    arg = parse_arg(
        arg,
        network="",
        data="cifar100",
        method="pacemaker",
        pacemaker="half",
        line=3,
        guidance="mean",
        online=False,
        epochs=0,
        smoke=False,
    )
    network = arg.network or ("resnet18" if arg.data == "imagenet2012" else "wrn40_4")
    config = default_config()
    config.data.name = arg.data
    config.data.update(choose("data", arg.data, STATISTICS))
    config.data.augment = free({"pad": 4, "pad_mode": "zero", "flip": True, "cutout": 0})
    config.batch_size = 128
    config.weight_decay = 5e-4
    config.optimizer.nesterov = True
    config.schedule.name = "piecewise"
    config.schedule.learning_rate = 0.1
    config.schedule.factor = 0.2
    spec, epochs = choose("network", network, NETWORKS), arg.epochs or 200
    config.schedule.milestones = rising(epochs * share // 10 for share in (3, 6, 8))
    if arg.data == "imagenet2012":
        imagenet(config, arg.epochs)
        epochs = config.epochs
    if arg.smoke:
        smoke(config)
        spec, epochs = {**spec, **(SMALL_WIDE if spec["name"] == "wide_resnet" else SMALL)}, 1
        spec.pop("widen", None)
    half = choose("pacemaker", arg.pacemaker, {"half": True, "ensemble": False})
    line = "line" if arg.line == 3 else f"line{arg.line}"
    teacher, student, between = {**spec}, {**spec, "conv": line}, None
    if spec["name"] == "wide_resnet" and half:
        student["stem_conv"] = line
        between = {**spec, "second_conv": line}
    config.network = free(student)
    config.method = choose(
        "method",
        arg.method,
        {
            "pacemaker": free({"name": "Pacemaker", "teacher_network": teacher, "guidance": arg.guidance}),
            "kd": free({"name": "TAKD", "teacher_network": teacher, "temperature": 4.0}),
            "solo": free({"name": "Solo"}),
        },
    )
    if arg.method == "pacemaker" and between:
        config.method.pacemaker_network = between
    elif arg.method == "pacemaker":
        config.method.cut = "stem"  # With quantization.aware "stem_relu": the stem of a CIFAR ResNet has its norm then.
    steps = {"pacemaker": 4 if arg.guidance == "sequence" else 3, "kd": 2, "solo": 1}[arg.method]
    steps = 1 if arg.online else steps
    if arg.method != "solo":
        config.method.step_epochs = () if arg.online else (epochs,)
    config.epochs = steps * epochs
    config.schedule.restarts = tuple(epochs * step for step in range(1, steps))
    return config


SMALL = {"name": "cifar_resnet", "depth": 8, "width": 8}
SMALL_WIDE = {"depth": 10, "widths": (8, 16, 32), "stem_width": 8}
