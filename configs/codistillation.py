"""Codistillation on CIFAR: peers that follow the average of the others, after a burn-in on the labels alone.

    odtf-train --config=codistillation:network=resnet32,data=cifar100 --workdir=DIR \\
        --config.data.data_dir=DATA

Anil et al., ICLR 2018, measured the speed of training at scale: two-way codistillation of ImageNet ResNet-50 came to
75 % top-1 in 5250 steps of batch 16384, the baseline in 7250 (UNVERIFIED: from notes on the paper). It has no
CIFAR table and no released code; the protocol here is that of configs/dml.py with recipe=okddip, for the two to be
compared: 300 epochs, batch 128, SGD with Nesterov momentum 0.9, learning rate 0.1 times 0.1 at epochs 150 and 225,
weight decay 5e-4.

Arguments: network (those of configs/dml.py), data (cifar10, cifar100), conv (standard, depthwise, shift, line, ghost:
what stands for the 3x3 convolutions), peers, burn_in (epochs), epochs (milestones scale with it), smoke (two epochs on
digits).
"""

import pathlib

from odtf.training.config import free, load_config, parse_arg


def get_config(arg=None):
    """Returns the experiment's `ConfigDict`; see the module's docstring for `arg`."""
    arg = parse_arg(
        arg, network="resnet32", data="cifar100", conv="standard", peers=2, burn_in=10, epochs=300, smoke=False
    )
    config = load_config(
        pathlib.Path(__file__).with_name("dml.py"),
        f"network={arg.network},data={arg.data},recipe=okddip,conv={arg.conv},epochs={arg.epochs},smoke={arg.smoke}",
    )
    burn_in = 1 if arg.smoke else arg.burn_in
    config.method = free({"name": "Codistillation", "num_peers": arg.peers, "burn_in_epochs": burn_in})
    return config
