"""KDCL, online distillation via collaborative learning, on CIFAR: whole networks and one soft target for all.

    odtf-train --config=kdcl:network=resnet32,target=min_logit --workdir=DIR --config.data.data_dir=DATA

Every network sees an augmentation of its own. There is no official code; T = 2 and the weight 1 are from notes on the
paper (UNVERIFIED; others give T = 4 for ImageNet), the rest of the protocol is that of configs/okddip.py, which the
authors of PCL presumably used for theirs: 300 epochs, batch 128, SGD with Nesterov momentum 0.9, learning rate 0.1
times 0.1 at epochs 150 and 225, weight decay 5e-4. Which target their column has is UNVERIFIED.

Top-1 of KDCL, mean and deviation as printed in the table of the PCL paper (quoted by the README of its reproduction,
shaoeric):

    network          CIFAR-100       CIFAR-10
    resnet32         73.76 +- 0.34   94.01 +- 0.08
    resnet110        78.28 +- 0.32   95.11 +- 0.16
    vgg16            75.67 +- 0.22   94.09 +- 0.12
    densenet40_12    72.52 +- 0.42   93.87 +- 0.13
    wrn20_8          79.37 +- 0.30   95.27 +- 0.16

Of low certainty, from notes on the paper: CIFAR-100 with target=general, ResNet-32 74.3 beside WRN-16-2 75.5
(network=resnet32,second=wrn16_2); the views of their own are worth about 0.5.

Arguments: network, second (the network of every further peer; the same by default), data (cifar10, cifar100), target
(naive, linear, min_logit, general), conv (standard, depthwise, shift, line, ghost: what stands for the 3x3
convolutions), peers (as many views), epochs (milestones scale with it), smoke (two epochs on digits).
"""

import pathlib

from odtf.training.config import choose, free, load_config, parse_arg

SECOND = {"wrn16_2": {"name": "wide_resnet", "depth": 16, "widen": 2}}


def get_config(arg=None):
    """Returns the experiment's `ConfigDict`; see the module's docstring for `arg`."""
    arg = parse_arg(
        arg,
        network="resnet32",
        second="same",
        data="cifar100",
        target="min_logit",
        conv="standard",
        peers=2,
        epochs=300,
        smoke=False,
    )
    config = load_config(
        pathlib.Path(__file__).with_name("okddip.py"),
        f"network={arg.network},data={arg.data},conv={arg.conv},epochs={arg.epochs},smoke={arg.smoke}",
    )
    config.data.num_views = arg.peers
    config.method = free({"name": "KDCL", "num_peers": arg.peers, "target": arg.target, "temperature": 2.0})
    if arg.second != "same" and not arg.smoke:
        second = {**choose("second", arg.second, SECOND), "conv": arg.conv}
        config.method.networks = [config.network.to_dict()] + [second] * (arg.peers - 1)
    return config
