"""Fingerprints of deterministic runs of a checkout: weights, report numbers, checksums of exported files.

    python tests/programs/fingerprint.py --checkout=OLD --output=old.json
    python tests/programs/fingerprint.py --checkout=. --output=new.json --against=old.json

Runs seven configs on digits with the odtf of a checkout (its modules are found before any installed ones), exports
each for soc and phone, and writes down what must not change when code moves. With --against the exit status is 1 if
anything differs, and what differs is printed. Latencies and seconds are left out. About eight minutes on two cores.
"""

import argparse
import hashlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import numpy as np

RUNS = {
    "od_cheap": ["--config=configs/digits.py:epochs=6"],
    "pcl": ["--config=configs/pcl.py:smoke"],
    "oem": ["--config=configs/oem.py:smoke"],
    "pacemaker": ["--config=configs/pacemaker.py:smoke"],
    "indistill": ["--config=configs/indistill.py:smoke,main=kd"],
    "od_cheap_aware": ["--config=configs/digits.py:epochs=6", "--config.quantization.aware=True"],
    "oem_aware": ["--config=configs/oem.py:smoke", "--config.epochs=4", "--config.quantization.aware=True"],
}
COMMON = ["--config.deterministic=True", "--config.export.targets=('soc', 'phone')"]
# Of a report's rows, what differs from one run to the next; of the report, what is compared by other means.
NOISE = ("latency_us_p50", "seconds", "interpreter", "path", "config")


def _numbers(data):
    if isinstance(data, dict):
        return {key: _numbers(value) for key, value in data.items() if not any(key.startswith(n) for n in NOISE)}
    return [_numbers(value) for value in data] if isinstance(data, list) else data


def _weights(workdir, report):
    """Returns the digest of the chosen weights, in order, and those of the last checkpoint's arrays, sorted."""
    import tensorflow as tf

    digest = hashlib.sha256()
    with np.load(workdir / "chosen" / f"step-{report['student']['step']}.npz") as file:
        for name in sorted(name for name in file.files if name[:4].isdecimal()):
            digest.update(np.ascontiguousarray(file[name]).tobytes())
    last = max((workdir / "checkpoints").glob("step-*"), key=lambda path: int(path.name.partition("-")[2]))
    reader = tf.train.load_checkpoint(str(last / "variables"))
    names = [name for name in reader.get_variable_to_shape_map() if name.endswith("VARIABLE_VALUE")]
    arrays = sorted(hashlib.sha256(np.asarray(reader.get_tensor(name)).tobytes()).hexdigest()[:16] for name in names)
    return {"chosen": digest.hexdigest(), "last": hashlib.sha256("".join(arrays).encode()).hexdigest()}


def fingerprint(checkout, workdir, only=()):
    """Trains and exports every run with the odtf of `checkout`; returns name -> weights, numbers, checksums."""
    environment = {**os.environ, "PYTHONPATH": str(checkout), "TF_CPP_MIN_LOG_LEVEL": "3"}
    module = "odtf.commands.train" if (checkout / "odtf/commands").is_dir() else "odtf.train"
    result = {}
    for name, flags in RUNS.items():
        if only and name not in only:
            continue
        directory = workdir / name
        command = [sys.executable, "-m", module, *flags, *COMMON, f"--workdir={directory}"]
        subprocess.run(command, cwd=checkout, env=environment, check=True, stdout=subprocess.DEVNULL)
        report = json.loads((directory / "report.json").read_text("utf-8"))
        result[name] = {"weights": _weights(directory, report), "report": _numbers(report)}
        print(
            name, result[name]["weights"]["last"][:12], *(row["sha256"][:12] for row in report["exports"]), flush=True
        )
    return result


def differences(old, new, where=""):
    """Yields "place: old -> new" for everything that the old fingerprint has and the new one has otherwise."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in old:
            yield from differences(old[key], new.get(key), f"{where}/{key}")
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for i, pair in enumerate(zip(old, new, strict=True)):
            yield from differences(*pair, f"{where}/{i}")
    elif old != new:
        yield f"{where}: {old} -> {new}"


def main():
    """Runs the program."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkout", type=pathlib.Path, required=True, help="Folder that has odtf/ and configs/.")
    parser.add_argument("--output", type=pathlib.Path, required=True, help="JSON file for the fingerprints.")
    parser.add_argument("--against", type=pathlib.Path, help="JSON file of an earlier call.")
    parser.add_argument("--workdir", type=pathlib.Path, help="Where the runs go and stay; a temporary folder if none.")
    parser.add_argument("--only", nargs="*", default=(), choices=list(RUNS), help="Some of the runs.")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        workdir = arguments.workdir or pathlib.Path(temporary)
        found = fingerprint(arguments.checkout.resolve(), workdir.resolve(), arguments.only)
    arguments.output.write_text(json.dumps(found, indent=2) + "\n", "utf-8")
    if arguments.against:
        old = json.loads(arguments.against.read_text("utf-8"))
        changed = list(differences({name: old[name] for name in found}, found))
        print("\n".join(changed) or f"{len(found)} runs: weights, report numbers and files are equal.")
        sys.exit(bool(changed))


if __name__ == "__main__":
    main()
