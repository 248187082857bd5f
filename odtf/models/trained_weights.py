"""Where trained weights come from: a file, the zoo, keras.applications, a model in memory."""

import collections.abc
import inspect

import keras
import numpy as np
from keras import ops

from odtf import zoo
from odtf.errors import UserError
from odtf.models import keras_file, network_files

IMAGENET = "imagenet"


def read(source, network=None):
    """Returns trained weights by the paths of their variables, layer by layer in the order of the network.

    Args:
        source: as for `odtf.models.start`.
        network: the network that is to have them, for "imagenet".

    Returns:
        dict from paths such as "stem/kernel" to numpy arrays.

    Raises:
        UserError: if there is no such source, or it is damaged.
    """
    if isinstance(source, keras.Model):
        return arrays_of(source)
    if isinstance(source, collections.abc.Mapping):
        return {path: np.asarray(value) for path, value in source.items()}
    if source == IMAGENET or (isinstance(source, str) and source.startswith(f"{IMAGENET}:")):
        return arrays_of(_of_imagenet(source.partition(":")[2] or network.name))
    if network_files.is_of_zoo(source) or str(source).endswith(".keras"):
        return arrays_of(keras_file.load(network_files.path_of(source)))
    raise UserError(
        f"A start is zoo:NAME with one of {', '.join(zoo.names())}, a .keras file, the workdir of a finished run, or "
        f"'imagenet' for a network of keras.applications. Received: {str(source)!r}."
    )


def arrays_of(model):
    """Returns the weights of a model: a dict from variables' paths to arrays."""
    return {v.path: ops.convert_to_numpy(v) for v in model.weights}


def _of_imagenet(name):
    """Returns a network of keras.applications as Keras fetches it with its weights.

    Raises:
        UserError: if there is no such network, or its weights are neither there nor to be fetched.
    """
    makers = {key.lower(): make for key, make in vars(keras.applications).items() if inspect.isfunction(make)}
    make = makers.get(name.lower().replace("_", ""))
    if make is None:
        raise UserError(
            "'imagenet' is a start for networks of keras.applications alone; 'imagenet:NAME' names one where the "
            f"network has another name. Received: {name!r}."
        )
    try:
        return make(weights=IMAGENET)
    except Exception as error:  # Whatever Keras raises where it can neither find nor fetch them.
        raise UserError(
            f"Keras must find the weights of {make.__name__} in its cache, or fetch them. Received: {error}"
        ) from error
