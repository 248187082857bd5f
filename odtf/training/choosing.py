"""The choice of a peer and an epoch by validation."""


def improved(method, values, progress):
    """Returns what is better than ever on the validation split, or as good, and takes note of it.

    Later wins a tie: between two that validate alike, the longer trained one. A task may choose by several metrics: any
    of them is enough. A student that waits, in a run whose teacher is trained first, is none to choose before it has
    begun to learn.

    Args:
        method: `odtf.methods.Method`.
        values: dict of floats, "NAME/METRIC" -> value.
        progress: dict of the run; "best" in it, from a metric to its best value so far, is kept up to date. A run that
            an older odtf began has "chosen" alone.

    Returns:
        dict of "peer", "metric" and "value", of the first metric that is; None if none is.
    """
    task, chosen = method.task, progress["chosen"]
    students = [name for name in method.students if method.has_begun(name)]
    if not students:
        return None
    best, found = progress.setdefault("best", {chosen["metric"]: chosen["value"]} if chosen else {}), []
    # A method that chooses by values of its own chooses by these alone.
    for metric in task.choices if method.selection == task.choice else (method.selection,):
        better = getattr(task.metrics.get(metric), "better", max)
        peer = better(students, key=lambda name, metric=metric: values[f"{name}/{metric}"])
        value = values[f"{peer}/{metric}"]
        if metric not in best or better(value, best[metric]) == value:
            best[metric] = value
            found.append({"peer": peer, "metric": metric, "value": value})
    return found[0] if found else None
