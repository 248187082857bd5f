"""Kills a deterministic digits run again and again, resumes it each time, and compares the final weights bit by bit.

    python tests/programs/kill_and_resume.py --kills=20

Each kill is a SIGKILL after a random time; the times are drawn so that most fall into training, and some into start-up,
saving and export. Exit status 0 if the weights are those of the run that nobody disturbed.
"""

import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import time

import numpy as np
from absl import app, flags

_KILLS = flags.DEFINE_integer("kills", 20, "How often to kill.")
_SEED = flags.DEFINE_integer("seed", 0, "Seeds the times of the kills.")
_EPOCHS = flags.DEFINE_integer("epochs", 60, "Length of the run; each kill loses at most 7 steps of it.")

ROOT = pathlib.Path(__file__).resolve().parents[2]


def command(workdir, epochs):
    """The run: digits, two peers, every operation deterministic, a checkpoint every 7 steps."""
    return [
        sys.executable,
        "-m",
        "odtf.commands.train",
        f"--config={ROOT / 'configs/digits.py'}:epochs={epochs},peers=2",
        f"--workdir={workdir}",
        "--config.deterministic=True",
        "--config.checkpoint.every_steps=7",
        "--config.export.targets=()",
    ]


def newest_step(workdir):
    """Returns the step of the newest checkpoint; 0 where there is none."""
    return max((int(p.name.removeprefix("step-")) for p in (workdir / "checkpoints").glob("step-*")), default=0)


def final_weights(workdir):
    """Returns the step and name -> array of the newest checkpoint: every variable of the method and the optimizer."""
    import tensorflow as tf

    step = newest_step(workdir)
    reader = tf.train.load_checkpoint(str(workdir / "checkpoints" / f"step-{step}" / "variables"))
    names = [name for name in reader.get_variable_to_shape_map() if "OBJECT_GRAPH" not in name]
    return step, {name: reader.get_tensor(name) for name in names}


def disturb(workdir, kills, epochs, draw):
    """Starts the run and kills it, `kills` times; returns how many kills found it training, and whether all came."""
    hits = 0
    while kills:
        process = subprocess.Popen(command(workdir, epochs), cwd=ROOT, stdout=subprocess.DEVNULL)
        before = newest_step(workdir)
        # Most kills come a moment after a checkpoint, so that the run advances between them; some come before it.
        patience = time.monotonic() + (draw.uniform(0, 15) if draw.random() < 0.2 else 600)
        while process.poll() is None and time.monotonic() < patience:
            if newest_step(workdir) > before:
                time.sleep(draw.uniform(0, 1.5))
                hits += 1
                break
            time.sleep(0.01)
        if process.poll() is not None:
            print(f"the run ended with status {process.returncode} before kill {kills}: a longer one is needed")
            return hits, False
        process.send_signal(signal.SIGKILL)
        process.wait()
        kills -= 1
        print(f"killed; {kills} to go; newest checkpoint: step {newest_step(workdir)}", flush=True)
    return hits, True


def main(argv):
    """Compares the disturbed run with the undisturbed one."""
    del argv
    draw = random.Random(_SEED.value)
    with tempfile.TemporaryDirectory() as directory:
        quiet, killed = pathlib.Path(directory, "quiet"), pathlib.Path(directory, "killed")
        subprocess.run(command(quiet, _EPOCHS.value), cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        hits, all_done = disturb(killed, _KILLS.value, _EPOCHS.value, draw)
        subprocess.run(command(killed, _EPOCHS.value), cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        (step, expected), (other_step, found) = final_weights(quiet), final_weights(killed)
    same = step == other_step and expected.keys() == found.keys()
    same = same and all(np.array_equal(expected[name], found[name]) for name in expected)
    print(
        f"{_KILLS.value} kills, {hits} after a new checkpoint; steps {step} and {other_step}; {len(expected)} variables"
    )
    print("bit-equal to the undisturbed run" if same else "DIFFERENT from the undisturbed run")
    return 0 if same and all_done else 1


if __name__ == "__main__":
    app.run(main)
