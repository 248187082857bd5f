"""What a start is worth: a few of CIFAR-10's images, from random weights, from a start, and from it distilled online.

    odtf-train --config=transfer:images=1000 --workdir=DIR --config.data.data_dir=DATA
    odtf-train --config=transfer:images=1000,start=zoo:depthwise --workdir=DIR --config.data.data_dir=DATA
    odtf-train --config=transfer:images=1000,start=zoo:depthwise,peers=3 --workdir=DIR ...

One peer is the network alone; more are OD-cheap. The peers of a start have equal bodies and heads of their own. DATA is
a TFDS directory with cifar10.

What came of it stands in docs/results/starts.md.

Arguments: images (of the training set), start (as `odtf.models.start` takes it, or a workdir; random weights by
default), peers, frozen (in how many of the first epochs the layers that were taken wait), size (images are enlarged to
size x size), epochs (by default as many as make 60,000 images, or 24), smoke (two epochs on digits).
"""

from odtf import zoo
from odtf.training.config import default_config, free, parse_arg, smoke

_NETWORK = {"name": "od_cheap_resnet", "depth": 14, "conv": "depthwise", "width": 16}


def get_config(arg=None):
    """Returns the experiment's `ConfigDict`; see the module's docstring for `arg`."""
    arg = parse_arg(arg, images=1000, start="", peers=1, frozen=0, size=32, epochs=0, smoke=False)
    config = default_config()
    config.data.name = "cifar10"
    config.data.image_size = None if arg.size == 32 else (arg.size, arg.size)
    config.data.max_train_examples = arg.images
    # More images to choose by than to learn from would be no experiment of a few images.
    config.data.validation_fraction = 0.01
    config.data.mean = (0.4914, 0.4822, 0.4465)
    config.data.std = (0.247, 0.2435, 0.2616)
    config.data.augment = free({"pad": arg.size // 8, "pad_mode": "reflect", "flip": True, "cutout": 0})
    config.batch_size = 64
    config.epochs = arg.epochs or max(24, 60_000 // arg.images)
    config.weight_decay = 2e-4
    zoo_name = arg.start.removeprefix("zoo:")
    config.network = free(zoo.card(zoo_name)["network"] if zoo_name != arg.start else _NETWORK)
    if arg.start:
        config.network.init = {"source": arg.start, "head": False}
    config.init.frozen_epochs = arg.frozen
    config.method = free({"name": "Solo"})
    if arg.peers > 1:
        config.method = free({"name": "OnlineDistillationCheap", "num_peers": arg.peers, "temperature": 4.0})
    config.schedule.name = "cosine"
    config.schedule.learning_rate = 0.05
    config.schedule.warmup_epochs = 1.0
    config.export.targets = ()
    if arg.smoke:
        smoke(config)
        config.data.max_train_examples = None
        config.data.validation_fraction = 0.1
        config.network.depth = 8
    return config
