"""Makes one HTML page of a run, or of a comparison, that needs no network: to look at, to keep and to send.

    odtf-report --workdir=runs/digits
    odtf-report --workdir=runs/photos --split=validation --max_examples=2000 --out=photos.html
    odtf-report --json=compare.json

Of a run: every network's curves and terms of the loss, what the student answers on the images of a split (what its task
has to show of that), sizes, files with their memory, cycles and latencies, candidates for a budget, seed, command,
environment and config. odtf-train writes the page at its end, as WORKDIR/report.html; an export after it is on the page
when it is made again. Of a comparison: gains, values, and what each run got for them, beside its JSON.

Figures need matplotlib. Where the data are not there any more, --max_examples=0 makes the page of the records alone.
"""

from absl import flags

from odtf import files, paths
from odtf.commands import cli
from odtf.errors import UserError

_WORKDIR = flags.DEFINE_string("workdir", None, "Directory of a finished run.")
_JSON = flags.DEFINE_string("json", None, "In its place: what odtf-compare --json wrote.")
_OUT = flags.DEFINE_string("out", None, "The page; by default WORKDIR/report.html, or beside the JSON.")
_SPLIT = flags.DEFINE_enum("split", "test", ["train", "validation", "test"], "The images that the student is shown on.")
_MAX_EXAMPLES = flags.DEFINE_integer(
    "max_examples", 10_000, "A seeded choice of at most so many of them; 0: none, and no data are read.", lower_bound=0
)
_ALLOW_CODE = cli.define_allow_code("the workdir")


def _main(argv):
    cli.no_arguments(argv)
    if (_WORKDIR.value is None) == (_JSON.value is None):
        received = "nothing" if _WORKDIR.value is None else "both"
        raise UserError(f"odtf-report takes --workdir, a run, or --json, a comparison. Received: {received}.")
    if _JSON.value is not None:
        path = paths.at(_OUT.value or paths.at(_JSON.value).with_suffix(".html"))
        files.check_file(path, "out")
        from odtf.compare import comparison_record
        from odtf.page import comparison_page

        print(comparison_page.write(comparison_record.read(_JSON.value), path))
        return
    workdir = cli.required(_WORKDIR)
    from odtf.runs import Run

    run = Run(workdir, _ALLOW_CODE.value)
    path = paths.at(_OUT.value or run.workdir / "report.html")
    files.check_file(path, "out")
    from odtf.page import run_page
    from odtf.quiet import import_tensorflow

    if _MAX_EXAMPLES.value:
        import_tensorflow()
    print(run_page.write(run, path, split=_SPLIT.value, max_examples=_MAX_EXAMPLES.value))


def main():
    """Entry point of `odtf-report`."""
    cli.run(_main, __doc__)


if __name__ == "__main__":
    main()
