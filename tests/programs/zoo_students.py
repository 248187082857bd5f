"""Packs the int8 file of a finished run into the zoo of students: odtf/zoo/students/NAME.tflite and what belongs to it.

    python tests/programs/zoo_students.py --workdir=DIR --name=digits_shift --title="..." --command="odtf-train ..."

The run has exported its student for a microcontroller (the target soc), in int8. The file must be at most 60 kB.
"""

import argparse
import json
import pathlib
import shutil

from odtf import runs
from odtf.export.card import CARD
from odtf.training.report import metric_of
from odtf.zoo import students

ROOT = pathlib.Path(__file__).resolve().parents[2]
TERMS = "Apache-2.0, as odtf; of the data those of its source."


def parsed():
    """Returns the arguments of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for flag in ("workdir", "name", "title"):
        parser.add_argument(f"--{flag}", required=True)
    parser.add_argument("--command", required=True, nargs="+", help="the commands that made the run")
    parser.add_argument("--terms", default=TERMS)
    parser.add_argument("--output", type=pathlib.Path, default=ROOT / "odtf" / "zoo" / "students")
    return parser.parse_args()


def exported(run):
    """Returns the row of the run's int8 file for a microcontroller."""
    wanted = {"target": "soc", "quantization": "int8", "peer": run.student}
    rows = [row for row in run.report["exports"] if all(row.get(key) == value for key, value in wanted.items())]
    if not rows:
        raise SystemExit(f"{run.workdir} has no int8 file of its student for the target soc")
    return rows[-1]


def about(run, row, given):
    """Returns the card of a student, a dict; see `odtf.zoo.students`."""
    metric, student = metric_of(run.report)["name"], run.report["student"]
    return {
        "title": given.title,
        "data": run.report["dataset"],
        "metric": metric,
        "quality": row[f"test_{metric}"],
        "float": student[f"test_{metric}"],
        "agreement": row["agreement"],
        "bytes": row["bytes"],
        "sha256": row["sha256"],
        "parameters": student["params"],
        "macs": student["macs"],
        "method": run.report["method"],
        "network": run.network_of(run.student),
        "commands": given.command,
        "terms": given.terms,
    }


def main():
    """Packs the run."""
    given = parsed()
    run = runs.Run(given.workdir)
    row = exported(run)
    if row["bytes"] > students.MAX_BYTES:
        raise SystemExit(f"{row['path']} has {row['bytes']:,} bytes; at most {students.MAX_BYTES:,} go into the zoo")
    file, stem = run.workdir / row["path"], given.output / given.name
    given.output.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(file, f"{stem}.tflite")
    shutil.copyfile(file.parent / CARD, f"{stem}.md")
    config = {**run.report["config"], "code_dir": None}  # Of that machine.
    for suffix, content in (("json", about(run, row, given)), ("config.json", config)):
        pathlib.Path(f"{stem}.{suffix}").write_text(json.dumps(content, indent=1) + "\n", "utf-8")
    print(f"{stem}.tflite: {row['bytes']:,} bytes, {about(run, row, given)['quality']:.4f}")


if __name__ == "__main__":
    main()
