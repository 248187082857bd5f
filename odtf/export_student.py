"""Exports a peer of a finished run as a verified TFLite file for a system-on-chip or a phone.

    odtf-export --workdir=runs/digits --target=soc
    odtf-export --workdir=runs/digits --target=phone --quantization=float16 --peer=peer_2
    odtf-export --workdir=runs/oem --budget=bytes=64K,cycles=250K,macs=8e6,latency_us=150

soc: int8 in and out, a C array beside it. phone: uint8 RGB in, probabilities out, labels in the file's metadata.
The file is run over the test split before it is called good; it lands in WORKDIR/export/TARGET and in report.json.

--budget measures every peer in every quantisation that the target takes, once, and exports the one whose file is best
on validation within all limits. All of them: WORKDIR/export/candidates.json, .md and .png.
"""

from absl import flags

from odtf import budget, cli
from odtf.errors import UserError
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
_BUDGET = flags.DEFINE_string(
    "budget",
    None,
    f"NAME=NUMBER,... with {', '.join(budget.METRICS)}: choose peer and quantisation within these limits.",
)


def _main(argv):
    cli.no_arguments(argv)
    workdir, limits = cli.required(_WORKDIR), _limits()
    # Before the seconds that importing TensorFlow takes.
    records.read_config(workdir)
    records.read_report(workdir)
    cli.import_tensorflow()
    from odtf.training.report import render

    if limits:
        from odtf.candidates import export_within

        report = export_within(workdir, _TARGET.value, limits)
    else:
        from odtf.workdir import export_workdir

        report = export_workdir(workdir, _TARGET.value, _QUANTIZATION.value, _PEER.value)
    print(f"\n{render(report)}")


def _limits():
    if _BUDGET.value is None:
        return None
    for flag in (_PEER, _QUANTIZATION):
        if flag.value is not None:
            raise UserError(f"--budget chooses the {flag.name} itself. Received: --{flag.name}={flag.value}.")
    return budget.parse(_BUDGET.value)


def main():
    """Entry point of `odtf-export`."""
    cli.run(_main, __doc__)


if __name__ == "__main__":
    main()
