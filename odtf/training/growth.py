"""Whether a run may go on beyond the end of its config: only where nothing that is past would have been otherwise.

Nothing here imports TensorFlow before the schedule allows it.
"""

import bisect

from odtf.quiet import import_tensorflow


def refusal(old, new):
    """Returns why a run cannot go on from the epochs of one config to those of another, or None where it can.

    Args:
        old: `ConfigDict` of the workdir.
        new: `ConfigDict`, the same but for more epochs.

    Returns:
        One sentence, or None: then the longer run is bit by bit what it would have been without the end between.
    """
    return _of_schedule(old, new) or _of_average(new) or _of_quantization(old, new) or _of_method(old, new)


def _of_schedule(old, new):
    if new.schedule.name not in ("cosine", "linear", "one_cycle"):
        return None  # Its milestones, restarts and warm-up are epochs from the beginning.
    # The last fall of the run ends with it; it may have ended with a restart.
    begun = bisect.bisect_left(sorted(old.schedule.restarts), old.epochs)
    later = [*sorted(old.schedule.restarts)[begun:], new.epochs]
    if min(later) == old.epochs:
        return None
    return (
        f"config.epochs can grow only where the past rate stays what it was, and a {new.schedule.name} schedule falls "
        "over all epochs: a constant or piecewise schedule, or a restart at the old end, would allow it."
    )


def _of_average(new):
    if new.average.name == "none" or not new.average.power:
        return None
    return (
        "config.epochs can grow only where the past averages stay what they were, and their decay rises to the end: "
        "config.average.power at 0 would allow it."
    )


def _of_quantization(old, new):
    if not new.quantization.aware:
        return None
    import_tensorflow()
    from odtf.quantization import Schedule

    def phases(config):
        settings = config.quantization
        schedule = Schedule(config.epochs, settings.delay_epochs, settings.freeze_batch_norm_epochs)
        return [schedule.phase_at(epoch) for epoch in range(old.epochs)]

    if phases(old) == phases(new):
        return None
    return (
        "config.epochs can grow only where the past phases stay what they were, and training for int8 counts its from "
        "the end: config.quantization.delay_epochs set, and freeze_batch_norm_epochs at 0, would allow it."
    )


def _of_method(old, new):
    import_tensorflow()
    from odtf import methods

    method = methods.find(new.method.name)

    def spans(config):
        options = {key: value for key, value in config.method.to_dict().items() if key != "name"}
        found = method.epochs_of(options, {"peer_0": config.network.to_dict()}, config.epochs)
        return {name: (min(first, old.epochs), min(end, old.epochs)) for name, (first, end) in found.items()}

    if spans(old) == spans(new):
        return None
    return f"config.epochs cannot grow: in {method.__name__}, what learns in which epoch follows from their number."
