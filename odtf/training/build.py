"""From a config to the objects of a run: the data set and the cohort; from a workdir back to a trained cohort."""

import collections.abc
import functools
import inspect
import json
import pathlib

import keras
import tensorflow as tf

from odtf import data, methods, models
from odtf.errors import UserError
from odtf.training.checkpoints import load_weights
from odtf.training.config import from_json


def set_runtime(config):
    """Sets what is global in Keras and TensorFlow: seeds, determinism, precision. Call it before building."""
    keras.utils.set_random_seed(config.seed)
    if config.deterministic:
        tf.config.experimental.enable_op_determinism()
    keras.config.set_dtype_policy(config.precision)


def load_dataset(config):
    """Returns the `odtf.data.ImageDataset` of a config.

    Raises:
        UserError: if the data are missing or not what the config says.
    """
    options = {key: value for key, value in config.data.items() if key not in ("name", "augment", "num_views")}
    return data.load(config.data.name, seed=config.seed, **options)


def make_pipeline(config, dataset):
    """Returns the `odtf.data.TrainPipeline` of a config."""
    return data.TrainPipeline(
        dataset,
        batch_size=config.batch_size,
        seed=config.seed,
        augment=config.data.augment.to_dict(),
        num_views=config.data.num_views,
    )


def make_method(config, image_shape, num_classes, *, synchronized=False):
    """Builds the cohort of a config, with fresh weights; call it under the strategy's scope.

    `config.network`, and every key of `config.method` that ends in "network" (or "networks", a list), is turned from
    a mapping into a callable that builds it; `config.method.teacher_workdir` into a trained, frozen teacher.

    Args:
        config: `ConfigDict`.
        image_shape: (height, width, channels).
        num_classes: int.
        synchronized: bool, whether batch normalisation spans all replicas.

    Returns:
        `odtf.methods.Method`, not yet compiled.

    Raises:
        UserError: on unknown names and arguments, and on values that the method or the network refuses.
    """
    options = config.method.to_dict()
    name = options.pop("name")
    try:
        method = getattr(methods, name)
    except AttributeError:
        known = ", ".join(methods.available())
        raise UserError(f"config.method.name must be one of {known}. Received: {name!r}.") from None

    def network(spec):
        return functools.partial(_build_network, spec, image_shape, num_classes, synchronized)

    options["network"] = config.network.to_dict()
    for key, value in options.items():
        if key.endswith("network") and isinstance(value, collections.abc.Mapping):
            options[key] = network(value)
        elif key.endswith("networks"):
            options[key] = [network(spec) for spec in value]
    if "teacher_workdir" in options:
        options["teacher"] = load_peer(options.pop("teacher_workdir"), image_shape, num_classes)[1]
    options |= {"seed": config.seed, "weight_decay": config.weight_decay, "label_smoothing": config.label_smoothing}
    parameters = inspect.signature(method).parameters
    if "synchronized" in parameters:
        options["synchronized"] = synchronized
    try:
        inspect.signature(method).bind(**options)
    except TypeError as error:
        known = ", ".join(key for key in parameters if key not in ("name", "seed", "synchronized"))
        raise UserError(f"config.method: {name} takes {known}. Received: {error}.") from None
    try:
        return method(**options)
    except ValueError as error:
        raise UserError(f"config.method cannot be built. {error}") from error


def _build_network(spec, image_shape, num_classes, synchronized, seed, name):
    return models.build(spec, image_shape, num_classes, seed=seed, name=name, synchronized=synchronized)


def read_config(workdir):
    """Returns the config of a workdir.

    Raises:
        UserError: if there is none, or it cannot be read.
    """
    return from_json(_read_json(pathlib.Path(workdir) / "config.json"))


def read_report(workdir):
    """Returns the report of a finished run as a dict.

    Raises:
        UserError: if the directory holds no finished run.
    """
    return _read_json(pathlib.Path(workdir) / "report.json")


def _read_json(path):
    try:
        return json.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise UserError(
            f"{path.parent} holds no finished run: odtf-train with this workdir starts one, or goes on with it. "
            f"Received: no {path.name} there."
        ) from error
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read as JSON: {error}.") from error


def load_peer(workdir, image_shape, num_classes, peer=None):
    """Rebuilds a trained peer of a finished run from its config and the weights that validation chose.

    Args:
        workdir: directory of the run.
        image_shape: (height, width, channels) of the images it is to take.
        num_classes: int.
        peer: str, the peer's name; the run's student by default.

    Returns:
        (name, network): the network with its named taps.

    Raises:
        UserError: if the workdir holds no finished run, or no such peer.
    """
    config, report = read_config(workdir), read_report(workdir)
    method = make_method(config, image_shape, num_classes)
    peer = peer or report["student"]["name"]
    if peer not in method.peers:
        raise UserError(f"The run in {workdir} has the peers {', '.join(method.peers)}. Received: {peer!r}.")
    load_weights(method, pathlib.Path(workdir) / "chosen" / f"step-{report['student']['step']}.npz")
    return peer, method.peers[peer]
