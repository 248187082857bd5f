"""From a config to the objects of a run: runtime, task, data set, pipeline and cohort."""

import collections.abc
import contextlib
import dataclasses
import functools
import inspect
import numbers

import keras
import tensorflow as tf

from odtf import data, methods, models, names, quantization, tasks
from odtf.data import arguments
from odtf.errors import UserError
from odtf.methods.shared.given_answers import GivenAnswers
from odtf.models import automatic_names
from odtf.models.specification import check_kinds
from odtf.tasks import written
from odtf.training import builders, own_losses, own_methods
from odtf.training import starts as starts_lib
from odtf.training.schedules import make_optimizer


def set_runtime(config):
    """Sets what is global in Keras and TensorFlow: seeds, determinism, precision. Call it before building."""
    keras.utils.set_random_seed(config.seed)
    if config.deterministic:
        tf.config.experimental.enable_op_determinism()
    # A run has chosen by now, see `odtf.training.precision`; what only takes data and teacher of a config is float32.
    keras.config.set_dtype_policy("float32" if config.precision == "auto" else config.precision)


def make_task(config):
    """Returns the `odtf.tasks.Task` of a config.

    Raises:
        UserError: on an unknown name or argument, or a value that the task refuses.
    """
    options = config.task.to_dict()
    name = options.pop("name")
    tasks.check(name, "config.task.name must be one of")
    try:
        task = tasks.find(name)
        known = builders.of_task(task)
        for key, value in options.items():
            if key not in known:
                listed = f"{', '.join(known)}{names.meant(key, known)}"
                raise ValueError(f"{name} takes {listed}. Received: {key}={value!r}.")
        own = [key for key in own_losses.TERMS if key in options and key not in inspect.signature(task).parameters]
        terms = {key: options.pop(key) for key in own}
        check_kinds(task, options)
        made = tasks.make(name, **options)
    except ValueError as error:
        raise UserError(f"config.task: {error}") from error
    written.check_written(made, name, ("head", "answer"))
    own_losses.install(made, options, terms)
    return made


def rehearse(config, load_teacher, load_start=None):
    """Judges what a config says about optimizer, augmentation, networks, task and method, before its data are read.

    Every network is built once, for an image that all networks take; the method is made up to its first network.

    Args:
        config: `ConfigDict`.
        load_teacher: as for `make_method`, called without `info`.
        load_start: as for `make_method`.

    Raises:
        UserError: on unknown names and arguments, and on values that are refused.
    """
    make_optimizer(config.optimizer, 0.1)
    data.Augmentation.from_config(config.data.augment)
    task, info = make_task(config), data.Info("rehearsal", (32, 32, 3), tuple("0123456789"), (0.5, 0.25))
    size = arguments.image_size(config.data.image_size)

    def network(key, spec):
        shown = dataclasses.replace(info, image_shape=models.shape_for(spec, size) or info.image_shape)
        starts = starts_lib.Starts(load_start, knows_head=False)  # How many classes there are the data will tell.
        _build(_aware(config, key), key, spec, task, shown, False, 0, "network", starts)
        return _rehearsed

    def teacher(workdir):
        found = load_teacher(workdir)
        return found if isinstance(found, data.StoredAnswers) else _Unseen()

    with contextlib.suppress(_Rehearsed):
        _make_method(config, task, network, teacher, synchronized=False)


class _Rehearsed(Exception):
    """A method asks for its first network, or looks at its teacher."""


def _rehearsed(**kwargs):
    raise _Rehearsed


class _Unseen:
    def __getattr__(self, name):
        raise _Rehearsed


def make_method(config, info, load_teacher, *, load_start=None, synchronized=False, input_range=None):
    """Builds the cohort of a config, with fresh weights, or such to start from; call it under the strategy's scope.

    `config.network`, and every key of `config.method` that ends in "network" (or "networks", a list), is turned from
    a mapping into a callable that builds it; `config.method.teacher_workdir` into a trained, frozen teacher. A number
    in a list of networks stands for `config.network` at that fraction of its channels after `config.method.cut`. What
    a network starts from is `init` in its mapping: a source of `odtf.models.start`, a workdir, or a mapping of
    "source", "head" and "changed", whether the source is what `cheap` and `fraction` make of the network.

    Args:
        config: `ConfigDict`.
        info: `odtf.data.Info` of the data.
        load_teacher: callable `load_teacher(workdir, info)` that returns the student of a finished run.
        load_start: callable `load_start(source)` that turns an `init` into what `odtf.models.start` takes; None: no
            network starts from anything, for its weights are loaded later.
        synchronized: bool, whether batch normalisation spans all replicas.
        input_range: pair of floats, see `odtf.quantization.pixel_range`; of use where students train quantised.

    Returns:
        `odtf.methods.Method`, not yet compiled. Its attribute `specifications` says what every network was built from,
        a dict from the network's name to a mapping, and `starts` what it started from: from a name to `Started`.

    Raises:
        UserError: on unknown names and arguments, and on values that the method or the network refuses.
    """
    task, schedule, specifications = make_task(config), _quantization_schedule(config), {}
    starts = starts_lib.Starts(load_start)

    def network(key, spec):
        aware = _aware(config, key, schedule, input_range)

        def build(*, seed, name):
            specifications[name] = spec
            return _build(aware, key, spec, task, info, synchronized, seed, name, starts)

        return build

    def teacher(workdir):
        return load_teacher(workdir, info=info)

    method = _make_method(config, task, network, teacher, synchronized)
    own_methods.check_made(method, specifications)
    method.quantization = schedule
    method.specifications = specifications
    method.starts = starts.made
    if load_start is not None:
        starts_lib.set_warm_start(config, method)
    return method


def make_network(config, row, info):
    """Builds one peer of a run by itself, with fresh weights.

    Args:
        config: `ConfigDict` of the run.
        row: of the peer in its report, with "name" and "network".
        info: `odtf.data.Info` of the data.

    Returns:
        `keras.Model` with named taps, as it is in its cohort.

    Raises:
        UserError: on unknown names and arguments, and on values that the network refuses.
    """
    key = "config.network" if row["name"].startswith(_STUDENT_NAMES) else f"config.method.{row['name']}_network"
    aware = _aware(config, key, _quantization_schedule(config))
    return _build(aware, key, row["network"], make_task(config), info, False, 0, row["name"])


def network_of(method, name):
    """Returns what a peer of a cohort was built from: a mapping, or a list of them for one made of several networks."""
    made = method.specifications
    if name in made:
        return made[name]
    parts = [spec for part, spec in made.items() if part.startswith(f"{name}_")]
    return parts or [spec for part, spec in made.items() if part.startswith("peer_")]


# Where the networks of students stand in a config; those beside them are there only to teach, and stay float.
_STUDENTS = ("config.network", "config.method.networks")
_STUDENT_NAMES = ("peer_", "mean_", "leader")


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
        copy=False,
    )


def _make_method(config, task, network, teacher, synchronized):
    """Makes the method; `network(key, spec)` and `teacher(workdir)` say how its parts are made."""
    options = config.method.to_dict()
    method = methods.find(options.pop("name"))
    _check_method_options(method, options)
    if options.get("networks") is None:
        options["networks"] = config.network.to_dict()
    for key, value in options.items():
        if not key.endswith(("network", "networks")) or value is None:
            continue
        where = f"config.method.{key}" if key in config.method else "config.network"
        single = isinstance(value, collections.abc.Mapping)
        specs = [value] if single else _specifications(config, where, value)
        makers = [network(where, spec) for spec in specs]
        options[key] = makers[0] if single else makers
    if (workdir := options.pop("teacher_workdir", None)) is not None:
        options["teacher"] = teacher(workdir)
    elif (said := options.get("teacher")) is not None:
        said = {"file": said} if isinstance(said, str) else said
        options["teacher"] = teacher({**said, "output": task.output})
    if isinstance(stored := options.get("teacher"), data.StoredAnswers):
        if not getattr(method, "takes_stored", False):
            raise UserError(
                f"config.method: {method.__name__} learns from more than a teacher's answers; a model as its teacher, "
                "or OfflineDistillation, would be right. Received: stored answers."
            )
        options["teacher"] = GivenAnswers(stored.answer_shape)
    try:
        with automatic_names.counted_anew():
            return method(**options, task=task, seed=config.seed, synchronized=synchronized)
    except ValueError as error:
        raise UserError(f"config.method: {error}") from error
    except _TOO_LARGE as error:
        raise UserError(_too_large("config.method", config.method.to_dict())) from error


def _specifications(config, where, given):
    """What a list says of each network: a mapping, or a fraction of the channels of `config.network`."""
    specs = given if isinstance(given, collections.abc.Sequence) and not isinstance(given, str) else [None]
    if not all(isinstance(spec, (collections.abc.Mapping, numbers.Real)) for spec in specs):
        raise UserError(
            f"{where} must be a network, such as {{'name': 'cifar_resnet', 'depth': 8}}, or a list of networks, or of "
            f"fractions of config.network. Received: {given!r}."
        )
    narrowed = {**config.network.to_dict(), "after": config.method.get("cut")}
    return [{**narrowed, "fraction": spec} if isinstance(spec, numbers.Real) else spec for spec in specs]


def _check_method_options(method, options):
    own_methods.check_class(method)
    needed = builders.of_method(method)
    if options.get("teacher"):
        needed["teacher_workdir"] = False
    for key, value in options.items():
        if key not in needed:
            listed = f"{', '.join(needed)}{names.meant(key, needed)}"
            raise UserError(
                f"config.method: {method.__name__} takes the keys name, {listed}. Received: {key}={value!r}."
            )
    for key in needed:
        if needed[key] and options.get(key) is None:
            raise UserError(f"config.method: {method.__name__} needs the key {key}. Received: no {key}.")
    workdir = options.get("teacher_workdir")
    if not isinstance(workdir, str | None):
        raise UserError(f"config.method.teacher_workdir must be the workdir of a finished run. Received: {workdir!r}.")
    _check_teacher(options)
    try:
        check_kinds(method, options)
    except ValueError as error:
        raise UserError(f"config.method: {error}") from error


def _check_teacher(options):
    said = options.get("teacher")
    if not isinstance(said, str | collections.abc.Mapping | None) or said == {}:
        raise UserError(
            "config.method.teacher must be the path of a model, or a mapping with it as its file, and how it takes "
            f"pixels and names classes. Received: {said!r}."
        )
    if said is not None and options.get("teacher_workdir") is not None:
        raise UserError("config.method has a teacher or a teacher_workdir, not both. Received: both.")


def _build(aware, key, spec, task, info, synchronized, seed, name, starts=None):
    head = task.head(info)
    init, spec = spec.get("init"), {k: value for k, value in spec.items() if k != "init"}

    def start(network, changed):
        if starts is not None:
            starts.apply(network, init, spec["name"], changed)

    try:
        network = models.build(
            spec,
            info.image_shape,
            head,
            seed=seed,
            name=name,
            synchronized=synchronized,
            normalization=info.normalization,
            output=task.output,
            prepare=functools.partial(start, changed=False),
        )
        start(network, changed=True)
        if task.output not in network.output:
            raise ValueError(
                f"The task {task.name!r} takes its answer from the tap {task.output!r}, which its head should give. "
                f"Received: {spec['name']} with the taps {', '.join(network.output)}."
            )
        return network if aware is None else aware(network)
    except ValueError as error:
        raise UserError(f"{key}: {error}") from error
    except _TOO_LARGE as error:
        raise UserError(_too_large(key, spec)) from error


# What making an array raises that no memory holds, or whose size no integer does.
_TOO_LARGE = (MemoryError, OverflowError, tf.errors.ResourceExhaustedError)


def _too_large(key, said):
    return f"{key} has weights beyond the memory of this machine; smaller numbers would be right. Received: {said}."
