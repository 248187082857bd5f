"""A folder of your own images, one sub-folder a class, to a verified TFLite file.

    odtf-train --config=folder:path=PHOTOS,size=32 --workdir=runs/photos
    odtf-train --config=folder:path=PHOTOS,start=zoo:depthwise --workdir=runs/photos

Four depthwise peers with an online teacher. Where there are a few hundred images a class or fewer, let them start from
trained weights: zoo:depthwise brought 16.9 points of accuracy on 1,000 images of CIFAR-10 (docs/results/starts.md). The
peers have heads of their own, so that they differ. A start of the zoo (`odtf list zoo`) brings its network with it, any
other (a workdir, a .keras file) needs the depth that it has.

With compare=True the network of the student is then trained alone too, and the difference is printed.

Arguments: path, size (images are resized to size x size), depth (6n+2), peers, epochs, batch, skip_corrupt, start,
frozen (in how many of the first epochs the layers that were taken wait for the heads), compare.
"""

from odtf import zoo
from odtf.training.config import default_config, free, parse_arg


def get_config(arg=None):
    """Returns the experiment's `ConfigDict`; see the module's docstring for `arg`."""
    arg = parse_arg(
        arg,
        path="PHOTOS",
        size=32,
        depth=8,
        peers=4,
        epochs=30,
        batch=64,
        skip_corrupt=False,
        start="",
        frozen=0,
        compare=False,
    )
    config = default_config()
    config.data.name = f"folder:{arg.path}"
    config.data.image_size = (arg.size, arg.size)
    config.data.skip_corrupt = arg.skip_corrupt
    config.data.augment = free({"pad": max(1, arg.size // 8), "pad_mode": "reflect", "flip": True, "cutout": 0})
    config.batch_size = arg.batch
    config.epochs = arg.epochs
    config.weight_decay = 2e-4
    config.network = free({"name": "od_cheap_resnet", "depth": arg.depth, "conv": "depthwise", "width": 16})
    if arg.start.startswith("zoo:"):
        config.network = free(zoo.card(arg.start.removeprefix("zoo:"))["network"])
    if arg.start:
        config.network.init = {"source": arg.start, "head": False}
    config.init.frozen_epochs = arg.frozen
    config.compare.alone = arg.compare
    config.method = free({"name": "OnlineDistillationCheap", "num_peers": arg.peers, "temperature": 4.0})
    config.schedule.name = "cosine"
    config.schedule.learning_rate = 0.05
    config.schedule.warmup_epochs = 1.0
    return config
