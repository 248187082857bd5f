"""Runs the smoke form of every config, from training to a verified int8 file, and prints how long each took.

    python tests/programs/smoke.py --workdir=DIR [--only=configs/ffl.py] [--json=FILE]

Exit status 0 if every run ended with a report whose student was exported for a system-on-chip and verified. A run that
is finished in the directory is not run again.
"""

import json
import pathlib
import subprocess
import sys
import time

from absl import app, flags

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

_WORKDIR = flags.DEFINE_string("workdir", None, "Where the runs go.", required=True)
_ONLY = flags.DEFINE_multi_string("only", [], "Only these configs.")
_JSON = flags.DEFINE_string("json", None, "Where to write the table as JSON.")


def configs():
    """Yields the configs that have a smoke form."""
    for path in sorted((ROOT / "configs").glob("*.py")):
        name = str(path.relative_to(ROOT))
        if "smoke=False" in path.read_text("utf-8") and (not _ONLY.value or name in _ONLY.value):
            yield name


def run(name):
    """Runs one config; returns a row of the table."""
    workdir = pathlib.Path(_WORKDIR.value) / pathlib.Path(name).stem
    started = time.monotonic()
    command = [sys.executable, "-m", "odtf.commands.train", f"--config={name}:smoke", f"--workdir={workdir}"]
    process = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    row = {"config": name, "status": process.returncode, "seconds": round(time.monotonic() - started, 1)}
    try:
        report = json.loads((workdir / "report.json").read_text("utf-8"))
        soc = next(export for export in report["exports"] if export["target"] == "soc")
    except (OSError, ValueError, StopIteration):
        print(process.stderr, file=sys.stderr)
        return {**row, "status": process.returncode or 1}
    metric = f"test_{report['task']['metric']}"
    row |= {"method": report["method"], "peers": len(report["peers"]), "metric": metric}
    row |= {"test": report["student"][metric], "int8_test": soc[metric]}
    return {**row, "agreement": soc["agreement"], "bytes": soc["bytes"]}


def main(argv):
    """Runs them one after the other."""
    del argv
    from odtf.tables import table

    rows = []
    for name in configs():
        rows.append(run(name))
        print(json.dumps(rows[-1]), flush=True)
    keys = ("config", "method", "peers", "seconds", "metric", "test", "int8_test", "agreement", "bytes", "status")
    print("\n" + table([keys, *(tuple(str(row.get(key, "")) for key in keys) for row in rows)]))
    if _JSON.value:
        pathlib.Path(_JSON.value).write_text(json.dumps(rows, indent=2) + "\n", "utf-8")
    return 1 if any(row["status"] for row in rows) else 0


if __name__ == "__main__":
    app.run(main)
