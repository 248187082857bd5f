"""FFSD, feature fusion and self-distillation: common students, their fusion, and the leader that is deployed.

    odtf-train --config=ffsd:network=resnet32 --workdir=DIR --config.data.data_dir=DATA

The protocol is that of the released code (SJLeo/FFSD). CIFAR-100: 299 epochs (numbered 1 to 299 there), batch 128, SGD
with Nesterov momentum 0.9, learning rate 0.1 times 0.1 at the 0-based epochs 150 and 225, weight decay 1e-4 (1e-5 for
the fusion module), Adam at 1e-3 with coupled L2 1e-4 and the same milestones for the self-distillation transforms,
reflect-padded crops and flips, T = 2, coefficients 1e-5, 10 and 1000 that rise over 5 epochs. The released code has no
CIFAR-10; the same protocol is UNVERIFIED there. ImageNet: 90 epochs, batch 256, 5 epochs of linear warm-up, milestones
30, 60 and 80, and random parts of the photos, of 8 to 100 % of their area, in place of padded crops.

Top-1 of the leader, three runs, as printed in the README of SJLeo/FFSD with the authors' checkpoints:

    network         data         runs                  mean
    resnet20        cifar100     72.64 72.58 72.88     72.70
    resnet32        cifar100     74.92 74.82 74.82     74.85
    resnet56        cifar100     75.84 75.66 75.91     75.80
    wrn16_2         cifar100     75.87 75.86 75.69     75.81
    wrn40_2         cifar100     79.13 79.19 79.11     79.14
    densenet40_12   cifar100     77.29 77.70 77.17     77.39
    googlenet       cifar100     81.52 81.93 81.34     81.60
    resnet18        imagenet2012 70.87
    resnet34        imagenet2012 74.69

They are the best epoch on the test set. The paper's columns of other methods are UNVERIFIED.

Arguments: network (resnet32; on ImageNet resnet18), data (cifar10, cifar100, imagenet2012), shift (released, raw: the
attention shift), trans_fusion (the leader's extra head), conv (standard, depthwise, shift, line, ghost: what stands for
the 3x3 convolutions), peers (common students), epochs (0: the protocol's; milestones scale with it), smoke (two epochs
on digits).
"""

from odtf.training.config import choose, default_config, free, parse_arg, rising, smoke
from odtf.training.protocols import imagenet

NETWORKS = {
    "resnet20": {"name": "cifar_resnet", "depth": 20},
    "resnet32": {"name": "cifar_resnet", "depth": 32},
    "resnet56": {"name": "cifar_resnet", "depth": 56},
    "wrn16_2": {"name": "wide_resnet", "depth": 16, "widen": 2, "variant": "ffsd"},
    "wrn40_2": {"name": "wide_resnet", "depth": 40, "widen": 2, "variant": "ffsd"},
    "densenet40_12": {"name": "densenet", "depth": 40, "growth": 12, "bottleneck": False, "compression": 1.0},
    "googlenet": {"name": "googlenet"},
    "resnet18": {"name": "resnet", "depth": 18},
    "resnet34": {"name": "resnet", "depth": 34},
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
        shift="released",
        trans_fusion=True,
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
    config.epochs = arg.epochs or 299
    config.weight_decay = 1e-4
    config.network = free({**choose("network", network, NETWORKS), "conv": arg.conv})
    config.optimizer.nesterov = True
    config.schedule.name = "piecewise"
    config.schedule.learning_rate = 0.1
    config.schedule.milestones = rising([(config.epochs + 1) // 2, (config.epochs + 1) * 3 // 4])
    if arg.data == "imagenet2012":
        imagenet(config, arg.epochs)
    config.method = free(
        {
            "name": "FeatureFusionSelfDistillation",
            "num_peers": arg.peers,
            "attention_shift": arg.shift,
            "trans_fusion": arg.trans_fusion,
            # The transforms' rate follows the main one, also where that is set on the command line.
            "base_rate": config.schedule.get_ref("learning_rate"),
        }
    )
    if arg.smoke:
        smoke(config)
        config.network = free({"name": "cifar_resnet", "depth": 8, "width": 8, "conv": arg.conv})
    return config
