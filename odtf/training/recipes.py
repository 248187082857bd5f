"""Recipes of training that a config asks for beside its method: averaged weights, batch normalisation, sizes, stems."""

import collections.abc

import numpy as np

from odtf.errors import UserError
from odtf.methods.shared import averaging
from odtf.methods.shared.own_rates import Norms
from odtf.methods.shared.resizing import Resizing
from odtf.models.whitening import whiten_stem

# Training images whose patches a whitened stem is made of.
_IMAGES = 1024


def install(config, method, image_shape, steps_per_epoch):
    """Tells a method the recipes of a config; it is not compiled yet.

    Args:
        config: `ConfigDict`.
        method: `odtf.methods.Method`.
        image_shape: (height, width, channels) of the data.
        steps_per_epoch: int.

    Raises:
        UserError: if a recipe has no meaning for the method, the task or the networks.
    """
    recipe, average = config.recipe, config.average
    if recipe.norm_bias_rate != 1 or not recipe.norm_decay:
        method.norms = Norms(recipe.norm_bias_rate, recipe.norm_decay)
    if average.name != "none":
        if reason := averaging.refusal(method, config.epochs):
            raise UserError(f"config.average.name must be 'none': {reason}. Received: {average.name!r}.")
        method.averaging = averaging.Averaging(
            average.name,
            decay=average.decay,
            every=average.every_steps,
            power=average.power,
            total_steps=config.epochs * steps_per_epoch,
        )
    if recipe.sizes:
        method.resizing = _resizing(config, method, image_shape)


def _resizing(config, method, image_shape):
    stages = [_stage(stage) for stage in config.recipe.sizes]
    if spatial := [name for name, target in method.task.targets.items() if target.spatial]:
        raise UserError(
            "config.recipe.sizes are of images whose targets have no pixels: () would be right. "
            f"Received: the target {spatial[0]!r}."
        )
    if stages[-1][1:] != tuple(image_shape[:2]) or stages[-1][0] >= config.epochs:
        raise UserError(
            "config.recipe.sizes must end, before the run does, with the size that the data have, "
            f"{tuple(image_shape[:2])}. Received: {stages[-1]} of {config.epochs} epochs."
        )
    resizing = Resizing(stages)
    try:
        resizing.accept(method, image_shape, config.data.num_views)
    except ValueError as error:
        raise UserError(f"config.recipe.sizes must be (), or of sizes that all networks take: {error}") from error
    return resizing


def _stage(stage):
    epoch, *size = stage
    return (epoch, *(size * 2 if len(size) == 1 else size))


def begin(config, method, batch):
    """Initialises what the recipes of a config fit to the training images, once, before the first step.

    Args:
        config: `ConfigDict`.
        method: `odtf.methods.Method`, its weights as they were made.
        batch: callable from the number of a step, from 0, to its images and targets.

    Raises:
        UserError: if a network has no stem of that kind.
    """
    if not config.recipe.whitened_stem:
        return
    images = []
    while sum(map(len, images)) < _IMAGES:
        found, _ = batch(len(images))
        found = found["images"] if isinstance(found, collections.abc.Mapping) else found
        images.append(np.asarray(found).reshape(-1, *found.shape[-3:]))
    images = np.concatenate(images)[:_IMAGES]
    for name in method.students:
        try:
            whiten_stem(method.peers[name], images)
        except ValueError as error:
            raise UserError(f"config.recipe.whitened_stem must be False: {error}") from error
