"""Times training steps of this checkout against those of another one, each in a process of its own, in turns.

    python tests/programs/steps_against.py --against=OLD [--repeats=9] [--threads=2]

For every kind of cheap block the OD-cheap step of four ResNet-20 at batch 128, and that of mutual learning, in float32
in both checkouts; OD-cheap in mixed_bfloat16 here against float32 there, too. Prints the median milliseconds of a step
and the median, least and greatest ratio of the rounds. Nothing else should run meanwhile. Some five minutes.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
BLOCKS = ("depthwise", "shift", "group")
CASES = [
    *(("OnlineDistillationCheap", block, precision) for block in BLOCKS for precision in ("float32", "mixed_bfloat16")),
    ("DeepMutualLearning", "depthwise", "float32"),
]
# Runs in a checkout: reads a case from each line of its input, and answers with the milliseconds of its steps.
SERVER = """
import json, sys, time
import keras, tensorflow as tf
threads = int(sys.argv[1])
tf.config.threading.set_intra_op_parallelism_threads(threads)
from odtf import methods
from odtf.benchmark import setup, steps
options = setup.Setup()
batch, made = steps.make_batch(options), {}
for line in sys.stdin:
    name, block, precision, count = json.loads(line)
    keras.mixed_precision.set_dtype_policy(precision)
    key = name, block, precision
    if key not in made:
        cohort = steps.make_cohort(options, block, getattr(methods, name), num_peers=4)
        made[key] = steps.training_step(cohort, batch)
        made[key]()
    started = time.perf_counter()
    for _ in range(count):
        made[key]()
    print("ms", 1000.0 * (time.perf_counter() - started) / count, flush=True)
"""


class Server:
    """A process that times steps with the odtf of a checkout."""

    def __init__(self, checkout, threads):
        environment = {**os.environ, "PYTHONPATH": str(checkout), "TF_CPP_MIN_LOG_LEVEL": "3"}
        command = [sys.executable, "-c", SERVER, str(threads)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self._process = subprocess.Popen(command, cwd=checkout, env=environment, **pipes)

    def milliseconds(self, case, count):
        """Returns how long a step takes, the mean of `count` of them."""
        print(json.dumps([*case, count]), file=self._process.stdin, flush=True)
        for line in self._process.stdout:
            if line.startswith("ms "):
                return float(line.removeprefix("ms "))
        raise SystemExit(f"The process that times {case} ended.")

    def end(self):
        """Ends it."""
        self._process.stdin.close()
        self._process.wait()


def compare(here, there, case, repeats):
    """Returns the milliseconds of both, lists of `repeats`; the other checkout's step is of float32."""
    pairs = (here, case), (there, (*case[:2], "float32"))
    for server, one in pairs:
        server.milliseconds(one, 1)
    rounds = [[server.milliseconds(one, 3) for server, one in pairs] for _ in range(repeats)]
    return list(zip(*rounds, strict=True))


def main():
    """Runs the program."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--against", type=pathlib.Path, required=True, help="Folder of the other checkout.")
    parser.add_argument("--repeats", type=int, default=9, help="Timed rounds.")
    parser.add_argument("--threads", type=int, default=2, help="Intra-op threads.")
    arguments = parser.parse_args()
    from odtf.tables import table

    here, there = (Server(path.resolve(), arguments.threads) for path in (ROOT, arguments.against))
    rows = [("method", "block", "precision here", "ms here", "ms there", "ratio [min, max]")]
    for case in CASES:
        new, old = compare(here, there, case, arguments.repeats)
        ratios = [a / b for a, b in zip(new, old, strict=True)]
        spread = f"{statistics.median(ratios):.3f} [{min(ratios):.3f}, {max(ratios):.3f}]"
        rows.append((*case, f"{statistics.median(new):.0f}", f"{statistics.median(old):.0f}", spread))
        print(f"{' '.join(case)}: {spread}", file=sys.stderr, flush=True)
    print(table(rows))
    here.end()
    there.end()


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    main()
