"""Shows what the devices' own tools make of cheap students: trains four briefly and exports each for every target.

    python tests/programs/show_on_devices.py --workdir=DIR [--epochs=40] [--only=shift]

Needs the extras soc and phone. The students are built from depthwise, grouped, shift and 1xN convolutions and trained
on digits; a run that is finished in the directory is not trained again. For each one the table tells Vela's cycles and
the operators that it leaves to the CPU, the labels that MediaPipe's ImageClassifier got right and how many of them
LiteRT gives as well, and what LiteRT's own kernels answer without XNNPACK. All of it is read from the verification
reports.

Exit status 0 if no operator stays on the CPU, every target took every student, MediaPipe's labels are LiteRT's, and the
accuracy without XNNPACK stands.
"""

import json
import pathlib
import sys

from absl import app, flags

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))

NETWORKS = {
    "depthwise": {"name": "od_cheap_resnet", "depth": 8, "conv": "depthwise"},
    "group": {"name": "od_cheap_resnet", "depth": 8, "conv": "group", "groups": 4},
    "shift": {"name": "od_cheap_resnet", "depth": 8, "conv": "shift"},
    "line": {"name": "resnet8", "conv": "line"},
}

_WORKDIR = flags.DEFINE_string("workdir", None, "Where the four runs go.", required=True)
_EPOCHS = flags.DEFINE_integer("epochs", 40, "How long each student trains.", lower_bound=1)
_ONLY = flags.DEFINE_multi_enum("only", [], list(NETWORKS), "Only these students.")


def make_config(name):
    """Returns the config of one student, trained alone on digits."""
    from odtf.training.config import default_config, free

    config = default_config()
    config.batch_size = 64
    config.epochs = _EPOCHS.value
    config.network = free(NETWORKS[name])
    config.schedule.name = "cosine"
    config.schedule.learning_rate = 0.05
    return config


def rows_of(name, workdir, report):
    """Yields a row of the table for each exported file of a student."""
    for export in report["exports"]:
        path = workdir / export["path"]
        proof = json.loads((path.parent / "verification.json").read_text("utf-8"))
        checks = {check["check"]: check for check in proof["checks"]}
        kernels, vela, labels = checks.get("micro") or checks["kernels"], checks.get("vela"), checks.get("mediapipe")
        steps = kernels["max_difference_steps"]
        yield (
            name,
            export["target"],
            export["quantization"],
            f"{export['bytes']:,}",
            f"{export['test_top1']:.2%}",
            _said(vela, lambda check: f"{check['cycles']:,}"),
            _said(vela, lambda check: ", ".join(check["cpu_operators"]) or "none"),
            _said(labels, lambda check: "{right}/{examples}, {agreement:.0%}".format(**check)),
            f"{kernels['agreement']:.2%}",
            f"{kernels['max_difference']:.2g}" if steps is None else f"{steps} steps",
            f"{kernels['top1']:.2%}/{kernels['top1_without_xnnpack']:.2%}",
        )


def _said(check, figures):
    if check is None:
        return ""
    return figures(check) if check["passed"] else "not run"


def main(argv):
    """Trains, exports and prints."""
    del argv
    from odtf.quiet import import_tensorflow

    import_tensorflow()
    from odtf import runs
    from odtf.run_exports import export_everywhere
    from odtf.tables import table
    from odtf.training import strategy

    header = ("student", "target", "as", "bytes", "top-1", "Vela's cycles", "on the CPU", "MediaPipe right, as LiteRT")
    rows, failures = [(*header, "same without XNNPACK", "largest difference", "top-1 with/without")], []
    placement = strategy.make_placement("one", [])
    for name in _ONLY.value or NETWORKS:
        workdir = pathlib.Path(_WORKDIR.value) / name
        runs.train(make_config(name), workdir, placement)
        report, refused = export_everywhere(workdir)
        failures += [f"{name}, {target}: {error}" for target, error in refused.items()]
        failures += [f"{name}, {row['target']}: {note}" for row in report["exports"] for note in row.get("notes", ())]
        rows += rows_of(name, workdir, report)
    print("\n" + table(rows))
    for failure in failures:
        print(failure)
    return 1 if failures else 0


if __name__ == "__main__":
    app.run(main)
