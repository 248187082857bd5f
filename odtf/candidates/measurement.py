"""Measuring candidates, each once."""

import functools
import importlib.metadata
import json
import pathlib
import statistics
import tempfile

from odtf import __version__, export, files, models, targets
from odtf.candidates import budget
from odtf.errors import UserError
from odtf.tflite import arena, vela

LATENCY_ROUNDS = 7
# For targets that name no processor of their own.
_ACCELERATOR = "ethos-u55-128"
_MEASURED = ("bytes", "sha256", "agreement", *budget.QUANTITIES)
_KEYS = {"target", "peer", "quantization", "made_with", "notes", *_MEASURED}


def measure(run, target, log=print):
    """Measures the candidates of a target that have not been measured yet.

    Args:
        run: `odtf.runs.Run`.
        target: name of a target, or a `Target`.
        log: callable that takes a line of text.

    Returns:
        list of the target's candidates as dicts, each peer in each quantisation that the target takes.

    Raises:
        UserError: if the target does not exist.
    """
    target = targets.find(target)
    made_with, key = _made_with(run), budget.Quality.of(run.task).key
    wanted = [(peer["name"], quantization) for peer in run.report["peers"] for quantization in target.tensors]
    rows = read(run.workdir, key)
    found = {
        (row["peer"], row["quantization"]): row
        for row in rows
        if row["target"] == target.name and row["made_with"] == made_with and row[key] is not None
    }
    missing = [case for case in wanted if case not in found]
    network = functools.cache(run.network)
    for number, (peer, quantization) in enumerate(missing, start=1):
        log(f"[{number}/{len(missing)}] {peer} {quantization} ...")
        row = {"target": target.name, "peer": peer, "quantization": quantization, "made_with": made_with}
        row |= _measure(network(peer), target, quantization, run, key)
        rows = [old for old in rows if _key(old) != _key(row)] + [row]
        found[peer, quantization] = row
        # After each, so that what was measured survives an interruption.
        save(run.workdir, rows, None)
    return [found[case] for case in wanted]


def _measure(network, target, quantization, run, key):
    with tempfile.TemporaryDirectory(prefix="odtf-") as folder:
        try:
            row = export.export_student(
                network,
                run.dataset,
                folder,
                task=run.task,
                target=target,
                quantization=quantization,
                calibration_examples=run.config.export.calibration_examples,
                split="validation",
                seed=run.config.seed,
            )
        except UserError as error:
            return {**dict.fromkeys((key, *_MEASURED)), "notes": [str(error)]}
        runner = export.Runner(row["path"])
        latency = statistics.median(runner.latency()["p50_us"] for _ in range(LATENCY_ROUNDS))
        return {
            **{key: row[key] for key in (key, "bytes", "sha256", "agreement")},
            "macs": models.cost(network, deployed=True, output=run.task.output).macs,
            "latency_us": round(latency, 1),
            "arena_bytes": arena.arena(pathlib.Path(row["path"]).read_bytes())["bytes"],
            **_compile(row["path"], target, quantization),
        }


def _compile(path, target, quantization):
    """Cycles and memory on the Ethos-U, for files of the kind that it runs."""
    nothing = {"cycles": None, "sram_bytes": None}
    if not is_for_npu(target, quantization):
        return {**nothing, "notes": [f"a {target.name} file is not for an NPU"]}
    try:
        compiled = export.compile_with_vela(path, target.accelerator or _ACCELERATOR)
    except UserError as error:
        return {**nothing, "notes": [str(error)]}
    if compiled["cpu_operators"]:
        # Cycles of the NPU alone would be too few.
        return {**nothing, "notes": [f"Vela leaves {', '.join(compiled['cpu_operators'])} to the CPU"]}
    return {"cycles": compiled["cycles"], "sram_bytes": compiled["sram_bytes"], "notes": []}


def is_for_npu(target, quantization):
    """Whether a target's files in a quantisation are of the kind that an Ethos-U runs."""
    return target.tensors[quantization][0] in ("int8", "int16")


def _made_with(run):
    """Returns what a measurement depends on besides peer, target and quantisation."""
    return {
        "weights": run.weights_digest()[:16],
        "calibration_examples": run.config.export.calibration_examples,
        "odtf": __version__,
        "tensorflow": importlib.metadata.version("tensorflow"),
        "vela": importlib.metadata.version("ethos-u-vela") if vela.available() else None,
    }


def _key(row):
    return row["target"], row["peer"], row["quantization"]


def path_of(workdir):
    """Returns the path of candidates.json in a workdir."""
    return workdir / "export" / "candidates.json"


def read(workdir, key):
    """Returns the candidates that were measured before; none where the file is absent or not what was written.

    Args:
        workdir: directory of the run.
        key: `budget.Quality.key`, which every candidate has.
    """
    try:
        rows = json.loads(path_of(workdir).read_text("utf-8"))["candidates"]
        return [row for row in rows if row.keys() >= _KEYS | {key}]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return []


def save(workdir, rows, choice):
    """Writes the candidates and the choice among them, a dict or None."""
    files.make_directory(path_of(workdir).parent)
    files.write_json(path_of(workdir), {"candidates": rows, "choice": choice})
