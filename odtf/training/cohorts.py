"""From a config to the objects of a run: the data set and the cohort; from a workdir back to a trained cohort."""

import collections.abc
import contextlib
import functools
import inspect

import keras
import tensorflow as tf

from odtf import data, methods, models, quantization
from odtf.errors import UserError
from odtf.models.specification import check_kinds
from odtf.training.checkpoints import load_weights
from odtf.training.records import chosen_path, read_config, read_report
from odtf.training.schedules import make_optimizer


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


def rehearse(config):
    """Judges what a config says about optimizer, augmentation, networks and method, before its data are read.

    Every network is built once, for an image that all networks take; the method is made up to its first network.

    Raises:
        UserError: on unknown names and arguments, and on values that are refused.
    """
    make_optimizer(config.optimizer, 0.1)
    data.Augmentation.from_config(config.data.augment)

    def network(key, spec):
        _build_network(_aware(config, key), key, spec, (32, 32, 3), 10, False, seed=0, name="network")
        return _rehearsed

    with contextlib.suppress(_Rehearsed):
        _make_method(config, network, _check_teacher, synchronized=False)


class _Rehearsed(Exception):
    """A method asks for its first network, or looks at its teacher."""


def _rehearsed(**kwargs):
    raise _Rehearsed


class _Unseen:
    def __getattr__(self, name):
        raise _Rehearsed


def _check_teacher(workdir):
    try:
        read_config(workdir)
        read_report(workdir)
    except UserError as error:
        raise UserError(f"config.method.teacher_workdir: {error}") from error
    return _Unseen()


def make_method(config, image_shape, num_classes, *, synchronized=False, input_range=None):
    """Builds the cohort of a config, with fresh weights; call it under the strategy's scope.

    `config.network`, and every key of `config.method` that ends in "network" (or "networks", a list), is turned from
    a mapping into a callable that builds it; `config.method.teacher_workdir` into a trained, frozen teacher.

    Args:
        config: `ConfigDict`.
        image_shape: (height, width, channels).
        num_classes: int.
        synchronized: bool, whether batch normalisation spans all replicas.
        input_range: pair of floats, see `odtf.quantization.pixel_range`; of use where students train quantised.

    Returns:
        `odtf.methods.Method`, not yet compiled.

    Raises:
        UserError: on unknown names and arguments, and on values that the method or the network refuses.
    """

    schedule = _quantization_schedule(config)

    def network(key, spec):
        aware = _aware(config, key, schedule, input_range)
        return functools.partial(_build_network, aware, key, spec, image_shape, num_classes, synchronized)

    def teacher(workdir):
        try:
            return load_peer(workdir, image_shape, num_classes)[1]
        except UserError as error:
            raise UserError(
                f"config.method.teacher_workdir must hold a teacher of images {image_shape} in {num_classes} classes, "
                f"as the data have them. {error}"
            ) from error

    method = _make_method(config, network, teacher, synchronized)
    method.quantization = schedule
    return method


# Where the networks of students stand in a config; those beside them are there only to teach, and stay float.
_STUDENTS = ("config.network", "config.method.networks")


def _quantization_schedule(config):
    """Returns when the students of a config are quantised, or None where they never are."""
    if not config.quantization.aware:
        return None
    delay, frozen = config.quantization.delay_epochs, config.quantization.freeze_batch_norm_epochs
    return quantization.Schedule(config.epochs, delay, frozen)


def _aware(config, key, schedule=None, input_range=None):
    """Returns what makes a network that the config names at `key` one that trains quantised, or None."""
    if not config.quantization.aware or key not in _STUDENTS:
        return None
    return functools.partial(
        quantization.quantization_aware,
        schedule=schedule,
        momentum=config.quantization.range_momentum,
        input_range=input_range,
    )


def _make_method(config, network, teacher, synchronized):
    """Makes the method; `network(key, spec)` and `teacher(workdir)` say how its parts are made."""
    options = config.method.to_dict()
    name = options.pop("name")
    if name not in methods.available():
        raise UserError(f"config.method.name must be one of {', '.join(methods.available())}. Received: {name!r}.")
    method = getattr(methods, name)
    _check_method_options(method, options)
    options["network"] = config.network.to_dict()
    for key, value in options.items():
        where = "config.network" if key == "network" else f"config.method.{key}"
        if key.endswith("network") and isinstance(value, collections.abc.Mapping):
            options[key] = network(where, value)
        elif key.endswith("networks"):
            options[key] = [network(where, spec) for spec in value]
    if (workdir := options.pop("teacher_workdir", None)) is not None:
        options["teacher"] = teacher(workdir)
    options |= {"seed": config.seed, "weight_decay": config.weight_decay, "label_smoothing": config.label_smoothing}
    if "synchronized" in inspect.signature(method).parameters:
        options["synchronized"] = synchronized
    try:
        return method(**options)
    except ValueError as error:
        raise UserError(f"config.method: {error}") from error


# Arguments of a method that come from elsewhere in the config.
_ELSEWHERE = ("name", "network", "seed", "weight_decay", "label_smoothing", "synchronized")


def _check_method_options(method, options):
    parameters = inspect.signature(method).parameters
    needed = {key: p.default is p.empty for key, p in parameters.items() if key not in _ELSEWHERE}
    if "teacher" in needed:
        needed["teacher_workdir"] = needed.pop("teacher")
    for key, value in options.items():
        if key not in needed:
            known = f"the keys name, {', '.join(needed)}" if needed else "no keys but name"
            raise UserError(f"config.method: {method.__name__} takes {known}. Received: {key}={value!r}.")
    for key in needed:
        if needed[key] and options.get(key) is None:
            raise UserError(f"config.method: {method.__name__} needs the key {key}. Received: no {key}.")
    workdir = options.get("teacher_workdir")
    if not isinstance(workdir, str | None):
        raise UserError(f"config.method.teacher_workdir must be the workdir of a finished run. Received: {workdir!r}.")
    try:
        check_kinds(method, options)
    except ValueError as error:
        raise UserError(f"config.method: {error}") from error


def _build_network(aware, key, spec, image_shape, num_classes, synchronized, seed, name):
    try:
        network = models.build(spec, image_shape, num_classes, seed=seed, name=name, synchronized=synchronized)
        return network if aware is None else aware(network)
    except ValueError as error:
        raise UserError(f"{key}: {error}") from error


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
    method = load_cohort(workdir, image_shape, num_classes)
    peer = peer or read_report(workdir)["student"]["name"]
    if peer not in method.peers:
        raise UserError(f"The run in {workdir} has the peers {', '.join(method.peers)}. Received: {peer!r}.")
    return peer, method.peers[peer]


def load_cohort(workdir, image_shape, num_classes):
    """Rebuilds the whole cohort of a finished run, with the weights that validation chose.

    Args:
        workdir: directory of the run.
        image_shape: (height, width, channels) of the images it is to take.
        num_classes: int.

    Returns:
        `odtf.methods.Method`, not compiled.

    Raises:
        UserError: if the workdir holds no finished run.
    """
    config, path = read_config(workdir), chosen_path(workdir)
    method = make_method(config, image_shape, num_classes)
    load_weights(method, path)
    return method
