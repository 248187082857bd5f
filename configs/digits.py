"""The quick start: four depthwise peers with an online teacher on scikit-learn's digits (1,797 grey images, 8x8).

    odtf-train --config=digits --workdir=runs/digits

Takes about a minute of training on 2 CPU cores. No paper reports this data set; it shows that everything works.
Arguments: block (depthwise, group, shift), depth (6n+2), peers, epochs.
"""

from odtf.training.config import default_config, free, parse_arg


def get_config(arg=None):
    """Returns the experiment's `ConfigDict`; see the module's docstring for `arg`."""
    arg = parse_arg(arg, block="depthwise", depth=8, peers=4, epochs=40)
    config = default_config()
    config.data.name = "digits"
    config.data.augment = free({"pad": 1, "pad_mode": "zero", "flip": False, "cutout": 0})
    config.batch_size = 64
    config.epochs = arg.epochs
    config.weight_decay = 2e-4
    config.network = free({"name": "od_cheap_resnet", "depth": arg.depth, "conv": arg.block, "width": 16})
    if arg.block == "group":
        config.network.groups = 4
    config.method = free({"name": "OnlineDistillationCheap", "num_peers": arg.peers, "temperature": 4.0})
    config.schedule.name = "cosine"
    config.schedule.learning_rate = 0.05
    config.schedule.warmup_epochs = 1.0
    return config
