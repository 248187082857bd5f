"""Tasks, one a file or a package: what a sample is, how an answer is judged, what becomes of it on a device."""

from odtf.tasks.base import Answer, Target, Task
from odtf.tasks.classification import Classification

__all__ = ["Answer", "Classification", "Target", "Task"]
