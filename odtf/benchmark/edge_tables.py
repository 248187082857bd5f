"""The tables of the benchmark of exported files."""

from odtf.benchmark.operators import summarize
from odtf.tables import table


def render(rows):
    """Returns the rows of the JSON of `odtf.benchmark.edge` as tables of text: times, memory, operators."""
    names = {row["path"]: f"[{number}]" for number, row in enumerate(rows, start=1)}
    files = "\n".join(f"{name} {path}" for path, name in names.items())
    tables = [files, _times(rows, names), _memory(rows, names), _operators(rows, names)]
    refusals = [
        f"{names[row['path']]}: {row[key]['refused']}"
        for row in rows
        for key in ("litert_benchmark", "vela")
        if "refused" in (row[key] or {})
    ]
    return "\n\n".join([*tables, *(["\n".join(refusals)] if refusals else [])])


def _times(rows, names):
    threads = list(rows[0]["latency"])
    lines = [("latency, us", *(f"{which}, {n} thr." for n in threads for which in ("p50 / p95", "litert-benchmark")))]
    for row in rows:
        cells = []
        for number, figures in row["latency"].items():
            pairs = (figures, row["litert_benchmark"].get(number))
            cells += ["-" if pair is None else f"{pair['p50_us']:.0f} / {pair['p95_us']:.0f}" for pair in pairs]
        lines.append((names[row["path"]], *cells))
    return table(lines)


def _memory(rows, names):
    figures = {"Vela SRAM": "sram_bytes", "Vela flash": "flash_bytes", "Vela DRAM": "dram_bytes", "cycles": "cycles"}
    lines = [("memory, bytes", "file", "arena", *figures, "operators on CPU")]
    for row in rows:
        compiled = row["vela"] or {}
        npu = [f"{compiled[key]:,}" if key in compiled else "-" for key in figures.values()]
        npu.append(str(len(compiled["cpu_operators"])) if "cpu_operators" in compiled else "-")
        lines.append((names[row["path"]], f"{row['bytes']:,}", _arena(row["arena"]), *npu))
    return table(lines)


def _arena(found):
    if found is None:
        return "-"
    # Rows of an earlier version do not say: all were estimates, of the activations alone.
    return f"{found['bytes']:,}" + (" (estimate)" if found.get("by", "estimate") == "estimate" else "")


def _operators(rows, names):
    lines = [("operators, each alone", "count", "us", "share", "kernel")]
    for row in rows:
        summary = summarize(row["operators"])
        total = sum(time for *_, time in summary)
        lines.append((names[row["path"]], str(len(row["operators"])), f"{total:.1f}", "", ""))
        for name, count, time in summary:
            kernels = sorted({r["kernel"] or "not timed" for r in row["operators"] if r["name"] == name})
            share = f"{time / total:.0%}" if total else "-"
            lines.append((f"  {name}", str(count), f"{time:.1f}", share, ", ".join(kernels)))
    return table(lines)
