"""Ingredients of fast training by name: what each changes in a config. Nothing here imports TensorFlow.

    config = ingredients.add(config, "ema+one_cycle")

Each is off in every config of a paper. Which of them help, alone and together, is what tests/programs/recipes.py
measures; their sizes below are those of the code that they come from, or else a DESIGN CHOICE.
"""

from odtf.errors import UserError
from odtf.training.config import choose, free


def _ema(config):
    config.average.update({"name": "ema", "decay": 0.995, "every_steps": 1, "power": 0.0})


def _lookahead(config):
    """That of airbench, whose decay is for steps taken five at a time."""
    config.average.update({"name": "lookahead", "decay": 0.95**5, "every_steps": 5, "power": 3.0})


def _alternating(config):
    config.data.augment = free({**config.data.augment.to_dict(), "flip": True, "alternate": True})


def _reflect(config):
    """Two pixels at 32x32, and as large a share of smaller images, at least one."""
    side = min(config.data.image_size or (32, 32))
    config.data.augment = free({**config.data.augment.to_dict(), "pad": max(1, side // 16), "pad_mode": "reflect"})


def _one_cycle(config):
    """A rise over the first 23 % of the epochs, as in airbench; the peak twice the rate."""
    config.schedule.name = "one_cycle"
    config.schedule.milestones = ()
    config.schedule.warmup_epochs = 0.23 * config.epochs
    config.schedule.learning_rate = 2.0 * config.schedule.learning_rate


def _norm_biases(config):
    config.recipe.norm_bias_rate = 16.0


def _norm_decay(config):
    config.recipe.norm_decay = False


def _whitened(config):
    config.recipe.whitened_stem = True


def _sizes(config):
    """Three quarters of the side in the first half of the epochs."""
    height, width = config.data.image_size or (32, 32)
    config.recipe.sizes = ((0, height * 3 // 4, width * 3 // 4), (config.epochs // 2, height, width))


def _batch_half(config):
    """Half the batch at half the rate, for half the epochs: as many steps."""
    _scaled(config, 0.5)


def _batch_twice(config):
    _scaled(config, 2.0)


def _scaled(config, factor):
    config.batch_size = int(config.batch_size * factor)
    config.epochs = int(config.epochs * factor)
    config.schedule.learning_rate = config.schedule.learning_rate * factor
    config.schedule.warmup_epochs = config.schedule.warmup_epochs * factor
    config.schedule.milestones = tuple(epoch * factor for epoch in config.schedule.milestones)
    config.recipe.sizes = tuple((int(epoch * factor), *size) for epoch, *size in config.recipe.sizes)


INGREDIENTS = {
    "ema": _ema,
    "lookahead": _lookahead,
    "alternating": _alternating,
    "reflect": _reflect,
    "one_cycle": _one_cycle,
    "norm_biases": _norm_biases,
    "norm_decay": _norm_decay,
    "whitened": _whitened,
    "sizes": _sizes,
    "batch_half": _batch_half,
    "batch_twice": _batch_twice,
}

# Two ways to average, and two batches, of which one is taken.
_EITHER = (("ema", "lookahead"), ("batch_half", "batch_twice"))


def add(config, text):
    """Adds ingredients to a config, which is changed in place.

    Args:
        config: `ConfigDict`, complete but for them.
        text: str, names of `INGREDIENTS` with + between them; "none" or "" for none.

    Returns:
        The config.

    Raises:
        UserError: on an unknown name, or two that exclude each other.
    """
    chosen = [name for name in text.split("+") if name not in ("", "none")]
    for name in chosen:
        choose("recipe", name, INGREDIENTS)
    for pair in _EITHER:
        if set(pair) <= set(chosen):
            raise UserError(f"A recipe has {' or '.join(pair)}. Received: {text!r}.")
    # What scales with the epochs comes last.
    for name in (name for name in INGREDIENTS if name in chosen):
        INGREDIENTS[name](config)
    return config
