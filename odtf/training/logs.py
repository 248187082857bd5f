"""What a run tells while it goes: a progress bar, lines for people, JSONL for scripts, TensorBoard for eyes."""

import contextlib
import json
import sys
import time

import tensorflow as tf
import tqdm

from odtf import log_lines, paths
from odtf.errors import UserError
from odtf.files import disk_errors, parsed

# On a store, where all of a file is sent anew, so many seconds lie between what it is told.
_SENT = 30.0


class Log:
    """The log of a run in `workdir/log.jsonl`, `workdir/tensorboard` and on the terminal.

    Every line of log.jsonl is an object with "step", "kind" ("train": means since the line before; "validation":
    exact) and the values. A resumed run first cuts the lines after the step that it goes on from. TensorBoard has
    a run of each kind with the same names, so that training and validation are two lines on one chart. On a store both
    appear with every validation, with every checkpoint, and every half minute.

    Args:
        workdir: directory.
        is_chief: bool; all others stay silent and write nothing.
    """

    def __init__(self, workdir, *, is_chief=True):
        self._path = paths.at(workdir) / log_lines.FILE
        self._board_directory = paths.at(workdir) / "tensorboard"
        self._on_store, self._sent = paths.is_store(workdir), time.monotonic()
        self._is_chief = is_chief
        self._boards = {}
        self._bar = None

    def start(self, step, total_steps):
        """Opens the log at `step`; of an earlier run that got further, the lines after it are cut."""
        if not self._is_chief:
            return
        with disk_errors(self._path, tf.errors.OpError):
            if self._path.exists():
                lines = [
                    line for line in self._path.read_text("utf-8", "replace").splitlines() if _step_of(line) <= step
                ]
                temporary = self._path.with_name(f".{self._path.name}.tmp")
                try:
                    temporary.write_text("".join(f"{line}\n" for line in lines), "utf-8")
                    temporary.replace(self._path)
                finally:
                    temporary.unlink(missing_ok=True)
            self._file = self._path.open("a", encoding="utf-8")
            self._boards = {
                kind: tf.summary.create_file_writer(str(self._board_directory / kind)) for kind in log_lines.KINDS
            }
        self._bar = tqdm.tqdm(
            total=total_steps, initial=step, unit="step", file=sys.stderr, disable=not sys.stderr.isatty(), leave=False
        )

    def introduce(self, config, images):
        """Shows in TensorBoard what a run begins with.

        Args:
            config: its config, plain data.
            images: function that returns some of its training images, uint8 `[n, height, width, channels]`.
        """
        if not self._is_chief:
            return
        with disk_errors(self._board_directory, tf.errors.OpError), self._boards["train"].as_default(step=0):
            tf.summary.text("config", f"```\n{json.dumps(config, indent=2)}\n```")
            with contextlib.suppress(UserError):  # Of a corrupt image the training tells.
                shown = images()
                tf.summary.image("training images", shown, max_outputs=len(shown))
            self._boards["train"].flush()

    def advance(self, steps=1):
        """Moves the progress bar."""
        if self._bar is not None:
            self._bar.update(steps)

    def values(self, step, kind, values):
        """Records named numbers of one moment; returns after they are on their way to the disk, see `Log`."""
        if not self._is_chief:
            return
        with disk_errors(self._path):
            self._file.write(json.dumps({"step": step, "kind": kind, **values}) + "\n")
            if not self._on_store:
                self._file.flush()
        board = self._boards[kind]
        with disk_errors(self._board_directory, tf.errors.OpError), board.as_default(step=step):
            for name, value in values.items():
                tf.summary.scalar(name, value)
            if not self._on_store:
                board.flush()
        if kind == "validation" or time.monotonic() - self._sent > _SENT:
            self.send()

    def send(self):
        """Has a store get all that was recorded: before a checkpoint says that the run has come so far."""
        if self._bar is None or not self._on_store:
            return
        with disk_errors(self._path):
            self._file.flush()
        for board in self._boards.values():
            with disk_errors(self._board_directory, tf.errors.OpError):
                board.flush()
        self._sent = time.monotonic()

    def line(self, text):
        """Prints a line without breaking the progress bar."""
        if self._is_chief:
            tqdm.tqdm.write(text, file=sys.stdout)
            sys.stdout.flush()

    def close(self):
        """Closes the files and the bar; what cannot be written any more has been said where it was to be written."""
        if self._bar is not None:
            self._bar.close()
            for file in (self._file, *self._boards.values()):
                with contextlib.suppress(OSError, tf.errors.OpError):
                    file.close()
            self._bar = None


def _step_of(line):
    """Returns the step of a line of the log; a line that a kill cut in two counts as later than all."""
    try:
        return float(parsed(line)["step"])
    except (ValueError, KeyError, TypeError, OverflowError):
        return float("inf")
