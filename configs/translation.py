"""Translation of images to images, paired, by odtf's methods of answers: to a verified TFLite file.

    odtf-train --config=translation:data=PAIRS --workdir=runs/pairs
    odtf-train --config=translation:data=CITYSCAPES,method=offline --workdir=runs/streets
    odtf-train --config=translation:smoke --workdir=runs/digits

PAIRS is a folder with trainA/ and trainB/ (or train/A/ and train/B/), files of equal names, or with train/ of images
A|B, as edges2shoes; the same of val and test. "reversed:folder:PAIRS" goes from B to A. CITYSCAPES is its unpacked
folder: the photograph to its colour map of labels. Images are loaded as pix2pix does: enlarged to `load` pixels, of
which a random part of `size` is seen, and mirrored half of the time.

The loss is the mean absolute difference, to the picture and between networks: no discriminator. Networks are those of
depthwise convolutions here; sizes, rates and lengths are a DESIGN CHOICE that nothing was tuned by. The optimizer is
pix2pix's: Adam, rate 2e-4, beta1 0.5.

Arguments: data (the path of a folder, or a name with a colon), method (solo, dml, or offline: a wider teacher trained
in the first half), size and load, width of the network's first stage as `channels`, epochs, batch, smoke (three epochs
on noisy digits, synthetic).
"""

from odtf.training.config import choose, default_config, free, parse_arg


def get_config(arg=None):
    """Returns the experiment's `ConfigDict`; see the module's docstring for `arg`."""
    arg = parse_arg(arg, data="PAIRS", method="solo", size=256, load=286, channels=32, epochs=200, batch=4, smoke=False)
    config = default_config()
    config.data.name = arg.data if ":" in arg.data else f"folder:{arg.data}"
    config.data.image_size = (arg.size, arg.size)
    config.data.augment = free({"load_size": arg.load, "flip": True})
    config.batch_size, config.epochs = arg.batch, arg.epochs
    config.task = free({"name": "translation"})
    config.optimizer = free({"name": "adam", "beta_1": 0.5})
    config.schedule.name = "cosine"
    config.schedule.learning_rate = 2e-4
    make = network
    if arg.smoke:
        config.data.name, config.data.image_size = "digit_pictures", (32, 32)
        config.data.augment = free({"load_size": 36, "flip": True})
        config.batch_size, config.epochs, config.schedule.learning_rate = 20, 3, 4e-3
        config.export.calibration_examples = 32
        make, arg.channels = tiny, 12
    config.network = free(make(arg.channels))
    methods = {
        "solo": {"name": "Solo"},
        "dml": {"name": "DeepMutualLearning", "num_peers": 2},
        "offline": {
            "name": "OfflineDistillation",
            "teacher_network": make(2 * arg.channels),
            "teacher_epochs": max(1, config.epochs // 2),
            "alpha": 0.5,
        },
    }
    config.method = free(choose("method", arg.method, methods))
    if arg.method == "offline":
        config.schedule.restarts = (config.method.teacher_epochs,)
    return config


def network(channels):
    """Returns the specification of a depthwise ResNet with a decoder of the same, down to single pixels."""
    backbone = {"name": "resnet", "depth": 18, "conv": "depthwise", "width": channels}
    return {"name": "encoder_decoder", "backbone": backbone, "conv": "depthwise", "width": channels, "stride": 1}


def tiny(channels):
    """Returns the specification of three convolutions and a pooling."""
    return {"name": "plain_cnn", "widths": (channels,), "layers": 3, "padding": "symmetric", "embedding": 0}
