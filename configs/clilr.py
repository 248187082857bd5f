"""CL-ILR, collaborative learning with shared layers, on CIFAR: heads teach each other by leave-one-out means.

    odtf-train --config=clilr:network=resnet32,data=cifar100 --workdir=DIR --config.data.data_dir=DATA

The protocol and the form of the loss are those of OKDDip's released code (train_one.py with avg and bpscale), see
configs/okddip.py: four heads, T = 3, ramp of 80 epochs, targets not detached. form=paper is the mix 0.5 CE +
0.5 T^2 KL at T = 2 without a ramp, whose values are UNVERIFIED.

Top-1 of CL-ILR, mean and deviation as printed in the table of the PCL paper (quoted by the README of its reproduction,
shaoeric; the PCL authors ran it). OKDDip's code reports the mean over the heads, not the best one:

    network          CIFAR-100       CIFAR-10
    resnet32         72.33 +- 0.46   94.02 +- 0.28
    resnet110        78.83 +- 0.58   95.19 +- 0.11
    vgg16            74.33 +- 0.08   94.14 +- 0.15
    densenet40_12    71.45 +- 0.34   93.05 +- 0.25
    wrn20_8          79.40 +- 0.12   94.59 +- 0.08

Arguments: network, data (cifar10, cifar100), form (okddip, paper), conv (standard, depthwise, shift, line, ghost: what
stands for the 3x3 convolutions), peers (heads), epochs (milestones scale with it), smoke (two epochs on digits).
"""

import pathlib

from odtf.training.config import choose, free, load_config, parse_arg

FORMS = {
    "okddip": {"temperature": 3.0, "ramp_epochs": 80},
    "paper": {"temperature": 2.0, "ramp_epochs": 0, "beta": 0.5, "detach_targets": True},
}


def get_config(arg=None):
    """Returns the experiment's `ConfigDict`; see the module's docstring for `arg`."""
    arg = parse_arg(
        arg,
        network="resnet32",
        data="cifar100",
        form="okddip",
        conv="standard",
        peers=4,
        epochs=300,
        smoke=False,
    )
    config = load_config(
        pathlib.Path(__file__).with_name("okddip.py"),
        f"network={arg.network},data={arg.data},conv={arg.conv},epochs={arg.epochs},smoke={arg.smoke}",
    )
    form = choose("form", arg.form, FORMS)
    config.method = free({"name": "CLILR", "num_peers": arg.peers, **form, "cut": config.method.cut})
    return config
