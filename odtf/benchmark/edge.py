"""The benchmark of exported files: size, memory, latency on this machine, time per operator, cycles on an Ethos-U.

The JSON, stable (keys may be added, none is renamed or removed):

    benchmark      "edge"
    environment    of the run
    files          list of: path, bytes, input (dtype and shape), ops {operator: count}, latency {"1": {p50_us, p95_us},
                   "2": ...} by number of threads, vela (cycles, sram_bytes, flash_bytes, dram_bytes, cpu_operators,
                   ...; null where the file is not int8 or Vela is not installed; {"refused": why} where it does not
                   take the file),
                   litert_benchmark (as latency, by LiteRT's own program, and resolution_us; or {"refused": why}),
                   arena (what TFLite Micro takes on a 64-bit machine: bytes, head_bytes, tail_bytes, at_least_bytes,
                   by: the version of tflite-micro that said it, or "estimate"; or null),
                   operators (list of: name, output, us, kernel; in order, each timed alone on one thread; without
                   those that unpack constants before the first inference)

A file that was compiled for an Ethos-U has no row, since LiteRT does not run it.
"""

import statistics

from odtf import export, paths
from odtf.benchmark.edge_tables import render
from odtf.benchmark.environment import environment
from odtf.benchmark.litert_tool import litert_benchmark
from odtf.benchmark.operators import operator_times
from odtf.benchmark.setup import print_line
from odtf.errors import UserError
from odtf.tflite import trial, vela
from odtf.tflite.arena import arena

THREADS = (1, 2)
# The one operator that Vela makes of all that the NPU takes.
_ETHOS_U = "CUSTOM:ethos-u"
# Inferences timed in one go; the files take turns, so that what else the machine does meets all of them alike.
RUNS = 100


def run(paths, *, repeats=5, accelerator="ethos-u55-128", threads=THREADS, log=print_line):
    """Measures TFLite files and prints their tables.

    Args:
        paths: files, each with one input and one output; those compiled for an Ethos-U are passed over, with a line.
        repeats: int, rounds of inferences; a file's figure is the median of its rounds.
        accelerator: Vela's name of the Ethos-U configuration.
        threads: numbers of threads to measure with.
        log: callable that takes one line of text.

    Returns:
        dict, the JSON above.

    Raises:
        UserError: for a file that is missing, that LiteRT cannot prepare, or that is no TFLite model of one input and
            one output; and if all of the files are compiled for an Ethos-U.
    """
    contents = {str(path): _read(path) for path in paths}
    runners = {}
    for path, content in contents.items():
        runners |= _runners(path, content, threads, log)
    if not runners:
        raise UserError(
            "Files that LiteRT runs are needed, such as those that Vela compiled into these. "
            f"Received: {', '.join(contents)}."
        )
    facts = environment()
    measured = list(dict.fromkeys(path for path, _ in runners))
    log(f"latency of {len(measured)} files ...")
    rounds = [{key: runner.latency(RUNS) for key, runner in runners.items()} for _ in range(repeats)]
    rows = []
    for path in measured:
        content, details = contents[path], runners[path, threads[0]].input
        log(f"operators, litert-benchmark and Vela on {path} ...")
        rows.append(
            {
                "path": path,
                "bytes": len(content),
                "input": {"dtype": details["dtype"].__name__, "shape": [int(n) for n in details["shape"]]},
                "ops": export.operators(content),
                "latency": {str(number): _medians([turn[path, number] for turn in rounds]) for number in threads},
                "vela": _compile(path, details, accelerator, log),
                "litert_benchmark": litert_benchmark(path, threads, runs=RUNS * repeats),
                "arena": _arena(content),
                "operators": operator_times(content, repeats),
            }
        )
    log(f"\n{render(rows)}")
    return {"benchmark": "edge", "environment": {**facts, "repeats": repeats}, "files": rows}


def _read(path):
    try:
        return paths.at(path).read_bytes()
    except OSError as error:
        raise UserError(f"A TFLite file is needed; {error.strerror}. Received: {path}.") from error


def _runners(path, content, threads, log):
    """A runner for each (path, number of threads); none for a file that was compiled for an Ethos-U."""
    for number in threads:
        trial.check(content, path, number)
    try:
        return {(path, number): export.Runner(content, number) for number in threads}
    except UserError as error:
        # Asked only now: LiteRT has found the file well-formed, so that its operators can be read.
        if _ETHOS_U in export.operators(content):
            log(f"{path}: passed over, it is compiled for an Ethos-U; LiteRT runs the file that Vela took")
            return {}
        raise UserError(f"{path}: {error}") from error
    except (ValueError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise UserError(
            f"A TFLite file is needed, one image input and one output; {reason}. Received: {path}."
        ) from error


def _medians(figures):
    return {key: round(statistics.median(figure[key] for figure in figures), 2) for key in figures[0]}


def _compile(path, details, accelerator, log):
    if details["dtype"].__name__ != "int8" or not vela.available():
        return None
    try:
        return export.compile_with_vela(path, accelerator)
    except UserError as error:
        log(f"  {error}")
        return {"refused": str(error)}


def _arena(content):
    try:
        return arena(content)
    except ValueError:
        return None
