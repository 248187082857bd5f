"""A fuzzer: damaged and strange files, records, folders, configs and flags, given to the commands as a user would.

    python -m tests.fuzz --cases=20000 --seed=1
    python -m tests.fuzz --seed=1 --only=1234 --keep=DIR
    python -m tests.fuzz --cases=1000 --kinds=records,flags

Every case is made of its seed and number alone. A child process with limits of time and memory does what it says, and
may end in one of two ways: with the right answer, which is what was recorded of a file of odtf's, or what LiteRT,
Keras, ONNX Runtime or Pillow makes of the same bytes; or with one line and status 2. At the end: a table of outcomes,
and a command that repeats each case that ended otherwise. Exit status 1 if there is one.
"""

import argparse
import collections
import concurrent.futures
import json
import pathlib
import random
import shutil
import sys
import tempfile
from typing import NamedTuple

from tests.fuzzing import kinds
from tests.fuzzing.ground import Ground
from tests.zygote import Zygote

RIGHT, REFUSED = "right", "refused in one line"
GOOD = (RIGHT, REFUSED)
# A refusal says what was received; absl's words for a flag begin with it.
_WORDS = ("Received", "error: flag --", "error: Flag --", "Unknown command line flag", "Missing value for flag")
_SECONDS = 120
_MEMORY = 6 * 2**30


class Outcome(NamedTuple):
    """How a case ended: its number, its kind, the outcome in words, the command line and what it wrote."""

    number: int
    kind: str
    outcome: str
    command: tuple
    err: str


def fuzz(zygote, ground, numbers, seed, only_kinds=(), keep=None):
    """Yields the `Outcome` of each case.

    Args:
        zygote: `Zygote`.
        ground: `Ground`.
        numbers: of the cases.
        seed: of all of them.
        only_kinds: names of kinds; empty for all.
        keep: directory for the files of cases that end otherwise, or None.
    """
    for number in numbers:
        kind, draw = kind_of(seed, number, only_kinds), draw_of(seed, number)
        folder = pathlib.Path(tempfile.mkdtemp(prefix=f"fuzz-{number}-"))
        try:
            attempt = kind(draw, ground, folder)
            outcome, err = _outcome(zygote, attempt, folder)
            if outcome not in GOOD and keep:
                shutil.copytree(
                    folder, pathlib.Path(keep, f"{seed}-{number}"), symlinks=True, ignore=_pipes, dirs_exist_ok=True
                )
        finally:
            shutil.rmtree(folder)
        yield Outcome(number, kind.__name__, outcome, (attempt.program, *attempt.arguments), err)


def draw_of(seed, number):
    """Returns the `random.Random` of a case."""
    return random.Random(f"{seed} {number}")


def kind_of(seed, number, only_kinds=()):
    """Returns the kind of a case, one of `kinds.KINDS`."""
    chosen = {kind: weight for kind, weight in kinds.KINDS.items() if not only_kinds or kind.__name__ in only_kinds}
    return random.Random(f"{seed} {number} kind").choices(list(chosen), list(chosen.values()))[0]


def _pipes(folder, names):
    """Names of what cannot be copied."""
    return [name for name in names if pathlib.Path(folder, name).is_fifo()]


def _outcome(zygote, attempt, folder):
    """Returns the outcome in words, and what was written to standard error."""
    options = {"seconds": _SECONDS, "memory": _MEMORY, "environment": {"TMPDIR": str(folder)}}
    status, out, err = zygote.run(attempt.program, *attempt.arguments, **options)
    outcome = judged(attempt.program, status, err)
    if outcome == RIGHT:
        outcome = _checked(zygote, attempt, out, options)
    return outcome, err


def judged(program, status, err):
    """Returns in words how a child ended, by its status and its standard error."""
    lines = [line for line in err.splitlines() if not line.startswith("warning: ")]
    if status < 0:
        return "hang" if status == -14 else f"signal {-status}"
    if "readers.Wrong" in err:
        return f"wrong in silence: {lines[-1]}"
    if "Traceback" in err:
        return f"traceback: {lines[-1].partition(':')[0]}"
    if status == 2:
        one = len(lines) == 1 and lines[0].startswith(f"{program}: error: ")
        return REFUSED if one and any(words in lines[0] for words in _WORDS) else "refused in other words"
    return RIGHT if status == 0 else f"status {status}"


def _checked(zygote, attempt, out, options):
    """Returns `RIGHT` if a success is what it should be."""
    if attempt.refused:
        return "wrong in silence: it was to be refused"
    last = out.splitlines()[-1] if out.strip() else ""
    if attempt.answer is not None and last != attempt.answer:
        return "wrong in silence: another answer"
    if attempt.oracle:
        program, arguments = attempt.oracle
        status, _, err = zygote.run(program, *arguments, **options)
        return RIGHT if status == 0 else f"wrong in silence: {(err.splitlines() or [f'status {status}'])[-1]}"
    if attempt.same_as:
        one, other = (_without_times(json.loads(path.read_text())) for path in attempt.same_as)
        return RIGHT if one == other else "wrong in silence: another report"
    return RIGHT


def _without_times(report):
    """A report but for what another moment, or no export, may change."""
    return {key: value for key, value in report.items() if key not in ("seconds", "exports", "digest", "config")}


def table(outcomes):
    """Returns the table of outcomes, kind by kind, as text."""
    counts = collections.Counter((outcome.kind, outcome.outcome) for outcome in outcomes)
    rows = [f"{kind:12} {count:7,}  {text}" for (kind, text), count in sorted(counts.items())]
    return "\n".join([f"{len(outcomes):,} cases", *rows])


def _one_job(job, numbers, folder, options):
    with Zygote() as zygote:
        ground = Ground(zygote, pathlib.Path(folder, f"ground-{job}"))
        found = []
        for outcome in fuzz(zygote, ground, numbers, options.seed, options.kinds, options.keep):
            found.append(outcome)
            if outcome.outcome not in GOOD:
                print(f"{outcome.number} {outcome.kind}: {outcome.outcome}: {outcome.err.strip()[-300:]}", flush=True)
        return found


def _options():
    # Not absl's flags: modules that a test imports have no flags, which all share.
    parser = argparse.ArgumentParser("fuzz", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=300, help="how many cases")
    parser.add_argument("--seed", type=int, default=0, help="of all of them")
    parser.add_argument("--kinds", type=lambda text: text.split(","), default=[], help="kinds of cases; all by default")
    parser.add_argument("--only", type=int, help="the number of one case, to repeat it")
    parser.add_argument("--keep", help="where the files of cases that end otherwise are kept")
    parser.add_argument("--ground", help="where what is mutated is made, once; a temporary directory by default")
    parser.add_argument("--jobs", type=int, default=2, help="cases at the same time")
    return parser.parse_args()


def main():
    """Runs the cases and prints the table."""
    options = _options()
    numbers = range(options.cases) if options.only is None else [options.only]
    jobs = min(options.jobs, len(numbers))
    with tempfile.TemporaryDirectory() as folder, concurrent.futures.ThreadPoolExecutor(jobs) as threads:
        where = options.ground or folder
        parts = threads.map(lambda job: _one_job(job, numbers[job::jobs], where, options), range(jobs))
        outcomes = [outcome for part in parts for outcome in part]
    print(table(outcomes))
    bad = [outcome for outcome in outcomes if outcome.outcome not in GOOD]
    for outcome in sorted(bad):
        kinds_given = f" --kinds={','.join(options.kinds)}" if options.kinds else ""
        print(f"python -m tests.fuzz --seed={options.seed} --only={outcome.number}{kinds_given}  # {outcome.outcome}")
        if options.only is not None:
            print(*map(repr, outcome.command), outcome.err, sep="\n")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
