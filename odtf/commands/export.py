"""Exports a peer of a finished run, or any Keras model, as verified TFLite files for the devices that it is to run on.

    odtf-export --workdir=runs/digits --target=all
    odtf-export --workdir=runs/digits --target=soc
    odtf-export --workdir=runs/digits --target=phone --quantization=float16 --peer=peer_2
    odtf-export --workdir=runs/oem --budget=bytes=64K,cycles=250K,macs=8e6,latency_us=150
    odtf-export --model=FILE.keras --data=folder:photos --labels=labels.txt --pixels=-1..1 --target=all --output=DIR

soc (TFLite Micro and Ethos-U alike), micro, ethos-u55 and ethos-u65 (compiled by Vela as well): int8 in and out, a C
array beside it. phone and phone-gpu: RGB in, probabilities out, labels in the file's metadata. The file is run over the
validation and test splits, and given to the target's own tools where they are installed, before it is called good; it
lands in WORKDIR/export/TARGET with its model card and verification report, and in report.json.

all: each of them. A target that cannot take the network is named with the reason, the others are written, and the exit
status is 2.

--budget measures every peer in every quantisation that the target takes, once, and exports the one whose file is best
on validation within all limits. All of them: WORKDIR/export/candidates.json, .md and .png.

--model takes a .keras file with one image of a fixed size for input and one output, which nobody need trust: no code
of it is run. The data calibrate and judge it, and its files land in DIR/TARGET. --labels says for which class each
output stands, --pixels (or --mean and --std) what the model takes; where neither a flag nor the file says it, it is
refused.
"""

import pathlib

from absl import flags

from odtf import files, names, runs, tasks
from odtf.candidates import budget
from odtf.commands import cli
from odtf.errors import UserError
from odtf.evaluation import pixels as pixels_lib
from odtf.quiet import import_tensorflow
from odtf.targets import QUANTIZATIONS, TARGETS

_WORKDIR = flags.DEFINE_string("workdir", None, "A finished run of odtf-train.")
_TARGET = cli.define_choice("target", "soc", [*TARGETS, "all"], "What the file is for.")
_PEER = flags.DEFINE_string("peer", None, "The peer to export; the student that validation chose by default.")
_QUANTIZATION = flags.DEFINE_enum(
    "quantization",
    None,
    QUANTIZATIONS,
    "Number format; the config's by default, and with --target=all a target's usual one where it does not take this.",
)
_BUDGET = flags.DEFINE_string(
    "budget",
    None,
    f"NAME=NUMBER,... with {', '.join(budget.QUANTITIES)}: choose peer and quantisation within these limits.",
)
_ALLOW_CODE = cli.define_allow_code("the workdir")
_MODEL = flags.DEFINE_string("model", None, "In place of --workdir: a .keras file, or the student.keras of a run.")
_OUTPUT = flags.DEFINE_string("output", None, "With --model: directory of the files.")
_DATA = flags.DEFINE_string("data", None, f"With --model: {names.data_sets()}.")
_OF_MODEL = [
    flags.DEFINE_string("labels", None, "With --model: text file, one a line, what each output stands for."),
    flags.DEFINE_string("data_dir", None, "With --model: where TFDS prepared the set."),
    flags.DEFINE_float(
        "validation_fraction", 0.1, "With --model: of the training images, where data have no such split."
    ),
    flags.DEFINE_integer("calibration_examples", 256, "With --model: training images for the ranges.", lower_bound=1),
    flags.DEFINE_integer("seed", 0, "With --model: of the validation split and the choice of those images."),
]
_TASK = flags.DEFINE_string("task", "classification", f"With --model: {names.listed(names.tasks())}.")
_PIXELS = flags.DEFINE_enum("pixels", None, ["0..255", "0..1", "-1..1"], "With --model: what pixels become for it.")
_MEAN = flags.DEFINE_list("mean", None, "In place of --pixels: mean per channel of pixels scaled to [0, 1].")
_STD = flags.DEFINE_list("std", None, "With --mean: deviation per channel of pixels scaled to [0, 1].")


def _main(argv):
    cli.no_arguments(argv)
    if _MODEL.value is not None:
        _export_model(_MODEL.value)
        return
    for flag in (_OUTPUT, _DATA, *_OF_MODEL, _TASK, _PIXELS, _MEAN, _STD):
        if flag.present:
            raise UserError(
                f"--{flag.name} goes with --model; a run has its own. Received: --{flag.name}={flag.value}."
            )
    workdir, limits = cli.required(_WORKDIR), _limits()
    # Before the seconds that importing TensorFlow takes.
    runs.Run(workdir, _ALLOW_CODE.value)
    import_tensorflow()
    from odtf.training.report import render

    if limits:
        from odtf.candidates.choose import export_within

        report = export_within(workdir, _TARGET.value, limits, allow_code=_ALLOW_CODE.value)
    elif _TARGET.value == "all":
        _export_everywhere(workdir)
        return
    else:
        from odtf.run_exports import export_workdir

        options = _TARGET.value, _QUANTIZATION.value, _PEER.value
        report = export_workdir(workdir, *options, allow_code=_ALLOW_CODE.value)
    print(f"\n{render(report)}")


def _export_everywhere(workdir):
    from odtf.run_exports import export_everywhere
    from odtf.training.report import render

    report, refused = export_everywhere(workdir, _QUANTIZATION.value, _PEER.value, _ALLOW_CODE.value)
    print(f"\n{render(report)}")
    _print_notes(report["exports"], refused)


def _export_model(path):
    """The same for a model: reads the flags, and calls `odtf.model_exports.export_model`."""
    for flag in (_WORKDIR, _PEER):
        if flag.value is not None:
            raise UserError(f"--model is no run: leave --{flag.name} out. Received: --{flag.name}={flag.value}.")
    data, output, limits = cli.required(_DATA), cli.required(_OUTPUT), _limits()
    pixels = pixels_lib.from_flags(_PIXELS.value, _MEAN.value, _STD.value)
    if pixels and _PIXELS.value is None:
        pixels = [float(value) for value in _MEAN.value], [float(value) for value in _STD.value]
    for flag, name in (("model", path), ("labels", _OF_MODEL[0].value)):
        if name is not None and not pathlib.Path(name).is_file():
            raise UserError(f"--{flag} is a file. Received: --{flag}={name}, which is none.")
    files.check_directory(output)
    tasks.check(_TASK.value)
    # All of the above before the seconds that importing TensorFlow takes.
    import_tensorflow()
    from odtf.model_exports import export_model
    from odtf.training.report import render_exports, task_row

    task = tasks.find(_TASK.value)()
    rows, refused = export_model(
        path,
        data,
        output,
        target=_TARGET.value,
        quantization=_QUANTIZATION.value,
        budget=limits and _BUDGET.value,
        pixels=_PIXELS.value or pixels,
        task=task,
        **{flag.name: flag.value for flag in _OF_MODEL},
    )
    described = task_row(task)
    if rows:
        metric = {**described, "name": described["metric"]}
        print(f"\n{render_exports(rows, metric, described['agreement'])}")
    _print_notes(rows, refused)


def _print_notes(rows, refused):
    """Prints what the tools said, and what the targets said that refuse; then that is an error."""
    for row in rows:
        if compiled := row.get("vela"):
            print(f"{row['target']}: {compiled['cycles']:,} cycles, {compiled['sram_bytes']:,} bytes of SRAM by Vela.")
        for note in row.get("notes", ()):
            print(f"{row['target']}: {note}.")
    for target, error in refused.items():
        print(f"{target}: refused. {error}")
    if refused:
        others = "; the others are written" if len(refused) < len(TARGETS) else ""
        raise UserError(
            f"{len(refused)} of {len(TARGETS)} targets have no new file, for the reasons above{others}. "
            f"Received: {', '.join(refused)}."
        )


def _limits():
    if _BUDGET.value is None:
        return None
    if _TARGET.value == "all":
        raise UserError("--budget chooses for one target. Received: --target=all.")
    for flag in (_PEER, _QUANTIZATION):
        if flag.value is not None:
            raise UserError(f"--budget chooses the {flag.name} itself. Received: --{flag.name}={flag.value}.")
    return budget.parse(_BUDGET.value)


def main():
    """Entry point of `odtf-export`."""
    cli.run(_main, __doc__)


if __name__ == "__main__":
    main()
