"""The configuration of an experiment: its defaults, its check, its text form. Nothing here imports TensorFlow."""

from __future__ import annotations

import json
import pathlib
import runpy
from typing import TYPE_CHECKING

import ml_collections

from odtf import names, own_code, paths
from odtf.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any


# What may change between two runs on one workdir: it alters neither the data, the network nor the course of training.
RUNTIME_KEYS = ("checkpoint.keep", "log_every_steps", "pictures", "export", "code_dir", "compare")


# Parts whose keys are the arguments of the builder that they name.
FREE = ("task", "network", "method", "optimizer", "data.augment")


def default_config() -> ml_collections.ConfigDict:
    """Returns the configuration with every key and its default, locked against new top-level keys.

    What each key may be is in `odtf.training.bounds`; what shows that it acts, in tests/training/test_settings.py.

    `task`, `network`, `method` and `data.augment` are free: their keys are the arguments of the builder they name.
    A network may have the keys `cheap` and `fraction` too, which make another of it, see `odtf.models.derived`.
    Any of these names, `data.name`, `data.augment.also`, those of `export.targets`, and the loss terms
    `task.supervised` and `task.distil` (see `odtf.training.own_losses`), may be FILE.py:NAME or
    package.module:NAME of the user's own; the path of a file is relative to the directory of the command, and modules
    are looked for beside the config, after everything else.

    A network may be a Keras model too: FILE.keras, or keras.applications:NAME with arguments of that network, such as
    `{"name": "keras.applications:MobileNetV3Small", "alpha": 0.5}`. Its weights start afresh, and its image size and
    classes are those of the data. Besides, `taps`, `pixels`, `answer` and (of a file) `weights="keep"` say what
    `odtf.models.from_keras` does not find. No code of a file is run; it must lie where it was when a run is exported.

    `method.divergence`, in every method that compares a student's answer with a teacher's, is "kl", "standardized",
    "dkd" or "dist"; or a mapping with it as "name" and options, see `odtf.methods.shared.divergence.Divergence`.

    `method.teacher` is the path of a model that was trained elsewhere, or a mapping with it as "file" and further
    arguments of `odtf.teachers.load`: `{"file": "big.onnx", "pixels": "0..1", "order": ("cat", "dog")}`. It may be the
    directory of answers that odtf-store has made too, where a method learns from a teacher's answers alone; data and
    augmentation are then those that they were stored with. `method.teacher_workdir` takes these as well.
    """
    config = ml_collections.ConfigDict()
    config.seed = 0
    # True makes a run repeatable bit by bit, also across a kill and resume, at some cost in speed.
    config.deterministic = False
    config.batch_size = 128  # The global batch, over all replicas and workers.
    config.epochs = 1
    config.weight_decay = 0.0  # Coupled, on all trainable variables; see odtf.methods.Method.compile.
    # Or "mixed_bfloat16", "mixed_float16"; "auto": see `odtf.training.precision`, the default once that is measured.
    config.precision = "float32"
    config.jit = False  # XLA; refused on a CPU, where it makes cheap convolutions many times slower.
    config.sync_batch_norm = True  # Statistics over all replicas, where there is more than one.
    config.log_every_steps = 50
    config.code_dir = ml_collections.config_dict.placeholder(str)  # Of modules of one's own; None: the config's folder.

    config.data = ml_collections.ConfigDict()
    config.data.name = "digits"  # "digits", "folder:PATH", a TFDS set, FILE.py:FUNCTION, ...
    config.data.data_dir = ml_collections.config_dict.placeholder(str)
    config.data.image_size = ml_collections.config_dict.placeholder(object)  # (height, width), or None: as it is.
    config.data.resize = "stretch"  # Or "fit" (all of the image, on black) or "crop" (its centre), to image_size.
    config.data.channels = ml_collections.config_dict.placeholder(int)  # 1 for grey images, 3; None: the data's own.
    config.data.validation_fraction = 0.1
    config.data.stratify = False  # Whether splits of a TFDS set are made by its labels, which are read for it.
    config.data.memory_budget_mb = 2048
    config.data.max_train_examples = ml_collections.config_dict.placeholder(int)
    config.data.skip_corrupt = False
    config.data.mean = ml_collections.config_dict.placeholder(object)  # Of pixels in [0, 1]; None: measured.
    config.data.std = ml_collections.config_dict.placeholder(object)
    config.data.balanced = False  # Whether all classes are drawn equally often in training.
    config.data.num_views = 1
    # Further data sets whose training images join those of `name` in the batches, each a mapping with its "name", and
    # as far as wanted "images" (how many; all), "epochs" ((first, end); all) and "labels" (whether they count; True):
    # ({"name": "folder:PATH", "images": 100, "epochs": (0, 50), "labels": False},). See `odtf.data.load_domain`.
    config.data.domains = ()
    config.data.augment = ml_collections.ConfigDict({"pad": 0, "pad_mode": "zero", "flip": False, "cutout": 0})

    config.task = ml_collections.ConfigDict({"name": "classification"})
    config.network = ml_collections.ConfigDict({"name": "cifar_resnet", "depth": 8})
    config.method = ml_collections.ConfigDict({"name": "Solo"})

    # Of networks that start from trained weights, as `init` says in their mappings: in how many of the first epochs
    # the layers that were taken wait for the new ones, and a factor on their learning rate thereafter.
    config.init = ml_collections.ConfigDict({"frozen_epochs": 0, "body_rate": 1.0})

    # What validation sees, chooses and exports in place of the weights of the last step, see `Averaging`.
    config.average = ml_collections.ConfigDict()
    config.average.name = "none"  # Or "ema", beside the weights; or "lookahead", from which they then go on.
    config.average.decay = 0.99  # Times (step / steps of the run) ** power.
    config.average.every_steps = 1
    config.average.power = 0.0
    config.average.norm_batches = 16  # Of the last steps, from which batch normalisation has the averages' statistics.

    config.recipe = ml_collections.ConfigDict()
    config.recipe.norm_bias_rate = 1.0  # A factor on the learning rate of the biases of batch normalisation.
    config.recipe.norm_decay = True  # Whether batch normalisation has the weight decay.
    config.recipe.whitened_stem = False  # Whether students' first convolutions begin as what whitens training images.
    # Smaller images in the first epochs: (epoch, side) or (epoch, height, width) each, such as ((0, 24), (20, 32)).
    config.recipe.sizes = ()

    config.optimizer = ml_collections.ConfigDict({"name": "sgd", "momentum": 0.9, "nesterov": False})
    config.schedule = ml_collections.ConfigDict()
    config.schedule.name = "constant"  # "constant", "piecewise", "cosine", "linear" or "one_cycle".
    config.schedule.learning_rate = 0.1
    config.schedule.warmup_epochs = 0.0  # Linear, from 0.
    config.schedule.milestones = ()  # piecewise: epochs, 0-based, at whose start the rate is multiplied by `factor`.
    # linear: the one before which the rate is constant, or none; it then falls by epoch, and is above 0 in the last.
    config.schedule.factor = 0.1
    # one_cycle: the warm-up is its rise, and from there the rate falls step by step in a straight line.
    config.schedule.final_fraction = 0.0  # cosine, one_cycle: the last rate as a share of the first.
    config.schedule.restarts = ()  # Epochs at whose start all of the above begins anew, for training in stages.

    config.quantization = ml_collections.ConfigDict()
    config.quantization.aware = False  # Whether students train with the rounding of their int8 form.
    # How many of the first epochs are float (None: half), and how many of the last freeze batch norm (None: a tenth).
    config.quantization.delay_epochs = ml_collections.config_dict.placeholder(int)
    config.quantization.freeze_batch_norm_epochs = ml_collections.config_dict.placeholder(int)
    config.quantization.range_momentum = 0.99  # Of the moving averages that are the ranges of activations.

    config.checkpoint = ml_collections.ConfigDict({"every_steps": 0, "keep": 3})  # every_steps 0: every epoch.

    # Pictures of what all networks make of some images of the validation split: after each so many epochs, 0 for none.
    config.pictures = ml_collections.ConfigDict({"every_epochs": 0, "images": 4})

    config.export = ml_collections.ConfigDict()
    config.export.targets = ("soc", "phone")  # What the end of training exports; () for nothing.
    config.export.quantization = "int8"
    config.export.calibration_examples = 256

    config.compare = ml_collections.ConfigDict()
    # Whether odtf-train then trains the network of the student alone too, in WORKDIR/alone, and shows the difference.
    config.compare.alone = False
    config.compare.recorded = ml_collections.config_dict.placeholder(str)  # What it adds: what seeds gave before.
    config.lock()
    return config


def free(values: Mapping[str, Any]) -> ml_collections.ConfigDict:
    """Returns an unlocked `ConfigDict` for a part whose keys are a builder's arguments, such as `network`."""
    return ml_collections.ConfigDict(values)


def smoke(config: ml_collections.ConfigDict) -> None:
    """Turns a config into its smoke test: digits instead of its data, two short epochs, one export.

    What it keeps is the method with its coefficients; a config that needs smaller networks for it sets them itself.
    """
    config.data.name = "digits"
    config.data.mean = config.data.std = config.data.channels = config.data.image_size = None
    config.data.resize = "stretch"
    config.data.augment = free({"pad": 1, "pad_mode": "zero", "flip": False, "cutout": 0})
    config.batch_size = 64
    config.epochs = 2
    config.schedule.name = "cosine"
    config.schedule.milestones = ()
    config.schedule.restarts = ()
    config.schedule.warmup_epochs = config.schedule.final_fraction = 0.0
    config.schedule.learning_rate = min(config.schedule.learning_rate, 0.05)
    config.export.targets = ("soc",)
    config.export.calibration_examples = 64


def load_config(path: str | pathlib.Path, arg: str | None = None) -> ml_collections.ConfigDict:
    """Returns what the `get_config` of another config file gives, to start from.

    Args:
        path: the Python file.
        arg: str or None, as after the colon of `--config=FILE:arg`.
    """
    own_code.add_folder(paths.local(path, "A config").parent)
    return runpy.run_path(str(path))["get_config"](arg)


def parse_arg(arg: str | None, **defaults: Any) -> ml_collections.ConfigDict:
    """Parses the text after the colon of `--config=FILE:key=value,key=value`.

    Args:
        arg: str or None. A key alone means `key=True`.
        **defaults: the keys that the config file takes, with defaults that also give the types (str, int, float,
            bool). A default of None accepts an integer.

    Returns:
        `ConfigDict` with a value for each key.

    Raises:
        UserError: on an unknown key or a value of another type.

    Example:

    >>> parse_arg("depth=20,smoke", depth=8, block="depthwise", smoke=False)
    """
    values = dict(defaults)
    for item in filter(None, (arg or "").split(",")):
        key, _, text = item.partition("=")
        if key not in defaults:
            listed = f"{', '.join(sorted(defaults))}{names.meant(key, defaults)}"
            raise UserError(f"The config takes the arguments {listed}. Received: {item!r}.")
        values[key] = _parse_value(key, text if "=" in item else "true", defaults[key])
    return ml_collections.ConfigDict(values)


def _parse_value(key, text, default):
    kind = int if default is None else type(default)
    try:
        if kind is bool:
            return {"true": True, "1": True, "false": False, "0": False}[text.lower()]
        return kind(text)
    except (KeyError, ValueError):
        raise UserError(f"The config's argument {key} must be of type {kind.__name__}. Received: {text!r}.") from None


def choose(key: str, value: str, options: Mapping[str, Any]) -> Any:
    """Returns what a config file has under the value of one of its arguments.

    Args:
        key: str, the argument.
        value: str, what was given for it.
        options: mapping from the values that the config file knows.

    Raises:
        UserError: if it does not know this one.
    """
    if value not in options:
        listed = f"{', '.join(options)}{names.meant(value, options)}"
        raise UserError(f"The config's argument {key} must be one of {listed}. Received: {value!r}.")
    return options[value]


def rising(epochs: Iterable[int]) -> tuple[int, ...]:
    """Returns milestones in their order, each once: shares of a run of few epochs fall together."""
    return tuple(sorted(set(epochs)))


def to_json(config: ml_collections.ConfigDict) -> dict[str, Any]:
    """Returns the configuration as plain JSON data: lists for tuples, None for what is not set."""
    return json.loads(json.dumps(config.to_dict()))


def from_json(data: Mapping[str, Any]) -> ml_collections.ConfigDict:
    """Returns the locked `ConfigDict` that `to_json` was made from; keys that came later have their defaults.

    Keys at the top that are none any more are the task's: there they stood before 0.2.
    """
    defaults = to_json(default_config())
    former = {key: value for key, value in data.items() if key not in defaults}
    data = {key: value for key, value in data.items() if key in defaults}
    if former:
        data["task"] = {**data.get("task", defaults["task"]), **former}
    config = ml_collections.ConfigDict(_with_defaults(data, defaults))
    config.lock()
    return config


def _with_defaults(data, defaults):
    free = [part.rpartition(".")[2] for part in FREE]
    return defaults | {
        key: _with_defaults(value, defaults[key])
        if key not in free and isinstance(value, dict) and isinstance(defaults.get(key), dict)
        else value
        for key, value in data.items()
    }


def named(config: ml_collections.ConfigDict) -> list[Any]:
    """Returns the parts of a config whose names may be those of the user's own code, as plain data."""
    data = to_json(config)
    free = data["task"], data["network"], data["method"], data["data"]["augment"]
    domains = [domain["name"] for domain in data["data"]["domains"]]
    return [*free, data["data"]["name"], domains, data["export"]["targets"]]


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Compares two configurations as `to_json` gives them, but for what may change on a workdir.

    Returns:
        list of str, "key: old -> new" for every leaf that differs.
    """
    old, new = dict(leaves(old)), dict(leaves(new))
    missing = "nothing"
    return [
        f"{key}: {old.get(key, missing)} -> {new.get(key, missing)}"
        for key in sorted(old.keys() | new.keys())
        if old.get(key, missing) != new.get(key, missing)
        # Which "auto" became is the run's own.
        and not (key == "precision" and "auto" in (old.get(key), new.get(key)))
        and not any(key == free or key.startswith(f"{free}.") for free in RUNTIME_KEYS)
    ]


def leaves(data: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yields ("part.key", value) for every value of nested dicts."""
    for key, value in data.items():
        if isinstance(value, dict):
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
