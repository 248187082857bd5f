"""A cheap network on few images, to measure the ingredients of fast training on: what each adds to a plain recipe.

    odtf-train --config=recipe:recipe=ema+one_cycle --workdir=DIR --config.data.data_dir=DATA
    python tests/programs/recipes.py --workdir=DIR --data_dir=DATA

An OD-cheap ResNet-14 with depthwise convolutions (27,306 parameters) on 5,000 images of CIFAR-10 at 16x16, a regime in
which a run takes a minute or two. The plain recipe is a cosine from 0.1 with two epochs of warm-up, Nesterov, weight
decay 5e-4, crops of images padded with zeros and flips; the second command makes the table of all ingredients.

Arguments: recipe (names of odtf.training.ingredients with + between them), block (depthwise, group, shift), depth
(6n+2), method (Solo, or any that needs no further argument), images, size, epochs, batch, smoke (digits).
"""

from odtf.training import ingredients
from odtf.training.config import default_config, free, parse_arg, smoke


def get_config(arg=None):
    """Returns the experiment's `ConfigDict`; see the module's docstring for `arg`."""
    arg = parse_arg(
        arg,
        recipe="none",
        block="depthwise",
        depth=14,
        method="Solo",
        images=5000,
        size=16,
        epochs=60,
        batch=64,
        smoke=False,
    )
    config = default_config()
    config.data.name = "cifar10"
    config.data.image_size = (arg.size, arg.size)
    config.data.max_train_examples = arg.images
    config.data.augment = free({"pad": max(1, arg.size // 8), "pad_mode": "zero", "flip": True, "cutout": 0})
    config.batch_size = arg.batch
    config.epochs = arg.epochs
    config.weight_decay = 5e-4
    config.network = free({"name": "od_cheap_resnet", "depth": arg.depth, "conv": arg.block})
    if arg.block == "group":
        config.network.groups = 4
    config.method = free({"name": arg.method})
    config.optimizer.nesterov = True
    config.schedule.name = "cosine"
    config.schedule.learning_rate = 0.1
    config.schedule.warmup_epochs = min(2.0, config.epochs / 4)  # Also of a run of few epochs.
    if arg.smoke:
        smoke(config)
        config.network.depth = 8
        config.data.image_size = (8, 8)
        config.data.max_train_examples = 256
        config.epochs = 4
    return ingredients.add(config, arg.recipe)
