"""The check of a task of the user's own: whether it has what every task has, before time goes into training."""

from odtf.data import Target
from odtf.errors import UserError
from odtf.metrics import Mean, Metric
from odtf.tasks.task import Task

_PARTS = ("metrics", Metric, "odtf.metrics.Metric"), ("targets", Target, "odtf.data.Target")


def check_written(task, received, needed=()):
    """Refuses a task that lacks a part, or has one of another kind.

    Args:
        task: `Task`.
        received: what names it.
        needed: names of the methods that it has to write: an evaluation asks for none.

    Raises:
        UserError: naming what is missing.
    """
    missing = [f"{name}()" for name in needed if getattr(type(task), name) is getattr(Task, name)]
    missing += [name for name in ("name", "metrics") if not getattr(task, name)]
    if missing:
        raise UserError(
            "A task has a name, metrics and targets, and writes head, supervised, distil and answer; see "
            f"odtf.tasks.Task. Received: {received!r} without {', '.join(missing)}."
        )
    for attribute, kind, words in _PARTS:
        for name, value in getattr(task, attribute).items():
            if not isinstance(value, kind):
                raise UserError(
                    f"The {attribute} of a task are a dict from names to {words} objects. "
                    f"Received: {attribute}[{name!r}]={value!r} in {received!r}."
                )
    for name, metric in task.metrics.items():
        base, needed = (Mean, ("values",)) if isinstance(metric, Mean) else (Metric, ("sums", "result"))
        if absent := [each for each in needed if getattr(type(metric), each) is getattr(base, each)]:
            raise UserError(
                "A metric writes sums and result, or as a subclass of odtf.metrics.Mean the values of the examples. "
                f"Received: metrics[{name!r}] in {received!r} without {', '.join(absent)}."
            )
