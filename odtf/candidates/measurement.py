"""Measuring candidates, each once."""

import functools
import importlib.metadata
import pathlib
import statistics
import tempfile

from odtf import __version__, export, models, targets
from odtf.candidates import budget, kept
from odtf.errors import UserError
from odtf.tflite import arena, micro_interpreter, vela

LATENCY_ROUNDS = 7
# For targets that name no processor of their own.
_ACCELERATOR = "ethos-u55-128"


def measure(pool, target, log=print):
    """Measures the candidates of a target that have not been measured yet.

    Args:
        pool: `odtf.candidates.pool.Pool`.
        target: name of a target, or a `Target`.
        log: callable that takes a line of text.

    Returns:
        list of the target's candidates as dicts, each network of the pool in each quantisation that the target takes.

    Raises:
        UserError: if the target does not exist.
    """
    target = targets.find(target)
    made_with, key = _made_with(pool), budget.Quality.of(pool.task).key
    wanted = [(name, quantization) for name in pool.names for quantization in target.tensors]
    rows, choice = kept.read_with_choice(pool.folder, key)
    found = {
        (row["peer"], row["quantization"]): row
        for row in rows
        if row["target"] == target.name and row["made_with"] == made_with and row[key] is not None
    }
    missing = [case for case in wanted if case not in found]
    if choice and choice["target"] == target.name and (choice["peer"], choice["quantization"]) in missing:
        choice = None  # It was of other weights, or of another version's file.
    network = functools.cache(pool.network)
    for number, (peer, quantization) in enumerate(missing, start=1):
        log(f"[{number}/{len(missing)}] {peer} {quantization} ...")
        row = {"target": target.name, "peer": peer, "quantization": quantization, "made_with": made_with}
        row |= _measure(network(peer), target, quantization, pool, key)
        rows = [old for old in rows if _key(old) != _key(row)] + [row]
        found[peer, quantization] = row
        # After each, so that what was measured survives an interruption.
        kept.save(pool.folder, rows, choice)
    return [found[case] for case in wanted]


def _measure(network, target, quantization, pool, key):
    with tempfile.TemporaryDirectory(prefix="odtf-") as folder:
        try:
            row = export.export_student(
                network,
                pool.load(),
                folder,
                task=pool.task,
                target=target,
                quantization=quantization,
                calibration_examples=pool.calibration_examples,
                split="validation",
                seed=pool.seed,
            )
        except UserError as error:
            return {**dict.fromkeys((key, *kept.MEASURED)), "notes": [str(error)]}
        runner = export.Runner(row["path"])
        latency = statistics.median(runner.latency()["p50_us"] for _ in range(LATENCY_ROUNDS))
        taken = arena.arena(pathlib.Path(row["path"]).read_bytes())
        return {
            **{key: row[key] for key in (key, "bytes", "sha256", "agreement")},
            "macs": models.cost(network, deployed=True, output=pool.task.output).macs,
            "latency_us": round(latency, 1),
            "arena_bytes": taken["bytes"],
            "arena_by": taken["by"],
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


def _made_with(pool):
    """Returns what a measurement depends on besides peer, target and quantisation."""
    return {
        "weights": pool.digest()[:16],
        "calibration_examples": pool.calibration_examples,
        "odtf": __version__,
        "tensorflow": importlib.metadata.version("tensorflow"),
        "vela": importlib.metadata.version("ethos-u-vela") if vela.available() else None,
        "tflite_micro": importlib.metadata.version("tflite-micro") if micro_interpreter.available() else None,
    }


def _key(row):
    return row["target"], row["peer"], row["quantization"]
