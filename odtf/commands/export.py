"""Exports a peer of a finished run, or any Keras model, as verified TFLite files for the devices that it is to run on.

    odtf-export --workdir=runs/digits --target=all
    odtf-export --workdir=runs/digits --target=soc
    odtf-export --workdir=runs/digits --target=phone --quantization=float16 --peer=peer_2
    odtf-export --workdir=runs/oem --budget=bytes=64K,cycles=250K,macs=8e6,latency_us=150
    odtf-export --model=FILE.keras --data=folder:photos --labels=labels.txt --pixels=-1..1 --target=all --output=DIR

soc (TFLite Micro and Ethos-U alike), micro, ethos-u55 and ethos-u65 (compiled by Vela as well): int8 in and out, a C
array beside it. phone and phone-gpu: RGB in, probabilities out, labels in the file's metadata. web: the phone's file
and a page that shows it at work in a browser; `npm install` there, or --web_library, completes it. The file is run over
the validation and test splits, and given to the target's own tools where they are installed, before it is called good;
it lands in WORKDIR/export/TARGET with its model card and verification report, and in report.json.

all: each of them. A target that cannot take the network is named with the reason, the others are written, and the exit
status is 2.

--budget measures every peer in every quantisation that the target takes, once, and exports the one whose file is best
on validation within all limits. All of them: WORKDIR/export/candidates.json, .md and .png; of a model, in DIR.

--model takes a .keras file with one image of a fixed size for input and one output, which nobody need trust: no code
of it is run. The data calibrate and judge it, and its files land in DIR/TARGET. --labels says for which class each
output stands, --pixels (or --mean and --std) what the model takes; where neither a flag nor the file says it, it is
refused.
"""

from absl import flags

from odtf import paths, runs, workdir_lock
from odtf.candidates import budget
from odtf.commands import cli
from odtf.commands.model_flags import ModelFlags
from odtf.errors import UserError
from odtf.quiet import import_tensorflow
from odtf.targets import QUANTIZATIONS, TARGETS
from odtf.targets.web_packages import find_web_library

_WORKDIR = flags.DEFINE_string("workdir", None, "A finished run of odtf-train.")
_TARGET = cli.define_choice("target", "soc", [*TARGETS, "all"], "What the file is for.")
_PEER = flags.DEFINE_string(
    "peer",
    None,
    "The peer to export; the student that validation chose by default. The teacher of OD-cheap, OEM and MCOD: teacher.",
)
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
_WEB_LIBRARY = flags.DEFINE_string(
    "web_library",
    None,
    "Folder in which `npm install @litertjs/core` was run: what a page needs of it is copied beside it.",
)
_ALLOW_CODE = cli.define_allow_code("the workdir")
_OF_MODEL = ModelFlags([_WORKDIR, _PEER, _ALLOW_CODE])


def _main(argv):
    cli.no_arguments(argv)
    _check_library()
    if _OF_MODEL.are_given:
        _export_model()
        return
    _OF_MODEL.refuse()
    workdir, limits = cli.required(_WORKDIR), _limits()
    # Before the seconds that importing TensorFlow takes.
    runs.Run(workdir, _ALLOW_CODE.value)
    workdir_lock.check(workdir)
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
    _add_library(report["exports"], workdir, workdir)
    print(f"\n{render(report)}")


def _export_everywhere(workdir):
    from odtf.run_exports import export_everywhere
    from odtf.training.report import render

    report, refused = export_everywhere(workdir, _QUANTIZATION.value, _PEER.value, _ALLOW_CODE.value)
    _add_library(report["exports"], workdir, workdir)
    print(f"\n{render(report)}")
    _print_notes(report["exports"], refused)


def _export_model():
    _OF_MODEL.check()
    limits = _limits()
    import_tensorflow()
    from odtf.model_exports import export_model
    from odtf.training.report import metric_of, render_exports, task_row

    options = {"target": _TARGET.value, "quantization": _QUANTIZATION.value, "budget": limits and _BUDGET.value}
    arguments = _OF_MODEL.arguments()
    rows, refused = export_model(**arguments, **options)
    _add_library(rows, arguments["output"], ".")
    if rows:
        report = {"task": task_row(arguments["task"])}
        print(f"\n{render_exports(rows, metric_of(report), report['task']['agreement'])}")
    _print_notes(rows, refused)


def _check_library():
    """Refuses a library that is not there, or for which no page is written: before the work begins."""
    if _WEB_LIBRARY.value is None:
        return
    if _TARGET.value not in ("all", *(target.name for target in TARGETS.values() if target.page)):
        raise UserError(f"--web_library is for a web page, --target=web or all. Received: --target={_TARGET.value}.")
    find_web_library(_WEB_LIBRARY.value)


def _add_library(rows, place, base):
    """Brings the library beside the pages of some rows in the directory `place`; their paths are relative to `base`."""
    if _WEB_LIBRARY.value is None:
        return
    from odtf.export import add_web_library

    with workdir_lock.writing(place):
        for folder in {(paths.at(base) / row["path"]).parent for row in rows}:
            if (folder / "index.html").exists():
                add_web_library(folder, _WEB_LIBRARY.value)


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
