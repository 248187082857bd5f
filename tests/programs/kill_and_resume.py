"""Ends commands at random moments, gives each again, and compares what there is then with what an undisturbed one left.

    python tests/programs/kill_and_resume.py --kills=20
    python tests/programs/kill_and_resume.py --commands=export,finetune --kills=5 --seed=1

Each end is a SIGKILL, a SIGTERM or a SIGINT. Of odtf-train the final weights and the optimizer's are compared bit by
bit, of odtf-export --target=all, odtf-compare and odtf-finetune all rows (latency and seconds left out), and of all of
them which files there are, and that no process goes on. A command that ended before its time was up begins in a new
directory. Exit status 0 if all is equal.
"""

import argparse
import json
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from typing import NamedTuple

import numpy as np

_COMMANDS = ("train", "export", "compare", "finetune")

ROOT = pathlib.Path(__file__).resolve().parents[2]
_SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
# What another moment changes.
_OF_ITS_TIME = ("seconds", "latency", "speed", "digest", "date")
_OVERRIDES = ("deterministic=True", "checkpoint.every_steps=7", "export.targets=()")


class Work(NamedTuple):
    """A command in a directory.

    Attributes:
        name: "train", "export", "compare" or "finetune".
        epochs: of its training.
        base: a finished run, a copy of which is what an export or a fine-tuning begins with; None for the others.
    """

    name: str
    epochs: int
    base: pathlib.Path | None = None

    @property
    def settles(self):
        """Seconds in which children end behind their parent."""
        return 1.0

    def begun(self, folder):
        """Makes the directory as it is before the first command."""
        folder.mkdir()
        if self.base is not None:
            shutil.copytree(self.base, folder / "run")

    def command(self, folder):
        """The command line in that directory."""
        workdir, config = f"--workdir={folder / 'run'}", f"{ROOT / 'configs/digits.py'}:epochs={self.epochs},peers=2"
        arguments = {
            "train": (f"--config={config}", workdir, *(f"--config.{text}" for text in _OVERRIDES)),
            "export": (workdir, "--target=all"),
            "compare": (
                *(f"--config={config}", workdir, f"--json={folder / 'figures.json'}", "--seeds=1"),
                *(f"--override={text}" for text in _OVERRIDES),
            ),
            "finetune": (workdir, "--mode=qat", "--epochs=2"),
        }[self.name]
        return [sys.executable, "-m", f"odtf.commands.{self.name}", *arguments]

    def start(self, folder):
        """Starts it; hears Ctrl-C, which is ignored where this program runs in a shell's background."""
        return subprocess.Popen(
            self.command(folder),
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    def left(self, folder):
        """What it has left: a dict from the paths of files to what they say, or None where they are no records."""
        names = (str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
        left = dict.fromkeys(name for name in names if "tensorboard" not in name)  # Whose names have the time in them.
        for name in left:
            if name.endswith(("report.json", "figures.json")):
                left[name] = json.dumps(
                    _timeless(json.loads((folder / name).read_text("utf-8")), folder), sort_keys=True
                )
        return left


def _timeless(value, folder):
    """What JSON holds, without what another moment or another directory changes."""
    if isinstance(value, dict):
        kept = {key: inner for key, inner in value.items() if not any(word in key for word in _OF_ITS_TIME)}
        return {key: _timeless(inner, folder) for key, inner in kept.items()}
    if isinstance(value, list):
        return [_timeless(inner, folder) for inner in value]
    return value.replace(str(folder), "FOLDER") if isinstance(value, str) else value


def final_weights(workdir):
    """Returns name -> array of the newest checkpoint: every variable of the method and the optimizer."""
    import tensorflow as tf

    newest = max((workdir / "checkpoints").glob("step-*"), key=lambda path: int(path.name.removeprefix("step-")))
    reader = tf.train.load_checkpoint(str(newest / "variables"))
    names = [name for name in reader.get_variable_to_shape_map() if "OBJECT_GRAPH" not in name]
    return {name: reader.get_tensor(name) for name in names}


def differences(work, quiet, killed):
    """Returns in words what two directories differ in."""
    one, other = work.left(quiet), work.left(killed)
    found = [f"{name} only in one" for name in sorted(one.keys() ^ other.keys())]
    found += [f"{name} says another thing" for name in sorted(one.keys() & other.keys()) if one[name] != other[name]]
    if work.name == "train":
        expected, weights = final_weights(quiet / "run"), final_weights(killed / "run")
        same = expected.keys() == weights.keys() and all(np.array_equal(expected[k], weights[k]) for k in expected)
        found += [] if same else ["other weights"]
    return found


def running(folder):
    """Returns the command lines of processes that name a directory."""
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue  # It has ended.
        found += [line] if str(folder) in line else []
    return found


def disturb(work, root, kills, draw):
    """Does the work undisturbed, then ends it `kills` times; returns in words what differs.

    Args:
        work: `Work`.
        root: directory for its directories.
        kills: int.
        draw: `random.Random`.
    """
    quiet, found, folder = root / "quiet", [], None
    work.begun(quiet)
    begin = time.monotonic()
    status = work.start(quiet).wait()
    seconds = time.monotonic() - begin
    print(f"{work.name}: undisturbed, status {status} after {seconds:.0f} s", flush=True)
    if status:  # Of what is refused all that is killed is the same.
        return [f"undisturbed it ends with status {status}"]
    while kills or folder is not None:
        if folder is None:
            folder = root / f"killed-{kills}"
            work.begun(folder)
        process = work.start(folder)
        try:
            # What is left to do may be little: then it ends before.
            ended = process.wait(draw.uniform(0, seconds) if kills else None)
        except subprocess.TimeoutExpired:
            how = draw.choice(_SIGNALS)
            process.send_signal(how)
            process.wait()
            kills -= 1
            time.sleep(work.settles)
            found += [f"goes on after {how.name}: {line}" for line in running(folder)]
            print(f"{work.name}: {how.name}; {kills} to go", flush=True)
            continue
        found += [] if ended == status else [f"status {ended} in place of {status}"]
        found += differences(work, quiet, folder)
        shutil.rmtree(folder)
        folder = None
    return found


def _options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--commands", type=lambda text: text.split(","), default=_COMMANDS, help="which commands")
    parser.add_argument("--kills", type=int, default=20, help="how often to end each")
    parser.add_argument("--seed", type=int, default=0, help="seeds the signals and their times")
    parser.add_argument("--epochs", type=int, default=60, help="length of the training that is disturbed")
    return parser.parse_args()


def main():
    """Disturbs each command and says what differs."""
    options, failed = _options(), False
    with tempfile.TemporaryDirectory() as directory:
        root = pathlib.Path(directory)
        base = Work("train", 4)
        base.begun(root / "base")
        if base.start(root / "base").wait():
            raise SystemExit("the run that is to be exported and fine-tuned has failed")
        for name in options.commands:
            work = Work(name, options.epochs) if name == "train" else Work(name, 4)
            if name in ("export", "finetune"):
                work = work._replace(base=root / "base" / "run")
            (root / name).mkdir()
            found = disturb(work, root / name, options.kills, random.Random(f"{options.seed} {name}"))
            print(f"{name}: {'DIFFERENT: ' + '; '.join(sorted(set(found))) if found else 'equal'}", flush=True)
            failed = failed or bool(found)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
