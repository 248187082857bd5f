"""Small students of every network and convolution, to compare what is trained with what is exported.

    odtf-train --config=parity:network=resnet8,conv=depthwise --workdir=DIR
    odtf-train --config=parity:network=vgg,data=cifar10 --workdir=DIR --config.data.data_dir=DATA

Two peers and their online teacher, a short cosine. No paper reports these; `python tests/programs/parity.py` makes a
table of them: Keras, float file, int8 after training, and int8 trained for.

Arguments: network (the names below), conv (standard, group, shuffled_group, depthwise, shift, line, ghost), data
(digits, cifar10), epochs (0: 15 on digits, 6 on CIFAR-10).
"""

from odtf.training.config import choose, default_config, free, parse_arg

NETWORKS = {
    "resnet8": {"name": "resnet8"},
    "cifar_resnet": {"name": "cifar_resnet", "depth": 8},
    "od_cheap_resnet": {"name": "od_cheap_resnet", "depth": 8},
    "preact_resnet": {"name": "preact_resnet", "depth": 18, "width": 8},
    "wide_resnet": {"name": "wide_resnet", "depth": 10, "widths": (8, 16, 32)},
    "densenet": {"name": "densenet", "depth": 10, "growth": 6},
    "vgg": {"name": "vgg", "depth": 8, "width": 8, "hidden": (32,)},
    "alexnet": {"name": "alexnet", "width_multiplier": 0.125},
    "googlenet": {"name": "googlenet", "width_multiplier": 0.125, "modules": (1, 1, 1)},
    "resnet": {"name": "resnet", "depth": 10, "width": 8},
    "plain_cnn": {"name": "plain_cnn", "padding": "symmetric"},
    "mobilenet_v2": {
        "name": "mobilenet_v2",
        "width_multiplier": 0.25,
        "blocks": (1, 1, 1, 1, 2, 1, 1),
        "last_width": 64,
    },
}
GROUPED = ("group", "shuffled_group")


def get_config(arg=None):
    """Returns the experiment's `ConfigDict`; see the module's docstring for `arg`."""
    arg = parse_arg(arg, network="resnet8", conv="standard", data="digits", epochs=0)
    config = default_config()
    digits = choose("data", arg.data, {"digits": True, "cifar10": False})
    config.data.name = arg.data
    config.data.augment = free({"pad": 1 if digits else 4, "pad_mode": "zero", "flip": not digits, "cutout": 0})
    config.batch_size = 64
    config.epochs = arg.epochs or (15 if digits else 6)
    config.weight_decay = 1e-4
    config.network = free(choose("network", arg.network, NETWORKS))
    if arg.conv != "standard" or arg.network == "od_cheap_resnet":
        config.network.conv = arg.conv
    if arg.conv in GROUPED:
        config.network.groups = 2
    config.method = free({"name": "OnlineDistillationCheap", "num_peers": 2, "temperature": 4.0})
    config.schedule.name = "cosine"
    config.schedule.learning_rate = 0.05
    config.schedule.warmup_epochs = 1.0
    config.export.targets = ("soc",)
    return config
