"""What a task says of any file of it that is judged: how its answers are read, judged and described."""

from __future__ import annotations

from typing import TYPE_CHECKING

from odtf.errors import UserError

if TYPE_CHECKING:
    from typing import Any

    import numpy as np

    from odtf.data import Info
    from odtf.evaluation.image_file import ImageFile
    from odtf.targets import Target as Device
    from odtf.tasks.study import Reader, Study


class EvaluatedTask:
    """The part of `odtf.tasks.Task` that an evaluation asks, and a model card."""

    name: str

    def reader(self, file: ImageFile, info: Info, against: bool = False) -> Reader:
        """Returns what makes of a file's raw answers what the metrics take, see `odtf.tasks.study.Reader`.

        A task may have further arguments with defaults, for files that do not say everything; `odtf-evaluate` gives
        its flags of these names to the tasks that take them.

        Args:
            file: `odtf.evaluation.ImageFile`.
            info: `odtf.data.Info` of the data.
            against: whether the file is the one that another is compared with, for which those arguments are.

        Raises:
            UserError: if the file is none of this task, or none for these data.
        """
        from odtf.tasks.study import Reader

        return Reader()

    def predictions(self, outputs: np.ndarray, info: Info) -> list[dict[str, Any]]:
        """Returns what a file says of each image, for people: a list of dicts that JSON can hold.

        Args:
            outputs: array `[n, ...]`, as `reader` gives it.
            info: `odtf.data.Info`, whose names are those of the outputs.

        Raises:
            UserError: if there is no such thing in the task.
        """
        raise UserError(f"A task whose answers are names or numbers is wanted. Received: the task {self.name!r}.")

    def study(self, info: Info) -> Study:
        """Returns what judges outputs and shows the figures, an `odtf.tasks.study.Study`: by default, all metrics."""
        from odtf.tasks.study import Study

        return Study(self, info)  # type: ignore[arg-type]  # It is a part of `Task`.

    def card(self, info: Info, target: Device) -> dict[str, Any]:
        """Returns what a model card says of the task.

        Args:
            info: `odtf.data.Info` of the data.
            target: `odtf.targets.Target`.

        Returns:
            dict: "title", what the network is about; "kind", what the file is, with its article; "end", what it ends
            in; "output", a sentence on the output tensor; "limits", a list of what the figures do not promise.
        """
        return {
            "title": self.describe(info),  # type: ignore[attr-defined]  # Of `ExportedTask`.
            "kind": f"a network for {self.name}",
            "end": "what the network computes",
            "output": f"The output is the answer to the task, {self.name}.",
            "limits": [
                f"It was tried on images of {info.name} alone: other cameras, light and framing cost accuracy that\n"
                "  these figures do not show."
            ],
        }
