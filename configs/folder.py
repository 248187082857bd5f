"""A folder of your own images, one sub-folder a class, to a verified TFLite file.

    odtf-train --config=configs/folder.py:path=PHOTOS,size=32 --workdir=runs/photos

Four depthwise peers with an online teacher. Arguments: path, size (images are resized to size x size), depth (6n+2),
peers, epochs, batch, skip_corrupt.
"""

from odtf.training.config import default_config, free, parse_arg


def get_config(arg=None):
    """Returns the experiment's `ConfigDict`; see the module's docstring for `arg`."""
    arg = parse_arg(arg, path="PHOTOS", size=32, depth=8, peers=4, epochs=30, batch=64, skip_corrupt=False)
    config = default_config()
    config.data.name = f"folder:{arg.path}"
    config.data.image_size = (arg.size, arg.size)
    config.data.skip_corrupt = arg.skip_corrupt
    config.data.augment = free({"pad": max(1, arg.size // 8), "pad_mode": "reflect", "flip": True, "cutout": 0})
    config.batch_size = arg.batch
    config.epochs = arg.epochs
    config.weight_decay = 2e-4
    config.network = free({"name": "od_cheap_resnet", "depth": arg.depth, "conv": "depthwise", "width": 16})
    config.method = free({"name": "OnlineDistillationCheap", "num_peers": arg.peers, "temperature": 4.0})
    config.schedule.name = "cosine"
    config.schedule.learning_rate = 0.05
    config.schedule.warmup_epochs = 1.0
    return config
