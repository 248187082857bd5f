"""A fair comparison: several methods and the same students alone, over the same seeds, paired."""

import contextlib
import hashlib
import json
import multiprocessing
import pathlib
import re
import statistics
import textwrap

from odtf import pictures
from odtf.errors import UserError
from odtf.files import make_directory, write_json, write_text
from odtf.quiet import import_tensorflow
from odtf.training import config as config_lib
from odtf.training import config_checks, config_file

# What must be equal in all configs, or the numbers would not be of the same budget.
_SHARED = ("data", "batch_size", "epochs")
_COLUMNS = ("alone", "student", "gain")


def make_plan(paths, overrides, seeds):
    """Loads the configs of a comparison.

    Args:
        paths: list of "FILE.py" or "FILE.py:arg".
        overrides: list of "key.path=value", applied to every config.
        seeds: iterable of int.

    Returns:
        dict: "entries", a list of (label, config), and "seeds".

    Raises:
        UserError: if a config cannot be read, a key does not exist, or the configs differ in data, batch or epochs.
    """
    entries = []
    for text in paths:
        config = config_file.load(text)
        for override in overrides:
            _override(config, override)
        config.export.targets = ()
        config_checks.check(config)
        entries.append((text, config))
    first = config_lib.to_json(entries[0][1])
    for label, config in entries[1:]:
        other = config_lib.to_json(config)
        for key in _SHARED:
            if other[key] != first[key]:
                raise UserError(
                    f"A comparison needs the same {key} in all configs; --override sets it for all. "
                    f"Received: {first[key]} in {entries[0][0]} and {other[key]} in {label}."
                )
    return {"entries": entries, "seeds": list(seeds)}


def _override(config, text):
    key, equals, value = text.partition("=")
    *path, leaf = key.split(".")
    part = config
    for name in path:
        part = part.get(name) if hasattr(part, "get") else None
    if not equals or not hasattr(part, "keys") or leaf not in part:
        raise UserError(f"--override takes KEY=VALUE with a key that the configs have. Received: {text!r}.")
    with contextlib.suppress(ValueError):  # Text may come without quotes.
        value = json.loads(value)
    try:
        part[leaf] = value
    except TypeError as error:
        raise UserError(f"--override={key} must be of the type that the configs have. Received: {value!r}.") from error


def run(plan, workdir, *, peer=None, log=print):
    """Trains everything that is not trained yet, and pairs the results.

    Args:
        plan: what `make_plan` returned.
        workdir: directory of the runs; each is a workdir of odtf-train.
        peer: str, the peer to compare where a method has one of that name; None: validation's choice.
        log: callable that takes one line of text.

    Returns:
        dict: "rows", one for each config, and "seeds".

    Raises:
        UserError: if a run fails.
    """
    workdir = make_directory(workdir)
    rows, total = [], len(plan["entries"]) * len(plan["seeds"])
    for label, config in plan["entries"]:
        pairs = []
        for seed in plan["seeds"]:
            done = len(rows) * len(plan["seeds"]) + len(pairs)
            log(f"[{done + 1}/{total}] {label}, seed {seed}")
            report = _train(_with_seed(config, seed), workdir / _name(label) / f"seed-{seed}")
            name = peer if peer in {p["name"] for p in report["peers"]} else report["student"]["name"]
            student = next(p for p in report["peers"] if p["name"] == name)
            solo = _solo(config, _network_of(config, report, name))
            digest = hashlib.sha256(json.dumps(config_lib.to_json(solo), sort_keys=True).encode()).hexdigest()[:12]
            alone = _train(_with_seed(solo, seed), workdir / f"solo-{digest}" / f"seed-{seed}")["student"]
            pairs.append(
                {
                    "seed": seed,
                    "student": student,
                    "alone": alone,
                    "typical": _typical(report["peers"], student),
                    "teacher": report["teacher"],
                }
            )
            gain = student["test_top1"] - alone["test_top1"]
            log(
                f"    {name}: test {student['test_top1']:.2%}, alone {alone['test_top1']:.2%}, {gain * 100:+.2f} points"
            )
        rows.append({"label": label, "method": config.method.name, "pairs": pairs, **_summary(pairs)})
    return {"seeds": plan["seeds"], "rows": rows}


def _typical(peers, student):
    """Returns the mean accuracies of the peers as large as the student.

    The student is the best of several on validation, and alone there is only one: this much of the gain is the choice.
    """
    same = [peer for peer in peers if peer["params"] == student["params"]]
    return {key: statistics.fmean(peer[key] for peer in same) for key in ("val_top1", "test_top1")}


def _name(label):
    return re.sub(r"[^A-Za-z0-9_.=-]+", "_", label.replace("configs/", "").replace(".py", ""))


def _with_seed(config, seed):
    copy = config_lib.from_json(config_lib.to_json(config))
    copy.seed = seed
    return copy


def _network_of(config, report, name):
    """Returns the specification of a peer's network: its own where the method has a list of them."""
    networks = config.method.get("networks")
    if networks:
        return networks[[peer["name"] for peer in report["peers"]].index(name)]
    return config.network


def _solo(config, network):
    """Returns the config of the student alone: the same protocol, without a method."""
    data = config_lib.to_json(config)
    data["network"] = json.loads(json.dumps(dict(network)))
    data["method"] = {"name": "Solo"}
    data["data"]["num_views"] = 1
    return config_lib.from_json(data)


def _train(config, workdir):
    """Trains in a process of its own, so that no run touches another's seeds or memory; a finished run is read."""
    report = workdir / "report.json"
    if not report.exists():
        process = multiprocessing.get_context("spawn").Process(
            target=_train_here, args=(config_lib.to_json(config), str(workdir))
        )
        process.start()
        process.join()
        if process.exitcode or not report.exists():
            raise UserError(f"The run in {workdir} failed; its message is above. The same command tries it again.")
    data = json.loads(report.read_text("utf-8"))
    if changes := config_lib.differences(data["config"], config_lib.to_json(config)):
        raise UserError(
            f"The run in {workdir} has another config; another workdir would be right: {'; '.join(changes)}."
        )
    return data


def _train_here(config, workdir):
    import_tensorflow()
    from odtf.training import experiment, strategy

    try:
        experiment.run(config_lib.from_json(config), workdir, strategy.make_placement())
    except UserError as error:
        raise SystemExit(f"error: {error}") from None


def _summary(pairs):
    """Returns mean and standard deviation of the students, of the same alone, and of the paired differences."""
    result = {}
    for split in ("val", "test"):
        values = {who: [pair[who][f"{split}_top1"] for pair in pairs] for who in ("student", "alone", "typical")}
        for gain, who in (("gain", "student"), ("typical_gain", "typical")):
            values[gain] = [a - b for a, b in zip(values[who], values["alone"], strict=True)]
        for name, numbers in values.items():
            spread = statistics.stdev(numbers) if len(numbers) > 1 else 0.0
            result[f"{split}_{name}"] = {"mean": statistics.fmean(numbers), "std": spread}
    return result


def to_markdown(result):
    """Returns the comparison as a Markdown table: accuracies in per cent and gains in points, mean ± deviation."""
    lines = [
        f"Mean ± standard deviation over {len(result['seeds'])} seeds, top-1 in %; gain: paired, student minus the "
        "same network alone. The student is the best peer on validation; the mean peer's gain leaves that choice out.",
        "",
        "| config | student | parameters | val alone | student | gain | test alone | student | gain | mean peer |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in result["rows"]:
        names = sorted({pair["student"]["name"] for pair in row["pairs"]})
        sizes = sorted({f"{pair['student']['params']:,}" for pair in row["pairs"]})
        cells = [row["label"], ", ".join(names), ", ".join(sizes)]
        for split, names in (("val", _COLUMNS), ("test", (*_COLUMNS, "typical_gain"))):
            for name in names:
                value = row[f"{split}_{name}"]
                sign = "+" if name.endswith("gain") else ""
                cells.append(f"{value['mean'] * 100:{sign}.2f} ± {value['std'] * 100:.2f}")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def write(result, path):
    """Writes the comparison as JSON, Markdown and, where matplotlib is installed, a plot.

    Returns:
        The Markdown text, with a line that names the files.
    """
    path = pathlib.Path(path)
    make_directory(path.parent)
    markdown = to_markdown(result)
    write_json(path, result)
    write_text(path.with_suffix(".md"), markdown)
    plot = pictures.save(path.with_suffix(".png"), _plot, result)
    files = [str(path), str(path.with_suffix(".md")), *plot]
    return f"\n{markdown}\n{', '.join(files)}"


def _wrapped(label, width=40):
    """Breaks a config's name after commas, so that the plot has room beside it."""
    return "\n".join(textwrap.wrap(label.replace(",", ", "), width)).replace(", ", ",")


def _plot(pyplot, result):
    figure, axes = pyplot.subplots(figsize=(8, 1.2 + 0.7 * len(result["rows"])), layout="constrained")
    axes.axvline(0, color="0.6", linewidth=1)
    for y, row in enumerate(reversed(result["rows"])):
        gains = [(p["student"]["test_top1"] - p["alone"]["test_top1"]) * 100 for p in row["pairs"]]
        axes.plot(gains, [y] * len(gains), "o", color="tab:blue", alpha=0.5)
        gain = row["test_gain"]
        axes.errorbar(gain["mean"] * 100, y, xerr=gain["std"] * 100, fmt="D", color="black", capsize=4)
    names = [f"{row['method']}\n{_wrapped(row['label'])}" for row in reversed(result["rows"])]
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.set_ylim(-0.6, len(result["rows"]) - 0.4)
    # Of the figure, which is wider than the axes beside long names.
    figure.supxlabel("test top-1, student minus the same network alone (points)", fontsize=10)
    figure.suptitle("dots: seeds; diamond: mean ± standard deviation", fontsize=9)
    return figure
