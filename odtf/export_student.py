"""Exports a peer of a finished run as a verified TFLite file for a system-on-chip or a phone.

    odtf-export --workdir=runs/digits --target=soc
    odtf-export --workdir=runs/digits --target=phone --quantization=float16 --peer=peer_2

soc: int8 in and out, a C array beside it. phone: uint8 RGB in, probabilities out, labels in the file's metadata.
The file is run over the test split before it is called good; it lands in WORKDIR/export/TARGET and in report.json.
"""

from absl import flags

from odtf import cli
from odtf.training import records

_WORKDIR = flags.DEFINE_string("workdir", None, "A finished run of odtf-train.")
_TARGET = flags.DEFINE_enum("target", "soc", ["soc", "phone"], "What the file is for.")
_PEER = flags.DEFINE_string("peer", None, "The peer to export; the student that validation chose by default.")
_QUANTIZATION = flags.DEFINE_enum(
    "quantization",
    None,
    ["int8", "int16x8", "float16", "dynamic", "float32"],
    "Number format; the config's by default.",
)


def _main(argv):
    cli.no_arguments(argv)
    workdir = cli.required(_WORKDIR)
    # Before the seconds that importing TensorFlow takes.
    records.read_config(workdir)
    records.read_report(workdir)
    cli.import_tensorflow()
    from odtf.training.report import render
    from odtf.workdir import export_workdir

    report = export_workdir(workdir, _TARGET.value, _QUANTIZATION.value, _PEER.value)

    print(f"\n{render(report)}")


def main():
    """Entry point of `odtf-export`."""
    cli.run(_main, __doc__)


if __name__ == "__main__":
    main()
