"""OD-cheap-convolution on CIFAR-10: four cheap ResNets and a teacher on their concatenated features.

    odtf-train --config=cifar10_od:block=depthwise,depth=56 --workdir=DIR --config.data.data_dir=DATA

The protocol is that of the released code (EthanZhangYC/OD-cheap-convolution): SGD with momentum 0.9, learning rate 0.1
times 0.1 at epochs 150 and 225 of 300, batch 128, weight decay 2e-4 on everything, zero-padded crops and flips, T = 4.
The paper's result tables are UNVERIFIED; its student is ResNet-56 with depthwise blocks: 119,818 parameters, 20.47 M
MACs. DATA is a TFDS directory with cifar10.

Arguments: block (depthwise, group, shift), groups (for group), depth (6n+2), peers, epochs (milestones scale with it),
kl (batchmean, elementmean: the released code's reduction), smoke (two epochs on digits).
"""

from odtf.training.config import default_config, free, parse_arg, smoke


def get_config(arg=None):
    """Returns the experiment's `ConfigDict`; see the module's docstring for `arg`."""
    arg = parse_arg(arg, block="depthwise", groups=4, depth=56, peers=4, epochs=300, kl="batchmean", smoke=False)
    config = default_config()
    config.data.name = "cifar10"
    config.data.mean = (0.4914, 0.4822, 0.4465)
    config.data.std = (0.2023, 0.1994, 0.2010)
    config.data.augment = free({"pad": 4, "pad_mode": "zero", "flip": True, "cutout": 0})
    config.batch_size = 128
    config.epochs = arg.epochs
    config.weight_decay = 2e-4
    config.network = free({"name": "od_cheap_resnet", "depth": arg.depth, "conv": arg.block})
    if arg.block == "group":
        config.network.groups = arg.groups
    config.method = free(
        {"name": "OnlineDistillationCheap", "num_peers": arg.peers, "temperature": 4.0, "kl_reduction": arg.kl}
    )
    config.schedule.name = "piecewise"
    config.schedule.learning_rate = 0.1
    config.schedule.milestones = (arg.epochs // 2, arg.epochs * 3 // 4)
    if arg.smoke:
        smoke(config)
        config.network.depth = 8
    return config
