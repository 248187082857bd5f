"""Repeats deterministic runs and names the first step and term in which one differs from the first.

    python tests/programs/repeat.py --output=repeat.json [--methods pcl oem] [--repeats=5] [--modes float aware]
        [--threads 1 2 4] [--load=2] [--epochs=8]

Every run is the smoke form of a config, 20 steps an epoch on digits, with config.deterministic, in a process of its own
with so many intra-op threads. All values of all steps are compared, and all arrays of the last checkpoint, bit by bit;
runs of different numbers of threads are not, for sums may differ between them. --load=N keeps N other processes busy
meanwhile, which moves threads about. Rows that stand in the output already are not run again. Exit status 1 if anything
differs or fails. A run takes a minute or two on two cores: all rows, half a day.
"""

import argparse
import contextlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]
FLAGS = (
    "--config.deterministic=True",
    "--config.log_every_steps=1",
    # Checkpoints in the middle of epochs, too.
    "--config.checkpoint.every_steps=9",
    "--config.export.targets=()",
)


def configs():
    """Returns the names of all configs that have a smoke form."""
    paths = sorted((ROOT / "configs").glob("*.py"))
    return [path.stem for path in paths if "smoke=False" in path.read_text("utf-8")]


@contextlib.contextmanager
def load(count):
    """Keeps `count` processes busy, which end with this one."""
    busy = "import os; parent = os.getppid()\nwhile os.getppid() == parent: pass"
    processes = [subprocess.Popen([sys.executable, "-c", busy]) for _ in range(count)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def train(name, mode, threads, epochs, workdir):
    """Runs one training; raises RuntimeError with the end of what it printed if it fails."""
    flags = [f"--config=configs/{name}.py:smoke", *FLAGS, f"--config.epochs={epochs}"]
    flags += [f"--config.quantization.aware={mode == 'aware'}", f"--workdir={workdir}"]
    environment = {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3", "TF_NUM_INTRAOP_THREADS": str(threads)}
    process = subprocess.run(
        [sys.executable, "-m", "odtf.commands.train", *flags],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )
    if process.returncode:
        raise RuntimeError(process.stderr.strip().splitlines()[-1] if process.stderr.strip() else "no message")


def steps(workdir):
    """Returns the logged values of a run, in order: (step, kind) -> {term: value}."""
    rows = [json.loads(line) for line in (workdir / "log.jsonl").read_text("utf-8").splitlines()]
    return {
        (row.pop("step"), row.pop("kind")): {k: v for k, v in row.items() if k != "images_per_second"} for row in rows
    }


def arrays(workdir):
    """Returns the arrays of the last checkpoint, name -> array."""
    import tensorflow as tf

    last = max((workdir / "checkpoints").glob("step-*"), key=lambda path: int(path.name.partition("-")[2]))
    reader = tf.train.load_checkpoint(str(last / "variables"))
    names = [name for name in reader.get_variable_to_shape_map() if "OBJECT_GRAPH" not in name]
    return {name: reader.get_tensor(name) for name in names}


def differences(one, other):
    """Compares two finished runs; returns {} or what differs: the first step, its terms, and the last arrays."""
    found = {}
    before, after = steps(one), steps(other)
    for (step, kind), values in before.items():
        terms = sorted(k for k, v in values.items() if v != after.get((step, kind), {}).get(k))
        if terms:
            found |= {"step": step, "kind": kind, "terms": terms}
            break
    before, after = arrays(one), arrays(other)
    unequal = [name for name in before if before[name].tobytes() != after[name].tobytes()]
    if unequal:
        most = max(float(np.max(np.abs(before[name].astype(float) - after[name]))) for name in unequal)
        found |= {"arrays": len(unequal), "of": len(before), "most": most}
    return found


def repeat(row, repeats, workdir):
    """Runs the training of a row several times; returns the row with what came out."""
    key = (row["config"], row["mode"], row["threads"], row["epochs"])
    started, found = time.monotonic(), []
    try:
        with load(row["load"]):
            for i in range(repeats):
                train(*key, workdir / str(i))
                if i:
                    found.append(differences(workdir / "0", workdir / str(i)))
    except RuntimeError as error:
        return {**row, "error": str(error)}
    differing = [difference for difference in found if difference]
    seconds = round((time.monotonic() - started) / repeats)
    return {**row, "runs": repeats, "differ": len(differing), "seconds": seconds, "differences": differing}


def describe(row):
    """Returns a row of the table as text."""
    head = f"{row['config']:14} {row['mode']:6} threads {row['threads']} load {row['load']}: "
    if "error" in row:
        return head + f"failed: {row['error']}"
    if not row["differ"]:
        return head + f"{row['runs']} runs are equal ({row['seconds']} s each)"
    first = row["differences"][0]
    where = f"at step {first['step']} in {', '.join(first['terms'])}" if "step" in first else "in the last weights only"
    weights = f"; {first['arrays']} of {first['of']} arrays, by up to {first['most']:.2g}" if "arrays" in first else ""
    return head + f"{row['differ']} of {row['runs'] - 1} differ from the first, first {where}{weights}"


def main():
    """Runs the program."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=pathlib.Path, required=True, help="JSON file of the rows; it is continued.")
    parser.add_argument("--methods", nargs="*", default=configs(), choices=configs(), help="Names of configs.")
    parser.add_argument("--repeats", type=int, default=3, help="How many runs a row compares.")
    parser.add_argument("--modes", nargs="*", default=["float", "aware"], choices=["float", "aware"])
    parser.add_argument("--threads", nargs="*", type=int, default=[1, 2, 4], help="Numbers of intra-op threads.")
    parser.add_argument("--load", type=int, default=0, help="How many other processes are busy.")
    parser.add_argument("--epochs", type=int, default=8, help="Length of a run.")
    arguments = parser.parse_args()
    if arguments.repeats < 2:
        parser.error(f"--repeats must be 2 or more. Received: {arguments.repeats}")
    rows = json.loads(arguments.output.read_text("utf-8")) if arguments.output.exists() else []
    done = [{key: row[key] for key in ("config", "mode", "threads", "load", "epochs")} for row in rows]
    for name in arguments.methods:
        for mode in arguments.modes:
            for threads in arguments.threads:
                row = {"config": name, "mode": mode, "threads": threads, "load": arguments.load}
                row["epochs"] = arguments.epochs
                if row in done:
                    continue
                with tempfile.TemporaryDirectory() as workdir:
                    rows.append(repeat(row, arguments.repeats, pathlib.Path(workdir)))
                print(describe(rows[-1]), flush=True)
                arguments.output.write_text(json.dumps(rows, indent=2) + "\n", "utf-8")
    print("\n" + "\n".join(describe(row) for row in rows))
    sys.exit(any(row.get("differ") or "error" in row for row in rows))


if __name__ == "__main__":
    main()
