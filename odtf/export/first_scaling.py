"""A Rescaling at the begin of a model, which the normalisation of its images can do as well."""

import dataclasses

import keras
import numpy as np

from odtf.models.graph import calls, rewritten


def folded(network, dataset):
    """Leaves out the Rescaling that a network begins with, and normalises its images so that it gets the same.

    Files have one operator for both then, and what takes no Rescaling, as TFMOT, takes the network.

    Args:
        network: functional `keras.Model` of one input.
        dataset: `odtf.data.ImageDataset` as the network sees it.

    Returns:
        (network, dataset): the same where it begins with something else.
    """
    readers = [call for call in calls(network) if any(x is network.input for x in call.input_tensors)]
    first = readers[0].operation if len(readers) == 1 else None
    if not isinstance(first, keras.layers.Rescaling) or np.any(np.asarray(first.scale) <= 0):
        return network, dataset
    mean, std = np.float64(dataset.mean), np.float64(dataset.std)
    scale, offset = np.float64(first.scale), np.float64(first.offset)
    # scale (x - mean) / std + offset, as one normalisation.
    shape = (dataset.image_shape[2],)
    mean, std = np.broadcast_to(mean - offset * std / scale, shape), np.broadcast_to(std / scale, shape)
    dataset = dataclasses.replace(dataset, mean=tuple(map(float, mean)), std=tuple(map(float, std)))
    return _without(network, first.name), dataset


def _without(network, name):
    """A copy with equal names and weights, in which an operation is left out."""
    return rewritten(network, lambda operation, *args, **kwargs: args[0] if operation.name == name else None)
