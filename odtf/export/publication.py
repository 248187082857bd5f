"""From a converted file to a verified one with everything that goes beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from odtf import __version__, paths, pictures
from odtf.atomic_files import joined
from odtf.data.framing import STRETCH
from odtf.export.c_array import c_array
from odtf.export.card import documents
from odtf.export.output import publish
from odtf.export.proofs import PROOFS, Circumstances
from odtf.export.verification import prefix_of, student_of, verify
from odtf.export.web_page import web_page
from odtf.targets import find_target
from odtf.tasks import Classification
from odtf.tflite import flatbuffer
from odtf.tflite.lean import lean
from odtf.tflite.metadata import LABELS, attach, attach_resize, labels_text
from odtf.tflite.runner import Runner

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping
    from typing import Any

    from odtf.atomic_files import AtomicFiles
    from odtf.data import ImageDataset
    from odtf.targets import Target as Device
    from odtf.tasks import Task


_SHOWN = 4


def publish_student(
    content: bytes,
    network: Any,
    dataset: ImageDataset,
    out_dir: str | os.PathLike[str],
    *,
    task: Task | None = None,
    target: str | Device,
    quantization: str,
    split: str = "test",
    max_examples: int | None = None,
    max_drop: float = 0.02,
    about: Mapping[str, Any] | None = None,
    memory: dict[Any, Any] | None = None,
    atomic: AtomicFiles | None = None,
) -> dict[str, Any]:
    """Verifies a converted file against its student and publishes it with what goes beside it.

    Args:
        content: bytes of a TFLite file that takes raw pixels, as `convert` makes it.
        network: the student that the file must equal: a callable from normalised images to the task's answer or to
            taps with it.
        dataset, out_dir, task, target, quantization, split, max_examples, max_drop: as for `export_student`.
        about: mapping for the model card, see `odtf.export.card.documents`. With it the target's own tools prove the
            file, and beside it appear `MODEL_CARD.md`, `verification.json` and what Vela makes of it for an Ethos-U.
        memory: dict in which answers are kept for further targets of the same network.
        atomic: `odtf.atomic_files.AtomicFiles` with which all files appear; None: by themselves.

    Returns:
        dict, a row of a report's `"exports"`, as `export_student`.

    Raises:
        UserError, VerificationError: as `export_student`.
    """
    target, task = find_target(target, quantization), task or Classification()
    content, info = lean(content), dataset.info
    labels, description = task.labels(info), task.describe(info)
    if info.resize != STRETCH:
        content = attach_resize(content, info.resize)
    if target.metadata:
        described = f"{description}, {quantization}"
        content = attach(content, labels, name=network.name, description=described, version=__version__)

    def verified(on):
        options = {"task": task, "split": on, "max_examples": max_examples, "max_drop": max_drop, "memory": memory}
        return verify(content, network, dataset, target, quantization, **options)

    name = f"student_{quantization}"
    row = {"target": target.name, "quantization": quantization, "path": str(paths.at(out_dir) / f"{name}.tflite")}
    row |= verified(split)
    files = {LABELS: labels_text(labels)} if labels else {}
    if about is not None:
        by_split = {split: row}
        if split != "validation" and len(dataset.splits["validation"]):
            by_split["validation"] = verified("validation")
            row |= {key: value for key, value in by_split["validation"].items() if key not in row}
        circumstances = Circumstances(task, target, dataset, split, max_examples, max_drop)
        checks, compiled = _evidence(content, by_split, circumstances)
        row |= _figures_of_tools(checks)
        array = name, content
        if compiled:
            array = f"{name}_vela", compiled
            files[f"{name}_vela.tflite"] = compiled
            files |= _sources(compiled, f"{name}_vela", description, labels)
        if (picture := _picture(content, network, dataset, task, target, split)) is not None:
            files[f"{name}.png"] = picture
        files |= documents(content, array, row, checks, about, task, info, target, picture is not None)
    if target.c_array:
        files |= _sources(content, name, description, labels)
    if target.page:
        files |= web_page(content, name, dataset, task, split, description)
    files[f"{name}.tflite"] = content
    with joined(atomic) as together:
        publish(out_dir, files, together)
        # What Vela made of an earlier file is not what it would make of this one.
        for path in paths.at(out_dir).glob(f"{name}_vela.*"):
            if path.name not in files:
                together.remove(path)
    return row


def _sources(content, name, description, labels):
    header, source = c_array(content, name, description, labels)
    return {f"{name}.h": header.encode(), f"{name}.cc": source.encode()}


def _evidence(content, by_split, circumstances):
    """Every check with its numbers, and the file that Vela compiled, or None."""
    task, target = circumstances.task, circumstances.target
    tensors = flatbuffer.interface(content)
    limits = {"width_multiple": target.width_multiple} | ({"max_rank": target.max_rank} if target.max_rank else {})
    checks = [
        {"check": "interface", "passed": True, **{tensor["name"]: tensor["type"] for tensor in tensors}},
        {"check": "operators", "passed": True, "operators": flatbuffer.operators(content)},
        {"check": "limits", "passed": True, **limits},
    ]
    for split, row in by_split.items():
        prefix = prefix_of(split)
        check = {"check": "accuracy", "split": split, "passed": True, "examples": row["examples"]}
        for metric in task.metrics:
            check |= {metric: row[f"{prefix}_{metric}"], f"student_{metric}": row[f"student_{prefix}_{metric}"]}
        check |= {key: row[key] for key in ("agreement", "max_error", "error")}
        checks.append({**check, **{key: limit for key, limit in row["limits"].items() if limit is not None}})
    compiled = None
    for name in target.proofs:
        if (found := PROOFS[name](content, circumstances)) is None:
            continue
        compiled = found.pop("content", compiled)
        # The library is the task's; the report calls it by its name.
        checks.append({"check": task.client.name if name == "client" else name, **found})
    return checks, compiled


def _picture(content, network, dataset, task, target, split):
    """What student and file say of some images, PNG; None where the task has no picture, or matplotlib is missing."""
    if task.draw is None:
        return None
    examples = dataset.splits[split].part(_SHOWN)  # The first ones may be of one place and time.
    images, targets = examples.take(np.arange(len(examples)))
    predict = student_of(network, dataset, task.output)
    answers = {"student": task.folded(predict(images), target), "file": Runner(content).predict(images)}
    answers = {name: task.comparable(one, dataset.info, target) for name, one in answers.items()}
    try:
        return pictures.rendered(task.draw, dataset.info, images, targets, answers)
    except ImportError:
        return None


def _figures_of_tools(checks):
    """Returns what a report keeps of the tools: Vela's figures, and why a tool did not run."""
    kept = {}
    for check in checks:
        if check["check"] == "vela" and check["passed"]:
            kept["vela"] = {key: value for key, value in check.items() if key not in ("check", "passed")}
        if "note" in check:
            kept["notes"] = [*kept.get("notes", ()), f"{check['check']} {check['note']}"]
    return kept
