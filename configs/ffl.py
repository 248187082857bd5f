"""FFL, feature fusion learning: two branches and the classifier on their fused maps teach each other.

    odtf-train --config=ffl:network=resnet32,data=cifar100 --workdir=DIR --config.data.data_dir=DATA

The protocol is that of the released code (Jangho-Kim/FFL-pytorch): SGD with Nesterov momentum 0.9, learning rate 0.1
times 0.1 at epochs 150 and 225 of 301 (0-based, all of which it runs), batch 128, weight decay 1e-4 (1e-5 for the
fusion module), reflect-padded crops and flips, T = 3, ramp of 80 epochs. It is for CIFAR-100; that for CIFAR-10 is
UNVERIFIED and the same here.

Top-1 of FFL-S, one branch alone (product=single), mean and deviation as printed in the table of the PCL paper (quoted
by the README of its reproduction, shaoeric; the PCL authors ran it, with their recipe and networks):

    network          CIFAR-100       CIFAR-10
    resnet32         72.18 +- 0.11   94.01 +- 0.11
    resnet110_pcl    77.22 +- 0.41   94.72 +- 0.06
    vgg16            70.87 +- 0.99   93.22 +- 0.08
    densenet40_12    71.25 +- 0.35   93.28 +- 0.16
    wrn20_8          78.22 +- 0.14   94.72 +- 0.13

The tables of FFL's own paper are UNVERIFIED. Fused numbers (product=fused) of low certainty, on CIFAR-100, from the
README of Coralmss/CMFF: resnet32 74.44, resnet110 80.66, vgg16 73.56, wrn20_8 80.94, densenet40_12 71.31.

"resnet110" is the released code's (basic blocks), "resnet110_pcl" that of OKDDip and PCL (bottlenecks). The DenseNet
branches have a last block of their own, as the papers describe; in the code of OKDDip they share it by mistake.

The recipe for ImageNet is UNVERIFIED. data=imagenet2012, with the networks resnet18 and resnet34, is a DESIGN CHOICE:
FFSD's protocol, see `odtf.training.protocols`, and a ramp of 80 of its 90 epochs.

Arguments: network (resnet32; on ImageNet resnet18), data (cifar10, cifar100, imagenet2012), product (single, fused),
conv (standard, depthwise, shift, line, ghost: what stands for the 3x3 convolutions), peers, epochs (0: the protocol's;
milestones scale with it), smoke (two epochs on digits).
"""

from odtf.training.config import choose, default_config, free, parse_arg, rising, smoke
from odtf.training.protocols import imagenet

NETWORKS = {
    "resnet32": {"name": "cifar_resnet", "depth": 32},
    "resnet110": {"name": "cifar_resnet", "depth": 110},
    "resnet110_pcl": {"name": "cifar_resnet", "depth": 110, "block": "bottleneck"},
    "vgg16": {"name": "vgg", "depth": 16},
    "densenet40_12": {"name": "densenet", "depth": 40, "growth": 12},
    "wrn20_8": {"name": "cifar_resnet", "depth": 20, "block": "bottleneck", "inner_width": 8},
    **{f"resnet{depth}": {"name": "resnet", "depth": depth} for depth in (18, 34)},
}
STATISTICS = {
    "cifar10": {"mean": (0.4914, 0.4822, 0.4465), "std": (0.2470, 0.2435, 0.2616)},
    "cifar100": {
        "mean": (129.3 / 255, 124.1 / 255, 112.4 / 255),
        "std": (68.2 / 255, 65.4 / 255, 70.4 / 255),
    },
    "imagenet2012": {},
}


def get_config(arg=None):
    """Returns the experiment's `ConfigDict`; see the module's docstring for `arg`."""
    arg = parse_arg(
        arg,
        network="",
        data="cifar100",
        product="single",
        conv="standard",
        peers=2,
        epochs=0,
        smoke=False,
    )
    network = arg.network or ("resnet18" if arg.data == "imagenet2012" else "resnet32")
    config = default_config()
    config.data.name = arg.data
    config.data.update(choose("data", arg.data, STATISTICS))
    config.data.augment = free({"pad": 4, "pad_mode": "reflect", "flip": True, "cutout": 0})
    config.batch_size = 128
    config.epochs = arg.epochs or 301
    config.weight_decay = 1e-4
    config.network = free({**choose("network", network, NETWORKS), "conv": arg.conv})
    config.method = free({"name": "FeatureFusion", "num_peers": arg.peers, "student": arg.product})
    if network == "densenet40_12":
        config.method.cut = "transition2_pool"
    config.optimizer.nesterov = True
    config.schedule.name = "piecewise"
    config.schedule.learning_rate = 0.1
    config.schedule.milestones = rising([config.epochs // 2, config.epochs * 3 // 4])
    if arg.data == "imagenet2012":
        imagenet(config, arg.epochs)
    if arg.smoke:
        smoke(config)
        config.network = free({"name": "cifar_resnet", "depth": 8, "width": 8, "conv": arg.conv})
        config.method.cut = None
    return config
