"""Keras models by the name that a config gives them: FILE.keras, or keras.applications:NAME."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING

import keras
import numpy as np

from odtf.models import keras_file
from odtf.models.own import from_keras

if TYPE_CHECKING:
    from odtf.models.annotations import Shape, Specification


APPLICATIONS = "keras.applications:"


def is_model(name):
    """Whether the name of a network in a config is that of a Keras model: FILE.keras or keras.applications:NAME."""
    return isinstance(name, str) and (name.endswith(".keras") or name.startswith(APPLICATIONS))


def network_of(name):
    """Returns the function of a network that a config names as FILE.keras or keras.applications:NAME.

    Raises:
        ValueError: if keras.applications has no such network.
    """
    if not name.startswith(APPLICATIONS):
        return functools.partial(_from_file, name)
    application = name.removeprefix(APPLICATIONS)
    found = getattr(keras.applications, application, None)
    if not inspect.isfunction(found):
        known = sorted(n for n, _ in inspect.getmembers(keras.applications, inspect.isfunction))
        raise ValueError(f"Unknown network; keras.applications has {', '.join(known)}. Received: name={name!r}")
    return functools.partial(_from_application, found)


def shape_for(spec: Specification, image_size: tuple[int, int] | None = None) -> Shape | None:
    """Returns an image shape that the network of a specification takes in any case; None where 32x32x3 is one.

    Args:
        spec: mapping with the "name" of the network, as for `build`.
        image_size: (height, width) of the images that it is to take, where that is known: odtf's own networks take
            those or none.
    """
    name = spec.get("name", "")
    if not is_model(name):
        if image_size is not None:
            return *image_size, 3
        levels = spec.get("levels", 8) if name == "unet_generator" else 0
        # Of other numbers the network itself tells what is wrong with them.
        return (2**levels, 2**levels, 3) if isinstance(levels, int) and 5 < levels < 12 else None
    if name.startswith(APPLICATIONS):
        return 96, 96, 3
    shape = tuple(keras_file.load(name).input_shape[1:])
    return shape if len(shape) == 3 and None not in shape else None


def _from_file(
    path,
    input_shape,
    head,
    *,
    taps=None,
    pixels=None,
    answer=None,
    weights="fresh",
    normalization=None,
    seed=0,
    name="network",
    synchronized=False,
):
    network = from_keras(
        path,
        head,
        input_shape=input_shape,
        taps=taps,
        pixels=pixels,
        normalization=normalization,
        answer=answer,
        weights=weights,
    )
    return network(seed=seed, name=name, synchronized=synchronized)


def _from_application(
    application,
    input_shape,
    head,
    *,
    taps=None,
    pixels=None,
    normalization=None,
    seed=0,
    name="network",
    synchronized=False,
    **arguments,
):
    known = [key for key in inspect.signature(application).parameters if key not in ("input_tensor", "name")]
    if unknown := sorted(set(arguments) - set(known)):
        raise ValueError(
            f"keras.applications' {application.__name__} takes {', '.join(known)}. Received: {', '.join(unknown)}."
        )
    options = {"weights": None, "input_shape": tuple(input_shape), "classifier_activation": None, **arguments}
    if options["weights"] is not None:
        raise ValueError(f"Networks of keras.applications start afresh here. Received: weights={options['weights']!r}")
    if isinstance(head, (int, np.integer)) and options.get("include_top", True):
        options.setdefault("classes", int(head))
    network = from_keras(application(**options), head, taps=taps, pixels=pixels, normalization=normalization)
    return network(seed=seed, name=name, synchronized=synchronized)
