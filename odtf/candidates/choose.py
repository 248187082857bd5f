"""The choice among candidates, and its export."""

from __future__ import annotations

from typing import TYPE_CHECKING

from odtf import digests, files, paths, targets, workdir_lock
from odtf.candidates import budget, kept, measurement, overview
from odtf.candidates.pool import Pool
from odtf.errors import UserError
from odtf.export.card import REPORT
from odtf.run_exports import export_workdir
from odtf.runs import Run, read_report
from odtf.tflite import vela

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from odtf.models.annotations import Path
    from odtf.targets import Target as Device


def export_within(
    workdir: Path,
    target: str | Device,
    limits: Mapping[str, float],
    log: Callable[[str], Any] = print,
    allow_code: bool = False,
) -> dict[str, Any]:
    """Exports the candidate that is best on validation within a budget to WORKDIR/export/TARGET.

    Args:
        workdir: directory of a finished run.
        target: name of a target.
        limits: what `budget.parse` returned.
        log: callable that takes a line of text.
        allow_code: as for `Run`.

    Returns:
        The report of the run as a dict.

    Raises:
        UserError: if no candidate fits, saying why, the run or the target does not exist, or another process writes to
            the workdir.
    """
    workdir, described = paths.at(workdir), targets.find(target)
    check(described, limits)
    run = Run(workdir, allow_code)
    with workdir_lock.writing(workdir):
        return _export_best(run, described, limits, log, allow_code)


def _export_best(run, described, limits, log, allow_code):
    workdir, target = run.workdir, described.name
    best, report = best_within(Pool.of(run), described, limits, log), read_report(run.workdir)
    if not any(_is_file_of(best, row, workdir) for row in report["exports"]):
        kind, peer = best["quantization"], best["peer"]
        report = export_workdir(workdir, described, kind, peer, folder=target, allow_code=allow_code)
    if not any(_is_file_of(best, row, workdir) for row in report["exports"]):
        raise not_measured(best, workdir / "export")
    return report


def best_within(
    pool: Pool, target: Device, limits: Mapping[str, float], log: Callable[[str], Any] = print
) -> dict[str, Any]:
    """Returns the candidate of a pool that is best on validation within a budget; writes and logs all of them.

    Args:
        pool: `odtf.candidates.pool.Pool`.
        target: `odtf.targets.Target`.
        limits, log: as for `export_within`.

    Raises:
        UserError: if no candidate fits, saying why; what was chosen for another budget before stays as it is.
    """
    quality, rows = budget.Quality.of(pool.task), measurement.measure(pool, target, log)
    try:
        best = budget.choose(rows, limits, quality)
    except UserError:
        if kept.read_with_choice(pool.folder, quality.key)[1] is None:
            _write(pool.folder, target.name, rows, quality, limits, None)
        raise
    written = _write(pool.folder, target.name, rows, quality, limits, best)
    log(f"\n{overview.render(rows, quality, best)}\n\n{written}")
    chosen = f"{budget.name_of(best)}, whose file has {quality.text(best)} on validation"
    log(f"Chosen within {budget.describe(limits)}: {chosen}.")
    return best


def not_measured(best: Mapping[str, Any], folder: Path) -> UserError:
    """Returns the `UserError` that an export of the chosen candidate is another file than the one measured."""
    return UserError(
        f"{budget.name_of(best)} is exported, but it is not the file that was measured: remove "
        f"{kept.path_of(folder)} to measure again. Received: another odtf or TensorFlow."
    )


def check(target: Device, limits: Mapping[str, float]) -> None:
    """Refuses limits of what the target's files cannot have, before the minutes that measuring takes.

    Args:
        target: `odtf.targets.Target`.
        limits: what `budget.parse` returned.

    Raises:
        UserError: naming them.
    """
    asked = [name for name in ("cycles", "sram_bytes") if name in limits]
    if asked and not any(measurement.is_for_npu(target, kind) for kind in target.tensors):
        raise UserError(
            f"Only integer files for an NPU have {' and '.join(asked)}; the {target.name} target takes others. "
            f"Received: {budget.describe(limits)}."
        )
    if asked and not vela.available():
        raise UserError(
            f"Limits of {' and '.join(asked)} need Arm's Vela: {vela.INSTALL}. Received: {budget.describe(limits)}."
        )


def _is_file_of(candidate, row, workdir):
    """Whether a row of a report is the candidate's file, still there with its documents, in its target's folder."""
    path = workdir / row["path"]
    return (
        row["sha256"] == candidate["sha256"]
        and path.parent == workdir / "export" / candidate["target"]
        and path.is_file()
        and digests.sha256_of(path) == row["sha256"]
        and _documented(path.parent) == row["sha256"]
    )


def _documented(folder):
    """Returns the checksum of the file that the folder's documents are about, the last exported to it; or None."""
    try:
        return files.parsed((folder / REPORT).read_text("utf-8"))["sha256"]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _write(folder, target, rows, quality, limits, best):
    """Writes candidates.json, .md and .png; returns a line that names them."""
    others = [row for row in kept.read(folder, quality.key) if row["target"] != target]
    chosen = {key: best and best[key] for key in ("peer", "quantization")}
    kept.save(folder, others + rows, {"target": target, "budget": limits, **chosen})
    return overview.write(rows, quality, target, limits, best, kept.path_of(folder))
