"""One network for several targets: converted once for those that take the same file, and a refusal stops no other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from odtf.errors import UserError
from odtf.export.student import export_student
from odtf.targets import QUANTIZATIONS, TARGETS

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Sequence
    from typing import Any

    import keras

    from odtf.data import ImageDataset
    from odtf.targets import Target as Device


def every_target(quantization: str) -> list[tuple[Device, str]]:
    """Lists all targets of odtf with a quantisation: the one given, or where a target does not take it, its usual one.

    Returns:
        List of (`Target`, quantisation).

    Raises:
        UserError: if no target has such a quantisation.
    """
    if quantization not in QUANTIZATIONS:
        raise UserError(
            f"No such quantization: it must be one of {', '.join(QUANTIZATIONS)}. Received: {quantization!r}."
        )
    return [
        (target, quantization if quantization in target.tensors else next(iter(target.tensors)))
        for target in TARGETS.values()
    ]


def export_each(
    network: keras.Model,
    dataset: ImageDataset,
    chosen: Sequence[tuple[Device, str]],
    folder_of: Callable[[Device], str | os.PathLike[str]],
    **options: Any,
) -> tuple[list[dict[str, Any]], dict[str, UserError]]:
    """Exports a network for several targets.

    Args:
        network, dataset: as for `odtf.export.export_student`.
        chosen: list of (`Target`, quantisation).
        folder_of: function from a `Target` to the directory of its files.
        **options: further arguments of `export_student`.

    Returns:
        (rows, refused): rows of a report's `"exports"`, and a dict from the name of a target that cannot take the
        network to the `UserError` that says why; what stood in its folder before stays.
    """
    rows: list[dict[str, Any]] = []
    memory: dict[Any, Any] = {}
    refused: dict[str, UserError] = {}
    for target, quantization in chosen:
        own: dict[str, Any] = {"target": target, "quantization": quantization, "memory": memory}
        try:
            rows.append(export_student(network, dataset, folder_of(target), **own, **options))
        except UserError as error:
            refused[target.name] = error
    return rows, refused
