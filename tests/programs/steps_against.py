"""Times training steps of this checkout against those of another one, each in a process of its own, in turns.

    python tests/programs/steps_against.py --against=OLD [--repeats=9] [--threads=2]

For every kind of cheap block the OD-cheap step of four ResNet-20 at batch 128, and that of mutual learning, in float32
in both checkouts; OD-cheap in mixed_bfloat16 here against float32 there, too. Prints the median milliseconds of a step
and the median, least and greatest ratio of the rounds. Nothing else should run meanwhile. Some five minutes.
"""

import argparse
import functools
import json
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
BLOCKS = ("depthwise", "shift", "group")
CASES = [
    *(("OnlineDistillationCheap", block, precision) for block in BLOCKS for precision in ("float32", "mixed_bfloat16")),
    ("DeepMutualLearning", "depthwise", "float32"),
]
STEPS_PER_RUN = 3
# Runs in a checkout: reads a case from each line of its input, takes its steps, and says so.
SERVER = """
import json, sys
import keras, tensorflow as tf
threads, count = map(int, sys.argv[1:])
tf.config.threading.set_intra_op_parallelism_threads(threads)
from odtf import methods
from odtf.benchmark import setup, steps
options = setup.Setup()
batch, made = steps.make_batch(options), {}
for line in sys.stdin:
    name, block, precision = key = tuple(json.loads(line))
    keras.mixed_precision.set_dtype_policy(precision)
    if key not in made:
        cohort = steps.make_cohort(options, block, getattr(methods, name), num_peers=4)
        made[key] = steps.training_step(cohort, batch)
    for _ in range(count):
        made[key]()
    print("done", flush=True)
"""


class Server:
    """A process that takes steps with the odtf of a checkout."""

    def __init__(self, checkout, threads):
        environment = {**os.environ, "PYTHONPATH": str(checkout), "TF_CPP_MIN_LOG_LEVEL": "3"}
        command = [sys.executable, "-c", SERVER, str(threads), str(STEPS_PER_RUN)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self._process = subprocess.Popen(command, cwd=checkout, env=environment, **pipes)

    def run(self, *case):
        """Takes some steps and returns when they are done."""
        print(json.dumps(case), file=self._process.stdin, flush=True)
        if not any(line == "done\n" for line in self._process.stdout):
            raise SystemExit(f"The process that takes steps of {case} ended.")

    def end(self):
        """Ends it."""
        self._process.stdin.close()
        self._process.wait()


def main():
    """Runs the program."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--against", type=pathlib.Path, required=True, help="Folder of the other checkout.")
    parser.add_argument("--repeats", type=int, default=9, help="Timed rounds.")
    parser.add_argument("--threads", type=int, default=2, help="Intra-op threads.")
    arguments = parser.parse_args()
    from odtf.benchmark.timing import Comparison, interleave
    from odtf.tables import table

    servers = {"here": Server(ROOT, arguments.threads), "there": Server(arguments.against.resolve(), arguments.threads)}
    rows = [("method", "block", "precision here", "ms here", "ms there", "ratio [min, max]")]
    for method, block, precision in CASES:
        runs = {
            "here": functools.partial(servers["here"].run, method, block, precision),
            "there": functools.partial(servers["there"].run, method, block, "float32"),
        }
        times = interleave(runs, arguments.repeats, warmup=1)
        found = Comparison(method, "here", times["here"], "there", times["there"]).to_json()
        milliseconds = (f"{found[key]['median'] / STEPS_PER_RUN:.0f}" for key in ("ms", "baseline_ms"))
        ratio = "{median:.3f} [{min:.3f}, {max:.3f}]".format(**found["ratio"])
        rows.append((method, block, precision, *milliseconds, ratio))
        print(f"{method} {block} {precision}: {ratio}", file=sys.stderr, flush=True)
    print(table(rows))
    for server in servers.values():
        server.end()


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    main()
