"""Exports a peer of a finished run as a verified TFLite file for a system-on-chip or a phone.

    odtf-export --workdir=runs/digits --target=soc
    odtf-export --workdir=runs/digits --target=phone --quantization=float16 --peer=peer_2

soc: int8 in and out, a C array beside it. phone: uint8 RGB in, probabilities out, labels in the file's metadata.
The file is run over the test split before it is called good; it lands in WORKDIR/export/TARGET and in report.json.
"""

import pathlib
import time

from absl import flags

from odtf import cli

_WORKDIR = flags.DEFINE_string("workdir", None, "A finished run of odtf-train.")
_TARGET = flags.DEFINE_enum("target", "soc", ["soc", "phone"], "What the file is for.")
_PEER = flags.DEFINE_string("peer", None, "The peer to export; the student that validation chose by default.")
_QUANTIZATION = flags.DEFINE_enum(
    "quantization",
    None,
    ["int8", "int16x8", "float16", "dynamic", "float32"],
    "Number format; the config's by default.",
)


def export_workdir(workdir, target, quantization=None, peer=None):
    """Exports one peer of a finished run and adds the result to its report.json.

    Args:
        workdir: directory of the run.
        target: "soc" or "phone".
        quantization: "int8", "int16x8", "float16", "dynamic" or "float32"; None: the config's.
        peer: str, name of the peer; None: the student.

    Returns:
        The report as a dict.

    Raises:
        UserError: if the run, the peer or the combination of target and quantisation does not exist.
    """
    from odtf import export, files
    from odtf.training import build

    started = time.monotonic()
    workdir = pathlib.Path(workdir)
    config, report = build.read_config(workdir), build.read_report(workdir)
    dataset = build.load_dataset(config)
    name, network = build.load_peer(workdir, dataset.image_shape, dataset.num_classes, peer)
    if name == report["student"]["name"]:
        export.save_student(network, workdir / "student.keras")
    row = export.export_student(
        network,
        dataset,
        workdir / "export" / target if peer is None else workdir / "export" / f"{target}-{name}",
        target=target,
        quantization=quantization or config.export.quantization,
        calibration_examples=config.export.calibration_examples,
        seed=config.seed,
    )
    row = {**row, "peer": name, "path": str(pathlib.Path(row["path"]).relative_to(workdir))}
    same = [old for old in report["exports"] if old["path"] == row["path"]]
    report["exports"] = [old for old in report["exports"] if old not in same] + [row]
    report["seconds"]["export"] = round(report["seconds"]["export"] + time.monotonic() - started, 1)
    files.write_json(workdir / "report.json", report)
    return report


def _main(argv):
    cli.no_arguments(argv)
    workdir = cli.required(_WORKDIR)
    report = export_workdir(workdir, _TARGET.value, _QUANTIZATION.value, _PEER.value)
    from odtf.training.report import render

    print(f"\n{render(report)}")


def main():
    """Entry point of `odtf-export`."""
    cli.run(_main, __doc__)


if __name__ == "__main__":
    main()
