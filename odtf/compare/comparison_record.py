"""A comparison as JSON: written with a digest, and judged when it is read, so that no damage is taken for a result."""

from odtf import sealed
from odtf.compare.plan import EQUAL
from odtf.errors import UserError

_REMEDY = "the same odtf-compare writes it anew from its runs"
_COMPARISON = {
    **{"seeds": list, "equal": str, "rows": [dict]},
    "metric": {"name": str, "title": str, "better": str, "share": bool},
}
_SPREAD = dict.fromkeys(("mean", "std", "least", "greatest"), float)
_GAIN = {**_SPREAD, "interval": list | None}
_SPREADS = {f"{split}_{who}": _SPREAD for split in ("val", "test") for who in ("student", "alone", "typical")}
_GAINS = {f"{split}_{gain}": _GAIN for split in ("val", "test") for gain in ("gain", "typical_gain")}
_GOT = dict.fromkeys(("epochs", "steps", "images"), float)
_POINT = dict.fromkeys(("epoch", "mean", "least", "greatest"), float)
_ROW = {
    **{"label": str, "method": str, "peer": str | None, "images": int | None, "train_images": int | None},
    **{"network": object, "batch_size": int, "learning_rate": float, "compression": dict | None},
    "curves": {"student": [_POINT], "alone": [_POINT]},
    **_SPREADS,
    **_GAINS,
    **{"relative_gain": dict | None, "seconds": dict.fromkeys(("run", "alone", "ratio"), float)},
}


def write(result, path):
    """Writes what `odtf.compare.pairing.run` returned, with its digest.

    Args:
        result: dict.
        path: of the file.
    """
    sealed.write(path, result)


def read(path):
    """Reads the JSON of a comparison.

    Args:
        path: what `odtf-compare --json` named.

    Returns:
        dict, what `odtf.compare.pairing.run` returned.

    Raises:
        UserError: if it cannot be read, is none, or is damaged. Of one without a digest the form alone is checked.
    """
    try:
        result = sealed.read(path, {}, _REMEDY)
    except OSError as error:
        raise UserError(f"--json must be what odtf-compare wrote. Received: {path} ({error.strerror}).") from error
    except sealed.Damaged as error:
        raise UserError(f"--json must be what odtf-compare wrote: {error}") from error
    if (wrong := _misfit(result)) is not None:
        raise UserError(f"--json must be what odtf-compare wrote: {wrong}; {_REMEDY}. Received: {path}.")
    return result


def _misfit(result):
    """Returns in words which part of a comparison is not there, or of another form; None where all is right."""
    if (words := sealed.misfit(result, _COMPARISON)) is not None:
        return words
    if result["equal"] not in EQUAL:
        return f"equal must be one of {', '.join(EQUAL)}"
    if not result["rows"]:
        return "it must have rows"
    figures = {f"{split}_{result['metric']['name']}": float for split in ("val", "test")}
    pair = {
        **{"seed": int, "members": int, "val_gain": float, "test_gain": float},
        **{"student": {"name": str, "params": int, **figures}, "alone": figures},
        "got": {"run": {**_GOT, "seconds": float}, "student": _GOT, "alone": {**_GOT, "seconds": float}},
    }
    if (words := sealed.misfit(result["rows"], [{**_ROW, "pairs": [pair]}], "rows")) is not None:
        return words
    for number, row in enumerate(result["rows"]):
        if len(row["pairs"]) != len(result["seeds"]) or not row["pairs"]:
            return f"rows[{number}].pairs must be one for each of the seeds"
        for key, value, form in _parts(row, figures):
            if (words := sealed.misfit(value, form, f"rows[{number}].{key}")) is not None:
                return words
    return None


def _parts(row, figures):
    """Yields what not every row has, or has in one form alone: (its key, value, form)."""
    network = row["network"]
    yield "network", network if isinstance(network, list) else [network], [{}]
    for key in _GAINS:
        if (interval := row[key]["interval"]) is not None:
            ends = dict(zip(("low", "high"), interval, strict=True)) if len(interval) == 2 else {}
            yield f"{key}.interval", ends, {"low": float, "high": float}
    if row["relative_gain"] is not None:
        yield "relative_gain", row["relative_gain"], {"mean": float}
    ratios = [key for key in ("params_ratio", "macs_ratio") if key in (row["compression"] or {})]
    yield "compression", row["compression"] or {}, dict.fromkeys(ratios, float)
    yield "pairs", row["pairs"], [{"student": {key.removesuffix("_ratio"): int for key in ratios}}]
    if "teachers" in (first := row["pairs"][0]):
        yield "pairs[0].teachers", first["teachers"], {}
        costs = {"params": int | None, "macs": int | None}
        teachers = {
            name: figures | {key: form for key, form in costs.items() if isinstance(teacher, dict) and key in teacher}
            for name, teacher in first["teachers"].items()
        }
        yield "pairs", row["pairs"], [{"teachers": teachers}]
