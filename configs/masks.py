"""Masks: Cityscapes, Oxford-IIIT Pet, or a folder of your own, to a verified TFLite file.

    odtf-train --config=masks:data=PHOTOS --workdir=runs/masks
    odtf-train --config=masks:data=oxford_iiit_pet --workdir=runs/pets --config.data.data_dir=DATA
    odtf-train --config=masks:data=cityscapes --workdir=runs/streets --config.data.data_dir=DATA

A folder has images/ and masks/ (or labels/), with or without train/, val/ and test/ above them, or Cityscapes' or VOC's
layout; a Cityscapes that was unpacked and not prepared by TFDS is a folder, too. PATH and the sets' names go to
`config.data.name`. Two peers of depthwise convolutions with an online teacher; sizes and lengths are a DESIGN CHOICE
that nothing here was tuned by, images are resized to them:

    data               height x width    batch    epochs
    cityscapes              256 x 512        8        80
    oxford_iiit_pet         128 x 128       16        60
    a folder                192 x 192        8       100

Arguments: data (cityscapes, oxford_iiit_pet, or the path of a folder), height and width, width of the network's first
stage as `channels`, peers, epochs, batch, start (a workdir or .keras file of the same network, whose weights its layers
begin with, but for the head), smoke (two epochs on synthetic scenes).
"""

from odtf.training.config import default_config, free, parse_arg

# Height, width, batch, epochs.
SETS = {"cityscapes": (256, 512, 8, 80), "oxford_iiit_pet": (128, 128, 16, 60)}
FOLDER = (192, 192, 8, 100)


def get_config(arg=None):
    """Returns the experiment's `ConfigDict`; see the module's docstring for `arg`."""
    arg = parse_arg(
        arg, data="PHOTOS", height=0, width=0, channels=24, peers=2, epochs=0, batch=0, start="", smoke=False
    )
    height, width, batch, epochs = SETS.get(arg.data, FOLDER)
    config = default_config()
    config.data.name = arg.data if arg.data in SETS else f"folder:{arg.data}"
    config.data.image_size = (arg.height or height, arg.width or width)
    config.data.augment = free({"flip": True, "scale": (0.7, 1.6), "rotate": 5.0, "color": 0.2})
    config.task = free({"name": "segmentation", "class_weights": "median_frequency"})
    config.network = free(network(arg.channels))
    if arg.start:
        config.network.init = {"source": arg.start, "head": False}
    config.method = free({"name": "OnlineDistillationCheap", "num_peers": arg.peers, "temperature": 4.0})
    config.batch_size, config.epochs = arg.batch or batch, arg.epochs or epochs
    config.weight_decay = 1e-4
    config.schedule.name = "cosine"
    config.schedule.learning_rate = 0.05
    config.schedule.warmup_epochs = min(2.0, config.epochs / 4)  # Also of a run of few epochs.
    if arg.smoke:
        config.data.name, config.data.image_size = "digit_scenes", None
        config.network = free(network(4, depth=10))
        config.batch_size, config.epochs, config.schedule.warmup_epochs = 40, 2, 0.0
        config.export.calibration_examples = 64
    return config


def network(channels, depth=18):
    """Returns the specification of a depthwise ResNet with a decoder of the same."""
    backbone = {"name": "resnet", "depth": depth, "conv": "depthwise", "width": channels}
    return {"name": "encoder_decoder", "backbone": backbone, "conv": "depthwise", "width": 2 * channels, "stride": 4}
