"""OD-cheap-convolution on CIFAR and ImageNet: four cheap ResNets and a teacher on their concatenated features.

    odtf-train --config=cifar10_od:block=depthwise,depth=56 --workdir=DIR --config.data.data_dir=DATA

The protocol is that of the released code (EthanZhangYC/OD-cheap-convolution): SGD with momentum 0.9, learning rate 0.1
times 0.1 at epochs 150 and 225 of 300, batch 128, weight decay 2e-4 on everything, zero-padded crops and flips, T = 4.
The paper's result tables are UNVERIFIED; its student is ResNet-56 with depthwise blocks: 119,818 parameters, 20.47 M
MACs. DATA is a TFDS directory with cifar10.

Its baselines, by method: `cheap` is the same cheap network alone, `standard` the network alone that it was made from (a
ResNet of equal depth), `kd` the cheap one taught by that, which learns first and for as many epochs.

The abstract has a teacher with the standard convolution, which the released code has not: teacher=network adds it to
the cohort, a DESIGN CHOICE (see `OnlineDistillationCheap`), with 0.1 of the labels and 0.9 of the divergence from it,
and without a gradient into it. With teacher=mean the target is the mean of it and of the concatenated teacher.

ImageNet is in the paper, its protocol is UNVERIFIED. data=imagenet2012 is a DESIGN CHOICE: FFSD's protocol (see
`odtf.training.protocols`) and ResNets in their ImageNet shape, a cheap convolution and a 1x1 one in place of each 3x3.

Arguments: block (depthwise, group, shift), groups (for group), depth (0: 56; 6n+2; on ImageNet 0: 18; 34, 50, 101),
data (cifar10, cifar100, imagenet2012, any data set of TFDS, or folder:PATH: then as large as --config.data.image_size
says), method (od, cheap, standard, kd), teacher (none, network, mean), peers, epochs (of each network, 0: the
protocol's; milestones scale with it), kl (batchmean, elementmean: the released code's reduction), smoke (two epochs on
digits).
"""

from odtf.training.config import choose, default_config, free, parse_arg, rising, smoke
from odtf.training.protocols import imagenet

STATISTICS = {
    "cifar10": {"mean": (0.4914, 0.4822, 0.4465), "std": (0.2023, 0.1994, 0.2010)},
    "cifar100": {"mean": (0.5071, 0.4867, 0.4408), "std": (0.2675, 0.2565, 0.2761)},
}
TEACHERS = {"none": None, "network": "network", "mean": "mean"}


def get_config(arg=None):
    """Returns the experiment's `ConfigDict`; see the module's docstring for `arg`."""
    arg = parse_arg(
        arg,
        block="depthwise",
        groups=4,
        depth=0,
        data="cifar10",
        method="od",
        teacher="none",
        peers=4,
        epochs=0,
        kl="batchmean",
        smoke=False,
    )
    on_imagenet, epochs = arg.data == "imagenet2012" and not arg.smoke, arg.epochs or 300
    config = default_config()
    config.data.name = arg.data
    config.data.update(STATISTICS.get(arg.data, {}))
    config.data.augment = free({"pad": 4, "pad_mode": "zero", "flip": True, "cutout": 0})
    config.batch_size = 128
    config.weight_decay = 2e-4
    config.schedule.name = "piecewise"
    config.schedule.learning_rate = 0.1
    config.schedule.milestones = rising([epochs // 2, epochs * 3 // 4])
    if on_imagenet:
        imagenet(config, arg.epochs)
        epochs = config.epochs
    if arg.smoke:
        smoke(config)
        epochs = config.epochs
    depth = 8 if arg.smoke else arg.depth or (18 if on_imagenet else 56)
    standard = {"name": "resnet" if on_imagenet else "cifar_resnet", "depth": depth}
    cheap = {"name": "resnet" if on_imagenet else "od_cheap_resnet", "depth": depth, "conv": arg.block}
    if arg.block == "group":
        cheap["groups"] = arg.groups
    od = {"name": "OnlineDistillationCheap", "num_peers": arg.peers, "temperature": 4.0, "kl_reduction": arg.kl}
    if target := choose("teacher", arg.teacher, TEACHERS):
        od |= {"teacher_network": standard, "target": target, "share": 0.9, "detach_teacher": True}
    kd = {"name": "OfflineDistillation", "teacher_network": standard, "teacher_epochs": epochs}
    kd |= {"temperature": 4.0, "alpha": 0.9}
    methods = {"od": od, "cheap": {"name": "Solo"}, "standard": {"name": "Solo"}, "kd": kd}
    config.method = free(choose("method", arg.method, methods))
    config.network = free(standard if arg.method == "standard" else cheap)
    config.epochs = epochs * (2 if arg.method == "kd" else 1)
    config.schedule.restarts = (epochs,) if arg.method == "kd" else ()
    return config
