"""DML, deep mutual learning, on CIFAR: networks that teach each other, without a teacher.

    odtf-train --config=dml:network=resnet32,data=cifar100 --workdir=DIR --config.data.data_dir=DATA

The protocol of the paper for CIFAR-100, as a user restates it in issue 3 of the released code
(YingZhangDUT/Deep-Mutual-Learning, which has the recipe for Market-1501 alone): 200 epochs, batch 64, SGD with Nesterov
momentum 0.9, learning rate 0.1 times 0.1 every 60 epochs; the weight decay 5e-4 is that user's, the paper's is
UNVERIFIED, and so is the augmentation (here zero-padded crops and flips). T = 1. recipe=okddip is that of
configs/okddip.py.

Top-1 of a pair on CIFAR-100, with the network alone in brackets:

    network     paper (UNVERIFIED)      others
    resnet20                            70.39, 70.22 (68.92): README of AberHu/Knowledge-Distillation-Zoo
    resnet32    71.19, 70.75 (68.99)    71.03 (69.83): reproduction of chxy95/Deep-Mutual-Learning
                                        70.3 to 71.5 (70.45 to 71.60), six runs: no gain, issue 3
    resnet110                           74.72, 75.55 (73.15): Knowledge-Distillation-Zoo
    wrn28_10    80.28, 80.08 (78.69)

and, with recipe=okddip presumably (T unknown), in the table of the PCL paper as quoted by the README of its
reproduction, shaoeric: resnet32 73.68 +- 0.14 on CIFAR-100 and 93.94 +- 0.07 on CIFAR-10; resnet110_pcl 77.86 +- 0.50
and 94.53 +- 0.25.

Arguments: network (those above, and resnet8 for small budgets), data (cifar10, cifar100), recipe (dml, okddip), conv
(standard, depthwise, shift, line, ghost: what stands for the 3x3 convolutions), peers, epochs (milestones scale with
it), smoke (two epochs on digits).
"""

import pathlib

from odtf.training.config import choose, free, load_config, parse_arg, rising

NETWORKS = {
    "resnet8": {"name": "cifar_resnet", "depth": 8},
    "resnet20": {"name": "cifar_resnet", "depth": 20},
    "resnet32": {"name": "cifar_resnet", "depth": 32},
    "resnet110": {"name": "cifar_resnet", "depth": 110},
    "resnet110_pcl": {"name": "cifar_resnet", "depth": 110, "block": "bottleneck"},
    "wrn28_10": {"name": "wide_resnet", "depth": 28, "widen": 10},
}


def get_config(arg=None):
    """Returns the experiment's `ConfigDict`; see the module's docstring for `arg`."""
    arg = parse_arg(
        arg,
        network="resnet32",
        data="cifar100",
        recipe="dml",
        conv="standard",
        peers=2,
        epochs=200,
        smoke=False,
    )
    network = choose("network", arg.network, NETWORKS)
    own = choose("recipe", arg.recipe, {"dml": True, "okddip": False})
    config = load_config(
        pathlib.Path(__file__).with_name("okddip.py"),
        f"data={arg.data},conv={arg.conv},epochs={arg.epochs},smoke={arg.smoke}",
    )
    config.method = free({"name": "DeepMutualLearning", "num_peers": arg.peers, "temperature": 1.0})
    if not arg.smoke:
        config.network = free({**network, "conv": arg.conv})
        if own:
            config.batch_size = 64
            config.schedule.milestones = rising(round(arg.epochs * share) for share in (0.3, 0.6, 0.9))
    return config
