"""The same network alone: from the config of a method and one of its peers to the config of that network."""

import json

from odtf.errors import UserError
from odtf.quiet import import_tensorflow
from odtf.training import config as config_lib

# What of a task says how networks teach each other.
_TEACHING = ("distillation", "distil")


def untaught(task):
    """Returns `config.task`, a dict, without how networks teach each other, which one alone does not ask."""
    return {key: value for key, value in task.items() if key not in _TEACHING}


def alone(config, name, networks):
    """Returns the config of a peer's network alone, with the epochs, the schedule and the rate that the peer has.

    A method may train in stages and give a network but some of the run's epochs: alone it gets as many, and of the
    schedule the part that it lives through. Of a peer made of several networks it is the first of them.

    Args:
        config: `ConfigDict` of the method.
        name: of the peer.
        networks: dict from the name of every peer to its specification, a list of them where it is made of several.

    Returns:
        `ConfigDict`.

    Raises:
        UserError: if the peer has no epoch to learn in, or its part of the schedule is no schedule by itself.
    """
    first, end = span(config, name, networks)
    if first >= end:
        raise UserError(
            f"{name} begins to learn in epoch {first}: config.epochs must be more. Received: {config.epochs}."
        )
    data = config_lib.to_json(config)
    network = networks[name][0] if isinstance(networks[name], list) else networks[name]
    data["network"] = json.loads(json.dumps(dict(network)))
    data["method"] = {"name": "Solo"}
    data["task"] = untaught(data["task"])
    data["data"]["num_views"] = 1
    data["data"]["domains"] = []
    data["compare"] = {"alone": False, "recorded": None}
    if (first, end) != (0, config.epochs):
        data["epochs"] = end - first
        data["schedule"].update(_part_of_schedule(data["schedule"], first, end, config.epochs, name))
        data["recipe"]["sizes"] = _part_of_sizes(data["recipe"]["sizes"], first, end)
        if config.quantization.aware:
            data["quantization"].update(_part_of_quantization(config, first, end))
    rate = data["schedule"]["learning_rate"]
    data["schedule"]["learning_rate"] = _method(config).rate_of(_options(config), name, rate)
    return config_lib.from_json(data)


def spans(config, networks):
    """Returns in which epochs of a config's run its networks learn: name -> (first, end), see `Method.epochs_of`."""
    return _method(config).epochs_of(_options(config), networks, config.epochs)


def span(config, name, networks):
    """Returns the epochs (first, end) of one peer: all, where it is made of networks that learn."""
    return spans(config, networks).get(name, (0, config.epochs))


def _method(config):
    import_tensorflow()
    from odtf import methods

    return methods.find(config.method.name)


def _options(config):
    return {key: value for key, value in config.method.to_dict().items() if key != "name"}


def _part_of_schedule(schedule, first, end, epochs, name):
    """Returns what changes in a schedule of which a network lives through the epochs from `first` to `end`.

    Args:
        schedule: dict, `config.schedule`.
        first, end: the epochs.
        epochs: how many the whole run has.
        name: of the network, for the message.

    Raises:
        UserError: if no schedule is like that part: it begins or ends within a cosine or one cycle, or begins within a
            warm-up or within what a later restart begins anew.
    """
    starts = [0, *(start for start in schedule["restarts"] if 0 < start < epochs)]
    # How much of the schedule is over that was begun last before the network learns.
    over = first - max(start for start in starts if start <= first)
    later = [start - first for start in starts if first < start < end]
    whole = schedule["name"] in ("cosine", "one_cycle")
    if (over and (whole or later or schedule["warmup_epochs"] > over)) or (whole and end not in (*starts, epochs)):
        raise UserError(
            f"{name} learns in the epochs {first} to {end} of {epochs}, and its part of the schedule is none by "
            "itself: config.schedule.restarts must have the epochs in which its schedule begins and ends. "
            f"Received: {schedule['name']} with restarts={tuple(schedule['restarts'])}."
        )
    if not over:
        return {"restarts": later}
    return {
        "restarts": later,
        "warmup_epochs": 0.0,
        "milestones": [milestone - over for milestone in schedule["milestones"] if milestone > over],
        "learning_rate": schedule["learning_rate"] * schedule["factor"] ** _passed(schedule, over),
    }


def _part_of_sizes(sizes, first, end):
    """Returns the sizes of images, as `config.recipe.sizes`, in the epochs from `first` to `end` of a run."""
    before = [stage for stage in sizes if stage[0] <= first][-1:]
    later = [stage for stage in sizes if first < stage[0] < end]
    return [[max(0, epoch - first), *size] for epoch, *size in (*before, *later)]


def _passed(schedule, over):
    """Returns how many milestones of a schedule are over."""
    milestones = schedule["milestones"] if schedule["name"] == "piecewise" else ()
    return sum(milestone <= over for milestone in milestones)


def _part_of_quantization(config, first, end):
    """Returns what changes in `config.quantization` for a network that learns in the epochs from `first` to `end`."""
    from odtf.quantization import Schedule

    settings = config.quantization
    whole = Schedule(config.epochs, settings.delay_epochs, settings.freeze_batch_norm_epochs)
    if whole.delay >= end:
        # All its epochs are over before the rounding begins.
        return {"aware": False, "delay_epochs": None, "freeze_batch_norm_epochs": None}
    return {
        "delay_epochs": max(0, whole.delay - first),
        "freeze_batch_norm_epochs": max(0, end - max(first, whole.freeze)),
    }
