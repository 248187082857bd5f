"""The benchmark of exported files: size, operators, latency on this machine, cycles on an Ethos-U.

The JSON, stable:

    benchmark      "edge"
    environment    of the run
    files          list of: path, bytes, input (dtype and shape), ops {operator: count}, latency {"1": {p50_us, p95_us},
                   "2": ...} by number of threads, vela (cycles, sram_bytes, cpu_operators, ...; null where the file is
                   not int8 or Vela is not installed; {"refused": why} where it does not take the file)
"""

import pathlib
import statistics

from odtf import export
from odtf.benchmark.environment import environment
from odtf.benchmark.setup import print_line
from odtf.errors import UserError
from odtf.export import vela
from odtf.training.report import table

THREADS = (1, 2)
# Inferences timed in one go; the files take turns, so that what else the machine does meets all of them alike.
RUNS = 100


def run(paths, *, repeats=5, accelerator="ethos-u55-128", log=print_line):
    """Measures TFLite files and prints their table.

    Args:
        paths: files, each with one input and one output.
        repeats: int, rounds of inferences; a file's figure is the median of its rounds.
        accelerator: Vela's name of the Ethos-U configuration.
        log: callable that takes one line of text.

    Returns:
        dict, the JSON above.

    Raises:
        UserError: for a file that is missing, or no TFLite model of one input and one output.
    """
    contents = {str(path): _read(path) for path in paths}
    runners = {
        (path, threads): _runner(path, content, threads) for path, content in contents.items() for threads in THREADS
    }
    facts = environment()
    log(f"latency of {len(contents)} files ...")
    rounds = [{key: runner.latency(RUNS) for key, runner in runners.items()} for _ in range(repeats)]
    rows = []
    for path, content in contents.items():
        details = runners[path, 1].input
        rows.append(
            {
                "path": path,
                "bytes": len(content),
                "input": {"dtype": details["dtype"].__name__, "shape": [int(n) for n in details["shape"]]},
                "ops": export.operators(content),
                "latency": {str(threads): _medians([turn[path, threads] for turn in rounds]) for threads in THREADS},
                "vela": _compile(path, details, accelerator, log),
            }
        )
    log(f"\n{render(rows)}")
    return {"benchmark": "edge", "environment": {**facts, "repeats": repeats}, "files": rows}


def render(rows):
    """Returns the rows of the JSON as a table of text."""
    latencies = [f"{figure}, {threads} thr." for threads in THREADS for figure in ("p50 us", "p95 us")]
    lines = [("file", "bytes", *latencies, "Vela cycles", "SRAM", "on CPU", "operators")]
    for row in rows:
        latency = row["latency"].values()
        times = [f"{figures[key]:.0f}" for figures in latency for key in ("p50_us", "p95_us")]
        compiled = row["vela"] or {}
        npu = [f"{compiled[key]:,}" if key in compiled else "-" for key in ("cycles", "sram_bytes")]
        npu.append(str(len(compiled["cpu_operators"])) if "cpu_operators" in compiled else "-")
        operators = ", ".join(f"{count} {name}" for name, count in row["ops"].items())
        lines.append((row["path"], f"{row['bytes']:,}", *times, *npu, operators))
    return table(lines)


def _read(path):
    try:
        return pathlib.Path(path).read_bytes()
    except OSError as error:
        raise UserError(f"A TFLite file is needed; {error.strerror}. Received: {path}.") from error


def _runner(path, content, threads):
    try:
        return export.Runner(content, threads)
    except (ValueError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise UserError(
            f"A TFLite classifier is needed, one input and one output; {reason}. Received: {path}."
        ) from error


def _medians(figures):
    return {key: round(statistics.median(figure[key] for figure in figures), 2) for key in figures[0]}


def _compile(path, details, accelerator, log):
    if details["dtype"].__name__ != "int8" or not vela.available():
        return None
    log(f"Vela on {path} ...")
    try:
        return export.compile_with_vela(path, accelerator)
    except UserError as error:
        log(f"  {error}")
        return {"refused": str(error)}
