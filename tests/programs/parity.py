"""Compares what was trained with what is exported, for every cheap convolution and every network, in one table.

    python tests/programs/parity.py --workdir=DIR [--json=FILE]
    python tests/programs/parity.py --workdir=DIR --data=cifar10 --data_dir=DATA --only=resnet8:line --only=vgg:standard

For each student of configs/parity.py: test accuracy of the Keras student, of its float file (phone, float32), of its
int8 file quantised after training, of the same student fine-tuned with TFMOT (odtf-finetune --mode=qat), and of a
cohort of the same seed that was trained quantisation-aware; beside each file the share of test images on which it
answers as the network it was made from. A second table sums up what the files lose, in points: on the network they were
made from, and on the float student, which for the last two includes what another training changes. What is finished in
the directory is not run again, whatever the flags. Exit status 0 if no step failed.
"""

import json
import pathlib
import statistics
import subprocess
import sys

from absl import app, flags

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

_WORKDIR = flags.DEFINE_string("workdir", None, "Where the runs go.", required=True)
_DATA = flags.DEFINE_enum("data", "digits", ["digits", "cifar10"], "What is trained on.")
_DATA_DIR = flags.DEFINE_string("data_dir", None, "TFDS directory, for cifar10.")
_EPOCHS = flags.DEFINE_integer("epochs", 0, "Epochs of each training; the config's by default.")
_MAX_TRAIN = flags.DEFINE_integer("max_train_examples", None, "Train on so many examples.")
_ONLY = flags.DEFINE_multi_string("only", [], "Only these students, NETWORK:CONVOLUTION.")
_JSON = flags.DEFINE_string("json", None, "Where to write the table as JSON.")

CONVOLUTIONS = ("standard", "group", "shuffled_group", "depthwise", "shift", "line", "ghost")
NETWORKS = (
    *("cifar_resnet", "preact_resnet", "wide_resnet", "densenet", "vgg", "alexnet", "googlenet", "resnet"),
    *("plain_cnn", "mobilenet_v2"),
)
STUDENTS = (
    *((f"resnet8:{conv}") for conv in CONVOLUTIONS),
    *((f"od_cheap_resnet:{conv}") for conv in ("depthwise", "shift")),
    *((f"{network}:standard") for network in NETWORKS),
)


def run(module, *arguments):
    """Runs one of the command lines; raises RuntimeError with its last words if it fails."""
    process = subprocess.run([sys.executable, "-m", module, *arguments], cwd=ROOT, capture_output=True, text=True)
    if process.returncode:
        raise RuntimeError(f"{module} {' '.join(arguments)}: {process.stderr.strip().splitlines()[-1]}")


def train(student, workdir, *flags):
    """Trains one student's cohort, if its file is not there yet, and returns its report."""
    if (workdir / "report.json").exists() and exported(report := read(workdir), "soc", "int8"):
        return report
    network, conv = student.split(":")
    config = f"configs/parity.py:network={network},conv={conv},data={_DATA.value},epochs={_EPOCHS.value}"
    options = [f"--config.data.data_dir={_DATA_DIR.value}"] if _DATA_DIR.value else []
    if _MAX_TRAIN.value:
        options.append(f"--config.data.max_train_examples={_MAX_TRAIN.value}")
    run("odtf.commands.train", f"--config={config}", f"--workdir={workdir}", *options, *flags)
    return read(workdir)


def read(workdir):
    """Returns the report of a run."""
    return json.loads((workdir / "report.json").read_text("utf-8"))


def exported(report, target, quantization):
    """Returns the row of one exported file, or None."""
    rows = (row for row in report["exports"] if (row["target"], row["quantization"]) == (target, quantization))
    return next(rows, None)


def compare(student):
    """Makes what is missing of one student; returns its row of the table, accuracies in per cent."""
    folder = pathlib.Path(_WORKDIR.value) / student.replace(":", "-")
    after, aware = folder / "float", folder / "aware"
    report = train(student, after)
    if exported(report, "phone", "float32") is None:
        run("odtf.commands.export", f"--workdir={after}", "--target=phone", "--quantization=float32")
    if not read(after).get("finetuned"):
        run("odtf.commands.finetune", f"--workdir={after}", "--mode=qat")
    report, trained = read(after), train(student, aware, "--config.quantization.aware=True")
    tuned = report["finetuned"][0]
    files = {
        "float file": exported(report, "phone", "float32"),
        "after": exported(report, "soc", "int8"),
        "tfmot": tuned["file"],
        "aware": exported(trained, "soc", "int8"),
    }
    own = {
        "keras": report["student"]["test_top1"],
        "keras tfmot": tuned["tuned"]["test_top1"],
        "keras aware": trained["student"]["test_top1"],
    }
    row = {"student": student, **own}
    for name, file in files.items():
        row |= {name: file["test_top1"], f"{name} agrees": file["agreement"]}
    return {key: value if isinstance(value, str) else round(100 * value, 2) for key, value in row.items()}


# Each kind of file, and the network that it was made from.
MADE_FROM = {"float file": "keras", "after": "keras", "tfmot": "keras tfmot", "aware": "keras aware"}


def summary(rows):
    """Yields the rows of a table of how far the files are off, over all students."""
    yield "file", "off its network", "worst", "off the float student", "worst", "agrees, mean", "least"
    for file, network in MADE_FROM.items():
        figures = [file]
        for other in (network, "keras"):
            off = [row[file] - row[other] for row in rows]
            figures += [f"{statistics.mean(off):+.2f} ± {statistics.pstdev(off):.2f}", f"{min(off):+.2f}"]
        agrees = [row[f"{file} agrees"] for row in rows]
        yield (*figures, f"{statistics.mean(agrees):.2f}", f"{min(agrees):.2f}")


def main(argv):
    """Compares all of them and prints the tables."""
    del argv
    from odtf.tables import table

    rows, failed = [], []
    for student in _ONLY.value or STUDENTS:
        try:
            rows.append(compare(student))
            print(json.dumps(rows[-1]), flush=True)
        except RuntimeError as error:
            failed.append(student)
            print(f"FAILED {student}: {error}", flush=True)
    keys = list(rows[0]) if rows else ["student"]
    print("\n" + table([tuple(keys), *(tuple(f"{row[key]}" for key in keys) for row in rows)]))
    if rows:
        print("\n" + table(list(summary(rows))))
    if failed:
        print(f"\nfailed: {', '.join(failed)}")
    if _JSON.value:
        pathlib.Path(_JSON.value).write_text(json.dumps(rows, indent=2) + "\n", "utf-8")
    return 1 if failed else 0


if __name__ == "__main__":
    app.run(main)
