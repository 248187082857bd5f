"""What `odtf-export --budget` chooses from: every peer of a finished run in every quantisation, measured once.

A candidate is exported and verified like any student, but on the validation split, which also judges it; the test
split is read for the chosen one alone. WORKDIR/export/candidates.json keeps the measurements, so that another budget
is answered from them; the form is stable, keys may be added:

    candidates  for each: target, peer, quantization, val_top1, bytes, sha256, macs (of the deployed network), cycles
                and sram_bytes (Vela's, for the Ethos-U; null where it has none), latency_us (p50 of one thread, median
                of rounds), agreement, notes, made_with (digest of the weights, versions); nulls and a note where the
                export refuses it
    choice      target, budget, and the chosen peer and quantization; null where none fits
"""

import functools
import hashlib
import importlib.metadata
import json
import pathlib
import statistics
import tempfile

from odtf import __version__, budget, candidates_table, export, files, models
from odtf.errors import UserError
from odtf.export import vela
from odtf.training import build, records
from odtf.workdir import export_workdir

LATENCY_ROUNDS = 7
# For targets that name no processor of their own.
_ACCELERATOR = "ethos-u55-128"
_MEASURED = ("val_top1", "bytes", "sha256", "agreement", *budget.METRICS)
_KEYS = {"target", "peer", "quantization", "made_with", "notes", *_MEASURED}


def export_within(workdir, target, limits, log=print):
    """Exports the candidate with the best validation accuracy within a budget to WORKDIR/export/TARGET.

    Args:
        workdir: directory of a finished run.
        target: name of a target.
        limits: what `budget.parse` returned.
        log: callable that takes a line of text.

    Returns:
        The report of the run as a dict.

    Raises:
        UserError: if no candidate fits, saying why, or the run or the target does not exist.
    """
    workdir = pathlib.Path(workdir)
    _check(target, limits)
    rows = measure(workdir, target, log)
    try:
        best = budget.choose(rows, limits)
    except UserError:
        _write(workdir, target, rows, limits, None)
        raise
    written = _write(workdir, target, rows, limits, best)
    log(f"\n{candidates_table.render(rows, best)}\n\n{written}")
    chosen = f"{budget.name_of(best)}, whose file has {best['val_top1']:.2%} on validation"
    log(f"Chosen within {budget.describe(limits)}: {chosen}.")
    report = records.read_report(workdir)
    if not any(_is_file_of(best, row, workdir) for row in report["exports"]):
        report = export_workdir(workdir, target, best["quantization"], best["peer"], folder=target)
    if not any(_is_file_of(best, row, workdir) for row in report["exports"]):
        raise UserError(
            f"{budget.name_of(best)} is exported, but it is not the file that was measured: remove "
            f"{workdir / 'export' / 'candidates.json'} to measure again. Received: another odtf or TensorFlow."
        )
    return report


def _check(target, limits):
    """Refuses limits of what the target's files cannot have, before the minutes that measuring takes."""
    asked = [name for name in ("cycles", "sram_bytes") if name in limits]
    target = export.TARGETS.get(target)
    if asked and target and not any(map(functools.partial(_is_for_npu, target), target.tensors)):
        raise UserError(
            f"Only integer files for an NPU have {' and '.join(asked)}; the {target.name} target takes others. "
            f"Received: {budget.describe(limits)}."
        )
    if asked and not vela.available():
        raise UserError(
            f"Limits of {' and '.join(asked)} need Arm's Vela: {vela.INSTALL}. Received: {budget.describe(limits)}."
        )


def _is_for_npu(target, quantization):
    return target.tensors[quantization][0] in ("int8", "int16")


def _is_file_of(candidate, row, workdir):
    """Whether a row of a report is the candidate's file, still there, in the folder of its target."""
    path = workdir / row["path"]
    return (
        row["sha256"] == candidate["sha256"]
        and path.parent == workdir / "export" / candidate["target"]
        and path.is_file()
        and hashlib.sha256(path.read_bytes()).hexdigest() == row["sha256"]
    )


def measure(workdir, target, log=print):
    """Measures the candidates of a target that have not been measured yet.

    Args:
        workdir: directory of a finished run.
        target: name of a target.
        log: callable that takes a line of text.

    Returns:
        list of the target's candidates as dicts, each peer in each quantisation that the target takes.

    Raises:
        UserError: if the run or the target does not exist.
    """
    workdir = pathlib.Path(workdir)
    config, report = records.read_config(workdir), records.read_report(workdir)
    known = export.TARGETS.get(target)
    target = known or export.find_target(target, config.export.quantization)
    made_with = _made_with(workdir, config)
    wanted = [(peer["name"], quantization) for peer in report["peers"] for quantization in target.tensors]
    rows = _read(workdir)
    found = {
        (row["peer"], row["quantization"]): row
        for row in rows
        if row["target"] == target.name and row["made_with"] == made_with and row["val_top1"] is not None
    }
    missing = [key for key in wanted if key not in found]
    if missing:
        dataset = build.load_dataset(config)
        peers = build.load_cohort(workdir, dataset.image_shape, dataset.num_classes).peers
    for number, (peer, quantization) in enumerate(missing, start=1):
        log(f"[{number}/{len(missing)}] {peer} {quantization} ...")
        row = {"target": target.name, "peer": peer, "quantization": quantization, "made_with": made_with}
        row |= _measure(peers[peer], dataset, target, quantization, config)
        rows = [old for old in rows if _key(old) != _key(row)] + [row]
        found[peer, quantization] = row
        # After each, so that what was measured survives an interruption.
        _save(workdir, rows, None)
    return [found[key] for key in wanted]


def _measure(network, dataset, target, quantization, config):
    with tempfile.TemporaryDirectory(prefix="odtf-") as folder:
        try:
            row = export.export_student(
                network,
                dataset,
                folder,
                target=target,
                quantization=quantization,
                calibration_examples=config.export.calibration_examples,
                split="validation",
                seed=config.seed,
            )
        except UserError as error:
            return {**dict.fromkeys(_MEASURED), "notes": [str(error)]}
        runner = export.Runner(row["path"])
        latency = statistics.median(runner.latency()["p50_us"] for _ in range(LATENCY_ROUNDS))
        return {
            **{key: row[key] for key in ("val_top1", "bytes", "sha256", "agreement")},
            "macs": models.cost(network, deployed=True).macs,
            "latency_us": round(latency, 1),
            **_compile(row["path"], target, quantization),
        }


def _compile(path, target, quantization):
    """Cycles and memory on the Ethos-U, for files of the kind that it runs."""
    nothing = {"cycles": None, "sram_bytes": None}
    if not _is_for_npu(target, quantization):
        return {**nothing, "notes": [f"a {target.name} file is not for an NPU"]}
    try:
        compiled = export.compile_with_vela(path, target.accelerator or _ACCELERATOR)
    except UserError as error:
        return {**nothing, "notes": [str(error)]}
    if compiled["cpu_operators"]:
        # Cycles of the NPU alone would be too few.
        return {**nothing, "notes": [f"Vela leaves {', '.join(compiled['cpu_operators'])} to the CPU"]}
    return {"cycles": compiled["cycles"], "sram_bytes": compiled["sram_bytes"], "notes": []}


def _made_with(workdir, config):
    """What a measurement depends on besides peer, target and quantisation."""
    return {
        "weights": hashlib.sha256(_bytes(records.chosen_path(workdir))).hexdigest()[:16],
        "calibration_examples": config.export.calibration_examples,
        "odtf": __version__,
        "tensorflow": importlib.metadata.version("tensorflow"),
        "vela": importlib.metadata.version("ethos-u-vela") if vela.available() else None,
    }


def _bytes(path):
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"There are no weights at {path}: has the training of this workdir ended?") from error


def _key(row):
    return row["target"], row["peer"], row["quantization"]


def _path(workdir):
    return workdir / "export" / "candidates.json"


def _read(workdir):
    """The candidates that were measured before; none where the file is absent or not what was written."""
    try:
        rows = json.loads(_path(workdir).read_text("utf-8"))["candidates"]
        return [row for row in rows if row.keys() >= _KEYS]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return []


def _save(workdir, rows, choice):
    files.make_directory(_path(workdir).parent)
    files.write_json(_path(workdir), {"candidates": rows, "choice": choice})


def _write(workdir, target, rows, limits, best):
    """Writes candidates.json, .md and .png; returns a line that names them."""
    others = [row for row in _read(workdir) if row["target"] != target]
    chosen = {key: best and best[key] for key in ("peer", "quantization")}
    _save(workdir, others + rows, {"target": target, "budget": limits, **chosen})
    return candidates_table.write(rows, target, limits, best, _path(workdir))
