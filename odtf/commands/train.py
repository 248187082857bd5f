"""Trains a cohort of cheap networks with its online teacher, chooses the student, exports it.

    odtf-train --config=digits --workdir=runs/digits
    odtf-train --config=cifar10_od:block=depthwise,depth=20 --workdir=DIR --config.data.data_dir=DATA

The config is one of those that `odtf list configs` shows, or a Python file, FILE.py; what follows the colon goes to its
get_config, and --config.KEY=VALUE changes any key of what it returns. --config=NAME --help prints what it is, and its
keys. Ctrl-C and SIGTERM save first; the same command on the same workdir goes on where it stopped.

With config.compare.alone (the config `gain`, or folder:compare=True) the network of the student is trained alone too,
in WORKDIR/alone, for as many epochs, and the difference is printed.

In the workdir: config.json, data.json (what it learns from), log.jsonl, tensorboard/, checkpoints/, chosen/ (weights
that validation chose), report.json, report.html (all of it to look at; odtf-report makes it anew), launches.json (by
which commands, and on what), student.keras and export/.
"""

import contextlib
import os

from absl import flags

from odtf import names, runs, workdir_lock
from odtf.commands import cli
from odtf.errors import UserError
from odtf.quiet import import_tensorflow
from odtf.targets import TARGETS
from odtf.training import config_checks, config_file

_CONFIG = config_file.define(
    "config", "The experiment: NAME of `odtf list configs`, or FILE.py; with arguments, NAME:key=value,..."
)
_WORKDIR = flags.DEFINE_string("workdir", None, "Where everything of this run goes; made if needed.")
_STRATEGY = flags.DEFINE_enum(
    "strategy", "one", ["one", "mirrored", "multiworker"], "One device, several of this machine, or several machines."
)
_ALLOW_CODE = cli.define_allow_code("config.method.teacher_workdir, or a SavedModel as config.method.teacher,")
_DOWNLOAD = cli.define_download()
_REPORT = flags.DEFINE_bool("report", True, "Whether the page of the run, report.html, is made at the end.")
_DEVICES = flags.DEFINE_list("devices", [], "Devices such as GPU:0,GPU:1 or CPU:0,CPU:1; all GPUs by default.")


def _main(argv):
    cli.no_arguments(argv)
    config = cli.required(_CONFIG)
    workdir = cli.required(_WORKDIR)
    # Before the seconds that importing TensorFlow takes.
    config_checks.check(config)
    if _DOWNLOAD.value and _STRATEGY.value == "multiworker":
        raise UserError(
            "All workers would download the data: prepare them by odtf.data.download. Received: --download."
        )
    runs.check_claim(workdir, config)
    if _STRATEGY.value != "multiworker":  # Of workers the chief alone writes.
        workdir_lock.check(workdir)
    import_tensorflow()
    from odtf.run_exports import check_exports
    from odtf.training import strategy

    check_exports(config)
    placement = strategy.make_placement(_STRATEGY.value, _DEVICES.value)
    with workdir_lock.writing(workdir) if placement.is_chief else contextlib.nullcontext():
        _train(config, workdir, placement)


def _train(config, workdir, placement):
    """Trains, exports what the config names, and does the same with its network alone where that is asked for."""
    from odtf.compare import beside
    from odtf.training import config_data

    beside.check(config, placement)
    allowed = _ALLOW_CODE.value or runs.own_names(config)
    with config_data.one_data_set():
        report = _train_and_export(config, workdir, placement, allowed)
        if placement.is_chief:
            _show(report, config, workdir, placement, allowed)


def _show(report, config, workdir, placement, allowed):
    """Prints the result and makes the page; trains the network alone where that is asked for."""
    from odtf.compare import beside
    from odtf.run_exports import export_workdir
    from odtf.training.report import render

    print(f"\n{render(report)}\n\nAll of it: {os.path.join(workdir, 'report.json')}")
    if _REPORT.value:
        _write_page(workdir, allowed)
    if config.compare.alone:
        alone = beside.train(workdir, placement, export_workdir, allowed)
        print(f"\n{beside.render(runs.Run(workdir, allowed), alone, config.compare.recorded)}")


def _train_and_export(config, workdir, placement, allowed):
    """Returns the report of the run."""
    from odtf.run_exports import export_workdir
    from odtf.training import strategy

    try:
        report = runs.train(config, workdir, placement, _ALLOW_CODE.value, _DOWNLOAD.value)
    except strategy.WORKER_LOST as error:
        raise strategy.worker_lost(error, placement) from error
    for target in config.export.targets if placement.is_chief else ():
        report = export_workdir(workdir, target, config.export.quantization, allow_code=allowed)
    return report


def _write_page(workdir, allowed):
    """Writes the page; the run is finished, and no failure of its picture is one of the training."""
    from odtf.page import run_page

    try:
        print(f"To look at: {run_page.write(runs.Run(workdir, allowed), run_page.default_path(workdir))}")
    except UserError as error:
        print(f"warning: there is no page to look at: {error}")


def main():
    """Entry point of `odtf-train`."""
    cli.run(_main, __doc__, lambda: names.in_configs(TARGETS), config_file.explain)


if __name__ == "__main__":
    main()
