"""A cohort in a `.keras` file: the arguments it was made with, and where the names in a file may lead."""

from __future__ import annotations

import functools
import inspect
import types
from typing import TYPE_CHECKING

import keras

from odtf import models, tasks
from odtf.methods.shared.given_answers import GivenAnswers
from odtf.methods.shared.signatures import Part
from odtf.models import heads, own

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from typing_extensions import Self

    from odtf.models.annotations import Path


_PLAIN = (bool, int, float, str, type(None))
# What is made anew by its arguments, which are its attributes.
_VALUES = (heads.Linear, heads.Embedding, heads.Pixels, heads.Image, own.Options, GivenAnswers)
_REFUSED = (
    "A cohort is saved by its arguments: networks of odtf.models, partials of them, Keras models, and functions, heads "
    "and tasks of your own under the decorator @keras.saving.register_keras_serializable(). Received: {}, without it."
)


class Saved(Part):
    """The part of `odtf.methods.Method` by which Keras saves and loads a cohort.

    A file holds the arguments of the constructor, those of `compile`, all variables and the state of every optimizer. A
    file is data: a name in it leads to a public network, head, task or method of odtf, to a class of Keras, or to what
    the reader has registered with Keras, and nowhere else.
    """

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        cohort = super().__new__(cls, *args, **kwargs)
        signature = inspect.signature(cls.__init__)
        given = dict(list(signature.bind_partial(cohort, *args, **kwargs).arguments.items())[1:])
        for name, parameter in signature.parameters.items():
            if parameter.kind is parameter.VAR_KEYWORD:
                given |= given.pop(name, {})
        # No dict: Keras would look for layers in it when it saves, and find the teacher there.
        object.__setattr__(cohort, "_given", types.MappingProxyType(given))
        return cohort

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        if cls.__module__.startswith("odtf.methods."):
            keras.saving.register_keras_serializable("odtf")(cls)

    @property
    def further_optimizers(self) -> list[keras.optimizers.Optimizer]:
        """The optimizers of `players`, beside that of `compile`, a list."""
        return self.update.optimizers[1:] if self.compiled else []

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor and the precision, as JSON can hold them.

        Raises:
            ValueError: if one of them is code that has no name of odtf's or Keras'.
        """
        arguments = {name: _packed(value) for name, value in self._given.items()}
        return {"arguments": arguments, "precision": self.dtype_policy.name}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Returns a new cohort of a config; its networks begin at random, and Keras loads the weights."""
        before = keras.config.dtype_policy()
        keras.config.set_dtype_policy(config["precision"])
        try:
            return cls(**{name: _unpacked(value) for name, value in config["arguments"].items()})
        finally:
            keras.config.set_dtype_policy(before)

    def get_compile_config(self) -> dict[str, Any]:
        """As Keras has it, with the arguments that a cohort's `compile` has beside Keras' own."""
        if not self.compiled:
            return {}
        own = {"weight_decay": self.weight_decay, "steps_per_epoch": self.told_steps_per_epoch}
        config = {key: value for key, value in super().get_compile_config().items() if not key.startswith("loss")}
        return {**config, **own}

    def compile_from_config(self, config: Mapping[str, Any]) -> None:
        """As Keras has it."""
        self.compile(**keras.saving.deserialize_keras_object(config))

    def save(self, filepath: Path, *args: Any, **kwargs: Any) -> None:
        """As `keras.Model.save`; what cannot be saved is refused before anything is written."""
        self.get_config()
        super().save(filepath, *args, **kwargs)


def _packed(value):
    """Returns a value as JSON can hold it."""
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, tuple | list):
        return [_packed(each) for each in value]
    if isinstance(value, dict):
        return {"dict": {name: _packed(each) for name, each in value.items()}}
    if isinstance(value, functools.partial):
        parts = {"function": value.func, "arguments": value.args, "keywords": value.keywords}
        return {"partial": {name: _packed(part) for name, part in parts.items()}}
    if isinstance(value, _VALUES):
        return {"value": type(value).__name__, **_packed(vars(value))}
    if isinstance(value, tasks.Task):
        return _packed_task(value)
    if isinstance(value, keras.Model | keras.layers.Layer):
        return {"keras": keras.saving.serialize_keras_object(value)}
    return _packed_function(value)


def _packed_task(task):
    if task.name in tasks.names() and type(task) is tasks.find(task.name):
        return {"task": task.name, **_packed(task.get_config())}
    return {"registered_task": _registered_name(type(task), f"the task {task.name!r}"), **_packed(task.get_config())}


def _packed_function(value):
    for name, network in _networks().items():
        if value is network:
            return {"network": name}
    return {"registered": _registered_name(value, repr(value))}


def _registered_name(value, words):
    name = keras.saving.get_registered_name(value)
    if isinstance(name, str) and keras.saving.get_registered_object(name) is value:
        return name
    raise ValueError(_REFUSED.format(words))


def _networks():
    """Returns the functions that a file may name, by name: odtf's networks, and what makes one of a Keras model."""
    networks = {name: models.specification.find(name) for name in models.specification.names()}
    return {**networks, "from_keras": own.make_network}


def _unpacked(value):
    """Returns what `_packed` was given; lists for tuples."""
    if isinstance(value, list):
        return [_unpacked(each) for each in value]
    if not isinstance(value, dict):
        return value
    content = {name: _unpacked(each) for name, each in value.get("dict", {}).items()}
    if "partial" in value:
        parts = {name: _unpacked(part) for name, part in value["partial"].items()}
        return functools.partial(parts["function"], *parts["arguments"], **parts["keywords"])
    if "value" in value:
        return _named(value["value"], {kind.__name__: kind for kind in _VALUES}, "values")(**content)
    if "task" in value:
        return tasks.find(_named(value["task"], {name: name for name in tasks.names()}, "tasks"))(**content)
    if "registered_task" in value:
        return _registered(value["registered_task"]).from_config(content)
    if "network" in value:
        return _named(value["network"], _networks(), "networks")
    if "keras" in value:
        return keras.saving.deserialize_keras_object(value["keras"])
    if "registered" in value:
        return _registered(value["registered"])
    return content


def _registered(name):
    """Returns what the reader has registered with Keras under a name in a file."""
    found = keras.saving.get_registered_object(name)
    if found is None:
        raise ValueError(f"The file needs code that is to be registered first: import it. Received: {name!r}.")
    return found


def _named(name, known, what):
    """Returns what a name in a file stands for: one of a list, however the name looks."""
    if name not in known:
        raise ValueError(f"The {what} of odtf are {', '.join(known)}. Received: {name!r}.")
    return known[name]
