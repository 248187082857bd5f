"""OKDDip, distillation with diverse peers, on CIFAR: peers with targets from attention, and a leader to deploy.

    odtf-train --config=okddip:network=resnet32,data=cifar100 --workdir=DIR --config.data.data_dir=DATA

The protocol is that of the released code (DefangChen/OKDDip): 300 epochs, batch 128, SGD with Nesterov momentum 0.9,
learning rate 0.1 times 0.1 at epochs 150 and 225, weight decay 5e-4, zero-padded crops and flips, three auxiliary peers
and the leader, T = 3, ramp of 80 epochs. The code steps its schedule before each epoch: its drops are at these epochs
under the PyTorch it pins and one epoch earlier under later ones.

Top-1 of OKDDip, mean and deviation as printed in the table of the PCL paper (quoted by the README of its reproduction,
shaoeric; the PCL authors ran it):

    network          CIFAR-100       CIFAR-10
    resnet32         73.25 +- 0.38   94.17 +- 0.15
    resnet110        78.54 +- 0.26   95.14 +- 0.10
    vgg16            74.68 +- 0.05   93.98 +- 0.06
    densenet40_12    71.23 +- 0.14   92.64 +- 0.22
    wrn20_8          78.83 +- 0.06   94.83 +- 0.15

Of its own tables only notes were found, so these are UNVERIFIED: CIFAR-100 error 21.09 with resnet110 (probably
form=network), and its ablation there: -2.61 points with random weights, -0.72 with their mean, -2.16 without the
leader's level. The authors warn that results vary with the environment.

The networks are those of configs/pcl.py: "resnet110" and "wrn20_8" are of bottlenecks. The branches of the DenseNet
have a last block of their own, as the paper describes; in the code they share it by mistake.

Arguments: network, data (cifar10, cifar100), form (branch, network), aggregate (logits, probabilities), conv (standard,
depthwise, shift, line, ghost: what stands for the 3x3 convolutions), peers (the leader included), epochs (milestones
scale with it), smoke (two epochs on digits).
"""

import pathlib

from odtf.training.config import choose, free, load_config, parse_arg

STATISTICS = {
    "cifar10": {"mean": (0.4914, 0.4822, 0.4465), "std": (0.2470, 0.2435, 0.2616)},
    "cifar100": {"mean": (0.5071, 0.4865, 0.4409), "std": (0.2673, 0.2564, 0.2762)},
}


def get_config(arg=None):
    """Returns the experiment's `ConfigDict`; see the module's docstring for `arg`."""
    arg = parse_arg(
        arg,
        network="resnet32",
        data="cifar100",
        form="branch",
        aggregate="logits",
        conv="standard",
        peers=4,
        epochs=300,
        smoke=False,
    )
    config = load_config(
        pathlib.Path(__file__).with_name("pcl.py"),
        f"network={arg.network},data={arg.data},conv={arg.conv},epochs={arg.epochs},smoke={arg.smoke}",
    )
    config.data.num_views = 1
    if not arg.smoke:
        config.data.update(choose("data", arg.data, STATISTICS))
    cut = config.method.get("cut")
    config.method = free(
        {"name": "OKDDip", "num_peers": arg.peers, "form": arg.form, "aggregate": arg.aggregate, "cut": cut}
    )
    return config
