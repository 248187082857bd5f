"""What can be done with the workdir of a finished run: export a peer of it."""

import pathlib
import time

from odtf import export, files
from odtf.errors import UserError
from odtf.training import build


def check_exports(config):
    """Shows that what a config wants exported at the end of training exists: before the training.

    Raises:
        UserError: on an unknown target or quantisation, or a target that does not take the quantisation.
    """
    for target in config.export.targets:
        try:
            export.find_target(target, config.export.quantization)
        except UserError as error:
            raise UserError(f"config.export: {error}") from error


def export_workdir(workdir, target, quantization=None, peer=None, folder=None):
    """Exports one peer of a finished run and adds the result to its report.json.

    Args:
        workdir: directory of the run.
        target: "soc" or "phone".
        quantization: "int8", "int16x8", "float16", "dynamic" or "float32"; None: the config's.
        peer: str, name of the peer; None: the student.
        folder: name of the directory below `export`; None: the target's name, and the peer's if one is given.

    Returns:
        The report as a dict.

    Raises:
        UserError: if the run, the peer or the combination of target and quantisation does not exist.
    """
    started = time.monotonic()
    workdir = pathlib.Path(workdir)
    config, report = build.read_config(workdir), build.read_report(workdir)
    quantization = quantization or config.export.quantization
    # Before the data are read, and before any file changes.
    export.find_target(target, quantization)
    peers = [row["name"] for row in report["peers"]]
    if peer is not None and peer not in peers:
        raise UserError(f"The run in {workdir} has the peers {', '.join(peers)}. Received: {peer!r}.")
    dataset = build.load_dataset(config)
    name, network = build.load_peer(workdir, dataset.image_shape, dataset.num_classes, peer)
    row = export.export_student(
        network,
        dataset,
        workdir / "export" / (folder or (target if peer is None else f"{target}-{name}")),
        target=target,
        quantization=quantization,
        calibration_examples=config.export.calibration_examples,
        seed=config.seed,
    )
    if name == report["student"]["name"]:
        export.save_student(network, workdir / "student.keras")
    row = {**row, "peer": name, "path": str(pathlib.Path(row["path"]).relative_to(workdir))}
    same = [old for old in report["exports"] if old["path"] == row["path"]]
    report["exports"] = [old for old in report["exports"] if old not in same] + [row]
    report["seconds"]["export"] = round(report["seconds"]["export"] + time.monotonic() - started, 1)
    files.write_json(workdir / "report.json", report)
    return report
