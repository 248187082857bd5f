"""ONE, on-the-fly native ensemble, on CIFAR: branches and a gated ensemble of them as their teacher.

    odtf-train --config=one:network=resnet32,data=cifar100 --workdir=DIR --config.data.data_dir=DATA

The protocol is that of the released code (Lan1991Xu/ONE_NeurIPS2018): 300 epochs, batch 128, SGD with momentum 0.9
without Nesterov, learning rate 0.1 times 0.1 at epochs 151 and 225, weight decay 1e-4, zero-padded crops and flips,
three branches, T = 3, ramp of 80 epochs. recipe=okddip is that of configs/okddip.py, whose code implements ONE again
with Nesterov momentum, weight decay 5e-4 and the target not detached.

Top-1 of a branch. Own: 100 minus the error of ONE's paper, of low certainty from notes for resnet110 on CIFAR-100, the
others UNVERIFIED. PCL: mean and deviation as printed in the table of the PCL paper (quoted by the README of its
reproduction, shaoeric), whose authors presumably used recipe=okddip and whose "resnet110" is resnet110_pcl here:

    network          CIFAR-100: own   PCL             CIFAR-10: own   PCL
    resnet32         73.39            73.79 +- 0.41   94.01           94.20 +- 0.12
    resnet110        78.38                            94.83
    resnet110_pcl                     78.40 +- 0.36                   95.16 +- 0.30
    vgg16                             74.37 +- 0.39                   94.14 +- 0.23
    densenet40_12                     71.60 +- 0.38                   93.08 +- 0.21
    wrn20_8                           79.10 +- 0.39                   94.70 +- 0.14

Ablation with resnet110 on CIFAR-100, from notes: -3.11 points without distillation, -0.83 without sharing, -0.64 with
the plain mean instead of the gate. "resnet110" is the released code's: it takes bottlenecks from depth 44 on and has 18
of them a stage, which is depth 164 in other words.

Arguments: network, data (cifar10, cifar100), product (branch, ensemble: ONE-E), recipe (one, okddip), conv (standard,
depthwise, shift, line, ghost: what stands for the 3x3 convolutions), peers (branches), epochs (milestones scale with
it), smoke (two epochs on digits).
"""

import pathlib

from odtf.training.config import choose, free, load_config, parse_arg, rising

# Names of configs/pcl.py; "resnet110" is another network there.
NETWORKS = {name: name for name in ("resnet32", "vgg16", "densenet40_12", "wrn20_8")} | {
    "resnet110": "resnet110",
    "resnet110_pcl": "resnet110",
}


def get_config(arg=None):
    """Returns the experiment's `ConfigDict`; see the module's docstring for `arg`."""
    arg = parse_arg(
        arg,
        network="resnet32",
        data="cifar100",
        product="branch",
        recipe="one",
        conv="standard",
        peers=3,
        epochs=300,
        smoke=False,
    )
    network = choose("network", arg.network, NETWORKS)
    released = choose("recipe", arg.recipe, {"one": True, "okddip": False})
    config = load_config(
        pathlib.Path(__file__).with_name("okddip.py"),
        f"network={network},data={arg.data},conv={arg.conv},epochs={arg.epochs},smoke={arg.smoke}",
    )
    if arg.network == "resnet110" and not arg.smoke:
        config.network.depth = 164
    config.method = free(
        {
            "name": "ONE",
            "num_peers": arg.peers,
            "student": arg.product,
            "detach_teacher": released,
            "cut": config.method.cut,
        }
    )
    if released:
        config.weight_decay = 1e-4
        config.optimizer.nesterov = False
        if not arg.smoke:
            # The released code normalises CIFAR-100 by the statistics of CIFAR-10 as well.
            config.data.mean = (0.4914, 0.4822, 0.4465)
            config.data.std = (0.2023, 0.1994, 0.2010)
            config.schedule.milestones = rising([round(arg.epochs * 151 / 300), arg.epochs * 3 // 4])
    return config
