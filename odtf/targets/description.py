"""The form in which a target is described."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any


@dataclasses.dataclass(frozen=True)
class Target:
    """One kind of device.

    Attributes:
        name: the word on the command line.
        title: what it is, for people.
        tensors: for each quantisation that the target takes, the file's (input, output) types; the usual one first.
        operators: names of the builtin operators that the target runs.
        finished: the file ends in what an app shows, such as probabilities, instead of what the network computes; the
            task says what that is.
        rgb: the file takes RGB even when the network sees one channel.
        grouped: how a grouped convolution is lowered, `"native"` or `"split"`.
        per_channel_dense: dense layers may carry a scale per output.
        metadata: the file carries TFLite metadata, with the names of its outputs where the task has such.
        c_array: a C++ source with the file's bytes goes beside it.
        snippet: which text in the model card shows its use, `"firmware"`, `"android"` or `"web"`.
        proofs: names of the tools that prove the file, beside LiteRT with XNNPACK, which always does.
        width_multiple: widths of convolutions are multiples of it.
        max_rank: most dimensions of a tensor; None for as many as there are.
        accelerator: Vela's name of the processor that the file is compiled for; None for no compilation.
        delegate: what a mobile library is told to run it on, `"CPU"` or `"GPU"`.
        page: a web page that shows the file at work goes beside it.
    """

    name: str
    title: str
    tensors: Mapping[str, tuple[str, str]]
    operators: frozenset[str]
    finished: bool
    rgb: bool
    grouped: str
    per_channel_dense: bool
    metadata: bool
    c_array: bool
    snippet: str
    proofs: tuple[str, ...]
    width_multiple: int = 1
    max_rank: int | None = None
    accelerator: str | None = None
    delegate: str = "CPU"
    page: bool = False

    def conversion(self, quantization: str) -> tuple[Any, ...]:
        """Returns what the bytes of a file depend on: targets that are equal in it share one conversion."""
        return (
            *(quantization, self.tensors[quantization], self.finished),
            *(self.rgb, self.grouped, self.per_channel_dense),
        )
