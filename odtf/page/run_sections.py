"""Sections on what a run's records say: networks, files, candidates, and how all of it came about."""

import functools
import types

from odtf import launches, paths
from odtf.candidates import kept, overview
from odtf.candidates.budget import QUANTITIES, Quality, usable
from odtf.errors import UserError
from odtf.sections import Figure, Note, Section, Table
from odtf.tflite.arena import arena
from odtf.training import config as config_lib
from odtf.training.report import metric_of, shown, titled


def remarks(report):
    """Returns the section on what is worth knowing of the data, None where nothing is."""
    notes = tuple(Note(f"{line[:1].upper()}{line[1:]}.") for line in report.get("remarks", ()))
    return Section("Remarks on the data", notes) if notes else None


def networks(report):
    """Returns the section on all networks: sizes, and every metric on validation and test."""
    metric = metric_of(report)
    rows = [(row["name"], row) for row in report["peers"]]
    rows += [("teacher", report["teacher"])] if report.get("teacher") else []
    names = dict.fromkeys(key.removeprefix("test_") for _, row in rows for key in row if key.startswith("test_"))
    names = sorted(names, key=lambda name: name != metric["name"])
    titles = [metric["title"] if name == metric["name"] else name for name in names]
    heads = [f"{split} {title}" for title in titles for split in ("val", "test")]
    table = [("network", "made of", "parameters", "MACs", *heads, f"test {metric['title']} at the end")]
    for name, row in rows:
        keys = [f"{split}_{one}" for one in names for split in ("val", "test")] + [f"last_test_{metric['name']}"]
        values = (_value(row.get(key), metric, key.endswith(f"_{metric['name']}")) for key in keys)
        table.append(
            (titled(row, report) if "name" in row else name, _made_of(row.get("network")), *_costs(row), *values)
        )
    return Section("Networks", (Table(table), *_disagreement(report)))


def _value(value, metric, chooses):
    if value is None:
        return "-"
    return shown(value, metric) if chooses else f"{value:.4g}"


def _costs(row):
    return tuple("-" if row.get(key) is None else f"{row[key]:,}" for key in ("params", "macs"))


def _made_of(network):
    """Returns a specification in words; of a network made of several, how many."""
    if not isinstance(network, dict):
        return f"{len(network)} networks" if network else ""
    rest = {key: value for key, value in network.items() if key not in ("name", "layers", "config")}
    told = " ".join([str(network.get("name", "")), *(f"{key}={value}" for key, value in sorted(rest.items()))])
    return told if len(told) <= 80 else f"{told[:79]}…"


def _disagreement(report):
    """Returns the table of how often two networks answer differently, in a tuple; an empty one of a single network."""
    rows = [(pair, f"{share:.2%}") for pair, share in (report.get("disagreement") or {}).items()]
    return (Table([("two networks", "differ on validation"), *rows]),) if rows else ()


# Files --------------------------------------------------------------------------------------------------------------


def exports(workdir, report):
    """Returns the section on exported and on fine-tuned files, None where there are none."""
    metric = metric_of(report)
    files = [(row.get("peer", report["student"]["name"]), row) for row in report["exports"]]
    files += [
        (f"{row['peer']}, {row['mode']}", row["file"] | {"target": row["target"]})
        for row in report.get("finetuned", ())
    ]
    if not files:
        return None
    heads = ("file", "target", "quantisation", "network", "bytes", f"test {metric['title']}", "agreement")
    table = [(*heads, "arena bytes", "NPU cycles", "NPU SRAM", "latency p50")]
    table += [_file(workdir, network, row, metric) for network, row in files]
    note = (
        "Arena: what a file for a microcontroller takes in TensorFlow Lite Micro. Cycles and SRAM are Vela's, for an "
        "Arm NPU. Latency is that of one thread of the machine that exported."
    )
    return Section("Files", (Table(table), Note(note)))


def _file(workdir, network, row, metric):
    """Returns the row of a file in the table."""
    agreement, vela = row.get("agreement"), row.get("vela") or {}
    return (
        *(row["path"], row.get("target", ""), row.get("quantization", ""), network),
        _count(row.get("bytes")),
        _value(row.get(f"test_{metric['name']}"), metric, True),
        "-" if agreement is None else f"{agreement:.4g}",
        *map(_count, (_arena(workdir, row), vela.get("cycles"), vela.get("sram_bytes"))),
        f"{row['latency_us_p50']:.0f} us" if "latency_us_p50" in row else "-",
    )


def _count(value):
    return "-" if value is None else f"{value:,}"


def _arena(workdir, row):
    """Returns the arena of a file of integers, which is what microcontrollers take; None of others."""
    path = paths.at(workdir) / row["path"]
    if row.get("quantization") not in ("int8", "int16x8") or not path.is_file():
        return None
    try:
        return arena(path.read_bytes())["bytes"]
    except (ValueError, UserError):
        return None


def candidates(workdir, report):
    """Returns the section on candidates for a budget, None where none were measured."""
    folder = paths.at(workdir) / "export"
    if not kept.path_of(folder).is_file():
        return None
    quality = _quality(metric_of(report))
    rows, choice = kept.read_with_choice(folder, quality.key)
    blocks = [
        block
        for target in dict.fromkeys(row["target"] for row in rows)
        for block in _candidates_for(target, rows, choice, quality)
    ]
    return Section("Candidates for export", tuple(blocks)) if blocks else None


def _candidates_for(target, rows, choice, quality):
    """Returns the figures and the table of the candidates for a target; nothing where all were refused."""
    own = [row for row in rows if row["target"] == target]
    if not usable(own, quality):
        return []
    chosen = choice if choice and choice["target"] == target else {}
    picked = [row for row in own if all(row[key] == chosen.get(key) for key in ("peer", "quantization"))]
    limits, best = chosen.get("budget") or {}, picked[0] if picked else None
    caption = f"{target}: {overview.LEGEND}."
    figures = [Figure(caption, overview.draw_one, (own, quality, limits, best, name)) for name in QUANTITIES]
    return [*figures, Table(overview.cells(own, quality, best))]


def _quality(metric):
    """Returns the metric that chooses as candidates are judged by it; the task itself, which needs Keras, is not."""
    better = {"max": max, "min": min}[metric["better"]]
    text = functools.partial(shown, metric=metric)
    return Quality(
        metric["name"], types.SimpleNamespace(title=metric["title"], share=metric["share"], better=better, text=text)
    )


# How it came about --------------------------------------------------------------------------------------------------


def origin(workdir, report):
    """Returns the sections on commands, environment, seed and config."""
    rows, blocks = launches.read(workdir), []
    known = [row for row in rows if row.get("command")]
    if known:
        blocks.append(Table([("started", "command"), *((row["started"], row["command"]) for row in known)]))
    facts = [("seed", str(report.get("seed", "-"))), ("seconds of training", f"{report['seconds']['train']:,.0f}")]
    if rows:
        last = {key: value for key, value in rows[-1].items() if key not in ("started", "command")}
        facts += [
            (key, ", ".join(map(str, value)) if isinstance(value, list) else str(value)) for key, value in last.items()
        ]
    else:
        facts.append(("environment", "not recorded by the version that trained it"))
    blocks.append(Table(facts, heading=False))
    leaves = config_lib.leaves(report.get("config") or {})
    config = Table([(key, str(value)) for key, value in leaves], heading=False)
    return [Section("Seed, command and environment", tuple(blocks)), Section("Config", (config,), folded=True)]
