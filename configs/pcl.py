"""PCL, peer collaborative learning: peers with views of their own, their ensemble, and their mean models.

    odtf-train --config=pcl:network=resnet32,data=cifar100 --workdir=DIR --config.data.data_dir=DATA

The protocol: 300 epochs, batch 128, SGD with Nesterov momentum 0.9, learning rate 0.1 times 0.1 at epochs 150 and 225,
weight decay 5e-4, zero-padded crops and flips, drawn anew for each of the three peers, T = 3, ramp of 80 epochs, mean
models with a decay of up to 0.999. There is no official code; the recipe is that of the unofficial reproduction
(shaoeric/Peer-Collaborative-Learning-for-Online-Knowledge-Distillation) and of OKDDip.

Top-1 of the mean peer, mean and deviation of the paper as quoted by that README, and the one run of the reproduction
(which is the best of its three peers on the test set):

    network          CIFAR-100       reproduced   CIFAR-10        reproduced
    resnet32         74.14 +- 0.16   74.77        94.33 +- 0.12   94.35
    resnet110        79.98 +- 0.55   79.07        95.53 +- 0.16   95.47
    vgg16            76.89 +- 0.25   76.98        94.74 +- 0.02   93.87
    densenet40_12    73.09 +- 0.16   73.11        94.13 +- 0.13   93.69
    wrn20_8          80.51 +- 0.49   80.58        95.42 +- 0.04   95.53

The networks are those of OKDDip: "resnet110" and "wrn20_8" are of bottlenecks, "densenet40_12" is a DenseNet-BC, the
branches of "vgg16" have a head of three layers. The branches of the DenseNet have a last block of their own, as the
paper describes; in the code of OKDDip they share it by mistake.

The recipe for ImageNet, of ResNet-18, is UNVERIFIED. data=imagenet2012, with the networks resnet18 and resnet34, is a
DESIGN CHOICE: FFSD's protocol, see `odtf.training.protocols`, and a ramp of 80 of its 90 epochs.

Arguments: network (resnet32; on ImageNet resnet18), data (cifar10, cifar100, imagenet2012), student (mean, peer,
ensemble), conv (standard, depthwise, shift, line, ghost: what stands for the 3x3 convolutions), peers (as many views),
epochs (0: the protocol's; milestones scale with it), smoke (two epochs on digits).
"""

from odtf.training.config import choose, default_config, free, parse_arg, rising, smoke
from odtf.training.protocols import imagenet

NETWORKS = {
    "resnet32": {"name": "cifar_resnet", "depth": 32},
    "resnet110": {"name": "cifar_resnet", "depth": 110, "block": "bottleneck"},
    "vgg16": {"name": "vgg", "depth": 16, "hidden": (512, 512)},
    "densenet40_12": {"name": "densenet", "depth": 40, "growth": 12},
    "wrn20_8": {"name": "cifar_resnet", "depth": 20, "block": "bottleneck", "inner_width": 8},
    **{f"resnet{depth}": {"name": "resnet", "depth": depth} for depth in (18, 34)},
}
STATISTICS = {
    "cifar10": {"mean": (0.4914, 0.4822, 0.4465), "std": (0.2470, 0.2435, 0.2616)},
    "cifar100": {"mean": (0.5071, 0.4866, 0.4409), "std": (0.2675, 0.2565, 0.2761)},
    "imagenet2012": {},
}


def get_config(arg=None):
    """Returns the experiment's `ConfigDict`; see the module's docstring for `arg`."""
    arg = parse_arg(
        arg,
        network="",
        data="cifar100",
        student="mean",
        conv="standard",
        peers=3,
        epochs=0,
        smoke=False,
    )
    network = arg.network or ("resnet18" if arg.data == "imagenet2012" else "resnet32")
    config = default_config()
    config.data.name = arg.data
    config.data.update(choose("data", arg.data, STATISTICS))
    config.data.augment = free({"pad": 4, "pad_mode": "zero", "flip": True, "cutout": 0})
    config.data.num_views = arg.peers
    config.batch_size = 128
    config.epochs = arg.epochs or 300
    config.weight_decay = 5e-4
    config.network = free({**choose("network", network, NETWORKS), "conv": arg.conv})
    config.method = free({"name": "PeerCollaborative", "num_peers": arg.peers, "student": arg.student})
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
