"""Flags by which a command takes any Keras model in place of a finished run; the same in every command that does."""

from absl import flags

import odtf
from odtf import files, names, paths, tasks
from odtf.commands import cli
from odtf.errors import UserError
from odtf.evaluation import pixels as pixels_lib

# Flags belong to the modules that make a `ModelFlags`.
flags.disclaim_key_flags()


class ModelFlags:
    """The flags --model, --data, --output and what goes with them; made once by a command, before flags are parsed.

    Args:
        run_flags: the command's flags that are of a run alone, as absl's holders.
    """

    def __init__(self, run_flags):
        self._run_flags = run_flags
        self._model = flags.DEFINE_string("model", None, "In place of --workdir: a .keras file of any Keras model.")
        self._data = flags.DEFINE_string("data", None, f"With --model: {names.data_sets()}.")
        self._output = flags.DEFINE_string("output", None, "With --model: directory of the files.")
        self._download = cli.define_download()
        self._task = flags.DEFINE_string("task", "classification", f"With --model: {names.listed(names.tasks())}.")
        self._pixels = flags.DEFINE_enum(
            "pixels", None, ["0..255", "0..1", "-1..1"], "With --model: what pixels become for it."
        )
        self._mean = flags.DEFINE_list("mean", None, "In place of --pixels: mean per channel of pixels in [0, 1].")
        self._std = flags.DEFINE_list("std", None, "With --mean: deviation per channel of pixels in [0, 1].")
        self._labels = flags.DEFINE_string(
            "labels", None, "With --model: text file with the name of each output on a line, in their order."
        )
        self._data_dir = flags.DEFINE_string("data_dir", None, "With --model: where TFDS prepared the set.")
        # Those that are arguments by their names, and need no look here.
        self._plain = [
            self._data_dir,
            flags.DEFINE_float(
                "validation_fraction", 0.1, "With --model: of the training images, where data have no such split."
            ),
            flags.DEFINE_integer(
                "calibration_examples", 256, "With --model: training images for the ranges.", lower_bound=1
            ),
            flags.DEFINE_integer("seed", 0, "With --model: of the validation split and the choice of those images."),
        ]

    @property
    def are_given(self):
        """Whether the command is to take a model: --model was given."""
        return self._model.value is not None

    def refuse(self, *others):
        """Refuses all flags that go with --model, for a command that takes a run.

        Args:
            *others: further holders of flags that go with --model.

        Raises:
            UserError: naming the first that was given.
        """
        all_flags = (self._output, self._data, self._labels, self._download, self._task, self._pixels, self._mean)
        for flag in (*all_flags, self._std, *self._plain, *others):
            if flag.present:
                raise UserError(
                    f"--{flag.name} goes with --model; a run has its own. Received: --{flag.name}={flag.value}."
                )

    def check(self):
        """Shows that the flags fit together and the files that they name are there, before TensorFlow is imported.

        Raises:
            UserError: naming what is wrong.
        """
        for flag in self._run_flags:
            if flag.present:
                raise UserError(f"--model is no run: leave --{flag.name} out. Received: --{flag.name}={flag.value}.")
        cli.required(self._data)
        files.check_directory(cli.required(self._output))
        pixels_lib.from_flags(self._pixels.value, self._mean.value, self._std.value)
        for flag in (self._model, self._labels):
            if flag.value is not None and not paths.at(flag.value).is_file():
                raise UserError(f"--{flag.name} is a file. Received: --{flag.name}={flag.value}, which is none.")
        tasks.check(self._task.value)

    def arguments(self):
        """Returns the arguments that all functions of models take, a dict; downloads the data where that is asked for.

        Imports TensorFlow; call `check` before.
        """
        if self._download.value:
            odtf.data.download(self._data.value, self._data_dir.value)
        pixels = self._pixels.value
        if pixels is None and self._mean.value:
            pixels = tuple([float(value) for value in flag.value] for flag in (self._mean, self._std))
        return {
            "model": self._model.value,
            "data": self._data.value,
            "output": self._output.value,
            "labels": self._labels.value,
            "pixels": pixels,
            "task": tasks.make(self._task.value),
            **{flag.name: flag.value for flag in self._plain},
        }
