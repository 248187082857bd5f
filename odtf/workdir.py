"""What can be done with the workdir of a finished run: export a peer of it."""

import pathlib
import time

from odtf import export, files, models
from odtf.errors import UserError
from odtf.training import cohorts


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
    """Exports one peer of a finished run for one target and adds the result to its report.json.

    Args:
        workdir: directory of the run.
        target: name of a target.
        quantization: "int8", "int16x8", "float16", "dynamic" or "float32"; None: the config's.
        peer: str, name of the peer; None: the student.
        folder: name of the directory below `export`; None: the target's name, and the peer's if one is given.

    Returns:
        The report as a dict.

    Raises:
        UserError: if the run, the peer or the combination of target and quantisation does not exist, or the target
            cannot take the network.
    """
    workdir = pathlib.Path(workdir)
    quantization = quantization or cohorts.read_config(workdir).export.quantization
    # Before the data are read, and before any file changes.
    export.find_target(target, quantization)
    report, refused = _export(workdir, {target: quantization}, peer, folder)
    if refused:
        raise refused[target]
    return report


def export_everywhere(workdir, quantization=None, peer=None):
    """Exports one peer of a finished run for every target, and adds the results to its report.json.

    Args:
        workdir: directory of the run.
        quantization: for the targets that take it, the others get the one that is usual there; None: the config's.
        peer: str, name of the peer; None: the student.

    Returns:
        (report, refused): the report as a dict, and a dict from the name of a target that cannot take the network to
        the `UserError` that says why; what stood in its folder before stays.

    Raises:
        UserError: if the run or the peer does not exist.
    """
    workdir = pathlib.Path(workdir)
    quantization = quantization or cohorts.read_config(workdir).export.quantization
    chosen = {
        name: quantization if quantization in target.tensors else next(iter(target.tensors))
        for name, target in export.TARGETS.items()
    }
    return _export(workdir, chosen, peer)


def _export(workdir, chosen, peer, folder=None):
    """Exports for every target in `chosen`, a dict from its name to the quantisation."""
    started = time.monotonic()
    config, report = cohorts.read_config(workdir), cohorts.read_report(workdir)
    peers = [row["name"] for row in report["peers"]]
    if peer is not None and peer not in peers:
        raise UserError(f"The run in {workdir} has the peers {', '.join(peers)}. Received: {peer!r}.")
    dataset = cohorts.load_dataset(config)
    name, network = cohorts.load_peer(workdir, dataset.image_shape, dataset.num_classes, peer)
    memory, refused = {}, {}
    for target, quantization in chosen.items():
        try:
            row = export.export_student(
                network,
                dataset,
                workdir / "export" / (folder or (target if peer is None else f"{target}-{name}")),
                target=target,
                quantization=quantization,
                calibration_examples=config.export.calibration_examples,
                seed=config.seed,
                about=_about(config, report, name, network),
                memory=memory,
            )
        except UserError as error:
            refused[target] = error
            continue
        row = {**row, "peer": name, "path": str(pathlib.Path(row["path"]).relative_to(workdir))}
        same = [old for old in report["exports"] if old["path"] == row["path"]]
        report["exports"] = [old for old in report["exports"] if old not in same] + [row]
    if len(refused) < len(chosen):
        if name == report["student"]["name"]:
            export.save_student(network, workdir / "student.keras")
        report["seconds"]["export"] = round(report["seconds"]["export"] + time.monotonic() - started, 1)
        files.write_json(workdir / "report.json", report)
    return report, refused


def _network_of(config, name):
    """What a config says of the network that has a name in the cohort."""
    kind, _, index = name.partition("_")
    if kind == "peer" and config.method.get("networks"):
        return config.method.networks[int(index)]
    if kind == "assistant":
        return config.method.assistant_networks[int(index) - 1]
    return config.method.get(f"{name}_network", config.network)


def _about(config, report, name, network):
    """What the model card says of a peer and its training."""
    peer = next(row for row in report["peers"] if row["name"] == name)
    network_config = _network_of(config, name)
    spec = ", ".join(f"{key}={value}" for key, value in network_config.items() if key != "name")
    alone = len(report["peers"]) == 1
    chosen = f"weights of epoch {report['student']['epoch']}, which validation chose"
    training = {
        "method": f"{report['method']}, " + ("alone" if alone else f"one of {len(report['peers'])} networks together"),
        "network": f"{network_config['name']}, {spec}",
        "data": f"{report['dataset']}, labels of the training split",
        "seed": config.seed,
        "epochs": f"{config.epochs}; {chosen}",
        "batch size": config.batch_size,
    }
    if config.quantization.aware:
        training["quantisation"] = "int8 in training: the ranges of activations are those that it learned"
    size = models.cost(network, deployed=True)
    cost = f"{size.params:,} parameters, {size.macs:,} multiply-accumulates an image"
    cost += f", at least {size.activation_bytes:,} values of activations alive at once"
    return {"name": peer["name"], "training": training, "cost": cost}
