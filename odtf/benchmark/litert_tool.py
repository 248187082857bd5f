"""The benchmark that LiteRT ships itself, `litert-benchmark`, as a second opinion on latency.

It runs a file through LiteRT's CompiledModel instead of the interpreter. It needs no network and downloads nothing. Its
times come in hundredths of a millisecond, so that a network of 13 us shows as 10; it has no profile of operators, and
cannot fill an int16 input.
"""

import json
import pathlib
import re
import subprocess
import tempfile

from odtf import isolated

MODULE = "ai_edge_litert.tools.benchmark_litert_model"
RESOLUTION_US = 10
_TIMEOUT_SECONDS = 300
_CHATTER = ("INFO:", "WARNING:")


def litert_benchmark(path, threads, runs=500, warmup=50):
    """Runs `litert-benchmark` on a file.

    Args:
        path: a TFLite file.
        threads: iterable of int.
        runs: int, timed inferences.
        warmup: int, inferences before them.

    Returns:
        dict from each number of threads, as text, to `{"p50_us", "p95_us", "init_us"}`, and `"resolution_us"`, what
        its figures are rounded to; or `{"refused": why}` where it does not run the file.
    """
    figures = {}
    for number in threads:
        with tempfile.TemporaryDirectory(prefix="odtf-litert-") as folder:
            result = pathlib.Path(folder) / "result.json"
            command = isolated.command(MODULE, f"--model={path}", f"--num_threads={number}")
            command += [f"--num_runs={runs}", f"--warmup_runs={warmup}", f"--result_json={result}"]
            try:
                run = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_SECONDS, check=False)
            except subprocess.TimeoutExpired:
                return {"refused": f"litert-benchmark did not finish within {_TIMEOUT_SECONDS} s"}
            if run.returncode or not result.is_file():
                said = _complaint(run.stderr) if run.returncode >= 0 else f"it ends by {isolated.end(run.returncode)}"
                return {"refused": f"litert-benchmark: {said}"}
            latency = json.loads(result.read_text("utf-8"))["latency"]
        figures[str(number)] = {
            "p50_us": round(1e3 * latency["median_ms"], 1),
            "p95_us": round(1e3 * latency["p95_ms"], 1),
            "init_us": round(1e3 * latency["init_ms"], 1),
        }
    return {**figures, "resolution_us": RESOLUTION_US}


def _complaint(text):
    """What LiteRT says of an error, and the exception that ends the program, in one line without its chatter."""
    exception = isolated.exception(text, _CHATTER)
    before, _, _ = text.partition("Traceback (most recent call last):\n")
    errors = [line.removeprefix("ERROR: ") for line in before.splitlines() if line.startswith("ERROR: ")]
    if not exception and not errors:  # It ended in another way.
        exception = _last(text)
    # Places in LiteRT's source stand before what happened there, one below the other.
    exception = re.sub(r"(ERROR: )?\[\S+:\d+\]|└", " ", exception)
    said = (" ".join(line.split()).rstrip(".") for line in (*errors, exception))
    return "; ".join(filter(None, said)) or "it said nothing"


def _last(text):
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith(_CHATTER)]
    return lines[-1] if lines else ""
