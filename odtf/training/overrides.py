"""What a command line changes in a config: keys that it leaves out, and names whose arguments are others.

Only a name that is another one than the config's imports TensorFlow: its arguments have to be known.
"""

import collections.abc
import functools

import ml_collections

from odtf import names
from odtf.errors import UserError
from odtf.quiet import import_tensorflow
from odtf.training.config import FREE, free


def apply(config, given, flag, say=print):
    """Changes keys of a config.

    Args:
        config: `ConfigDict`, changed in place.
        given: dict from the path of a key to its value. A mapping takes the place of a whole free part; of any other
            part it changes the keys that it has.
        flag: str, what stands before a path in a message.
        say: callable that takes one line of text.

    Raises:
        UserError: as `prepare`, and if a value is of another type than the config's.
    """
    given = dict(_single(given))
    prepare(config, given, flag, say)
    for path, value in given.items():
        *parts, leaf = path.split(".")
        part = functools.reduce(lambda outer, name: outer[name], parts, config)
        try:
            part[leaf] = free(value) if isinstance(value, collections.abc.Mapping) else value
        except TypeError as error:
            raise UserError(f"{flag}{path} must be of the type that the configs have. Received: {value!r}.") from error


def _single(given, where=""):
    """Yields paths and values; of parts whose keys are fixed, one by one."""
    for key, value in given.items():
        path = f"{where}{key}"
        if isinstance(value, collections.abc.Mapping) and not _is_free(path):
            yield from _single(value, f"{path}.")
        else:
            yield path, value


def prepare(config, given, flag, say=print):
    """Makes a config ready for the values of overrides.

    A key that a free part leaves out, being an argument of what the part names, is added without a value; what takes it
    judges name and value. Where the name of a free part, or of a network inside of one, becomes another, the config's
    keys that the new one does not take are dropped, and one line says so.

    Args:
        config: `ConfigDict`, changed in place.
        given: dict from the path of a key, such as "method.temperature", to the text of its value or None.
        flag: str, what stands before a path on the command line, such as "--config.".
        say: callable that takes one line of text.

    Raises:
        UserError: if there is no such key, or what is named cannot be found.
    """
    for path, text in given.items():
        where, _, key = path.rpartition(".")
        part = _part(config, where, flag, path)
        if _is_free(where) and key == "name" and text not in (None, part.get("name")):
            _drop(part, where, text, given, flag, say)
        if key not in part:
            if not _is_free(where):
                raise _unknown(flag, path, where, part, key)
            with part.unlocked():
                part[key] = ml_collections.config_dict.placeholder(object)


def _is_free(where):
    """Whether the keys of a part are arguments of what it names, as those of a network within a method are."""
    return any(where == part or where.startswith(f"{part}.") for part in FREE)


def _part(config, where, flag, path):
    """Returns the part of a config in which a key of an override stands."""
    part, passed = config, []
    for name in filter(None, where.split(".")):
        if name not in part:
            raise _unknown(flag, path, ".".join(passed), part, name)
        part = part[name]
        passed.append(name)
        if not isinstance(part, ml_collections.ConfigDict):
            title, rest = ".".join(("config", *passed)), path.removeprefix(f"{'.'.join(passed)}.")
            raise UserError(f"{flag}{path}: {title} is one value, without keys. Received: {rest!r}.")
    return part


def _unknown(flag, path, where, part, key):
    title = f"config.{where}" if where else "config"
    listed = f"{', '.join(sorted(part))}{names.meant(key, part)}"
    return UserError(f"{flag}{path}: {title} has the keys {listed}. Received: {key!r}.")


def _drop(part, where, name, given, flag, say):
    """Drops the keys of a part that what it will name does not take."""
    candidates = [key for key in part if key != "name" and f"{where}.{key}" not in given]
    if not candidates:
        return
    takes = _arguments(where, name)
    dropped = [key for key in candidates if key not in takes]
    with part.unlocked():
        for key in dropped:
            del part[key]
    if dropped:
        say(f"{flag}{where}.name={name}: {', '.join(dropped)} of the config dropped, which it does not take.")


def _arguments(where, name):
    """Returns the keys that a part may have beside the name of what it names."""
    import_tensorflow()
    from odtf.training import builders

    kind = where.rpartition(".")[2]
    try:
        return builders.arguments("network" if kind.endswith("network") else kind, name)
    except (AttributeError, KeyError, TypeError) as error:
        # What absl and `cli.run` take for a wrong flag; the traceback shows both.
        raise RuntimeError(f"{name} has a bug: {type(error).__name__}.") from error
