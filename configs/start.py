"""A network to start others from: trained alone on CIFAR-100, so that a few hundred images of one's own are enough.

    odtf-train --config=start:form=depthwise --workdir=DIR --config.data.data_dir=DATA

The starts of the zoo (`odtf list zoo`) come from here. A network learns from all 50,000 training images: what the run
calls validation are 500 of them once more, which show that it learns and choose nothing. The start is the network after
the last epoch. DATA is a TFDS directory with cifar100.

An epoch of 16x16 costs a quarter of one of 32x32 and teaches nearly as much, so that the way to a start is two runs:

    odtf-train --config=start:size=16,epochs=12 --workdir=SMALL --config.data.data_dir=DATA
    odtf-train --config=start:start=SMALL,epochs=4,rate=0.1 --workdir=DIR --config.data.data_dir=DATA

SGD with Nesterov's momentum 0.9, one cosine after a warm-up of a tenth of the epochs, batch 128, translations by up to
an eighth of the side, flips, weight decay 2e-4: what is usual for larger networks, but for the decay (5e-4 there),
since networks of this size do not overfit in so few epochs.

Arguments: form (depthwise, shift, standard, line), size (of the images, 32), start (what to start from; random weights
by default), rate, epochs, smoke (two epochs on digits).
"""

from odtf.training.config import choose, default_config, free, parse_arg, smoke

FORMS = {
    "depthwise": {"name": "od_cheap_resnet", "depth": 14, "conv": "depthwise", "width": 16},
    "shift": {"name": "od_cheap_resnet", "depth": 14, "conv": "shift", "width": 16},
    "standard": {"name": "cifar_resnet", "depth": 8, "conv": "standard"},
    "line": {"name": "cifar_resnet", "depth": 14, "conv": "line"},
}
_SHOWN = 500


def get_config(arg=None):
    """Returns the experiment's `ConfigDict`; see the module's docstring for `arg`."""
    arg = parse_arg(arg, form="depthwise", size=32, start="", rate=0.2, epochs=12, smoke=False)
    config = default_config()
    config.data.name = "start:every_image"  # This file: modules beside a config are found.
    config.data.image_size = None if arg.size == 32 else (arg.size, arg.size)
    config.data.mean = (0.5071, 0.4865, 0.4409)
    config.data.std = (0.2673, 0.2564, 0.2762)
    config.data.augment = free({"pad": arg.size // 8, "pad_mode": "reflect", "flip": True, "cutout": 0})
    config.batch_size = 128
    config.epochs = arg.epochs
    config.weight_decay = 2e-4
    config.network = free(choose("form", arg.form, FORMS))
    if arg.start:
        config.network.init = arg.start
    config.method = free({"name": "Solo"})
    config.optimizer.nesterov = True
    config.schedule.name = "cosine"
    config.schedule.learning_rate = arg.rate
    config.schedule.warmup_epochs = arg.epochs / 10
    config.export.targets = ()
    if arg.smoke:
        smoke(config)
        config.network.depth = 8
    return config


def every_image(*, data_dir, image_size, targets):
    """CIFAR-100 with nothing held out of its training images, a data source: the split "validation" repeats some."""
    from odtf.data.dataset import Split
    from odtf.data.sources import tfds

    names, splits = tfds.open_source("cifar100", data_dir=data_dir, image_size=image_size, targets=targets)
    train = splits["train"]
    return names, {**splits, "validation": Split(train.store, train.rows[:_SHOWN])}
