"""Turns: a teacher learns for some epochs, then the student from it for more, and so on."""

import dataclasses
import math

import keras
from keras import ops

from odtf.methods.shared.rates import Derived

ONLINE, TEACHERS, IMITATION = 0, 1, 2


@dataclasses.dataclass(frozen=True)
class Turns:
    """Which epochs of a run are the teacher's and which the student's.

    Attributes:
        teacher: int, all epochs in which the teacher learns, 1 or more.
        length: int, how many of them are one turn, the last of which may be shorter; None: all of them. The student has
            what is left of the run after the last turn.
        pace: int, a turn of the student's has so many times `length` epochs.
    """

    teacher: int
    length: int | None = None
    pace: int = 1

    def phase_at(self, epoch):
        """Returns `TEACHERS` or `IMITATION`, whose turn an epoch is; by its number, from 0."""
        length, whole, last = self._lengths()
        turn = min(epoch // whole, last)
        return TEACHERS if epoch - turn * whole < min(length, self.teacher - turn * length) else IMITATION

    def ends_teachers(self, epoch):
        """Returns whether a turn of the teacher's ends with an epoch."""
        return self.phase_at(epoch) == TEACHERS and self.phase_at(epoch + 1) == IMITATION

    @property
    def students_first(self):
        """The first epoch of the student's."""
        return min(self.length or self.teacher, self.teacher)

    @property
    def teachers_end(self):
        """The epoch after the last of the teacher's."""
        length, whole, last = self._lengths()
        return last * whole + self.teacher - last * length

    def taught(self, epoch):
        """Returns which of the teacher's epochs, from 0, was its last before one of the student's, from 0.

        Args:
            epoch: integer tensor, counted among the student's alone; in turns that have a length.
        """
        length, _, last = self._lengths()
        turn = ops.minimum(epoch // (self.pace * length), last)
        return ops.minimum((turn + 1) * length, self.teacher) - 1

    def _lengths(self):
        """The epochs of a teacher's turn, of it with a student's, and the number of the last, from 0."""
        length = self.length or self.teacher
        return length, (1 + self.pace) * length, math.ceil(self.teacher / length) - 1


@keras.saving.register_keras_serializable("odtf")
class StudentsTime(Derived):
    """The learning rate of a student that learns in turns and counts its own steps.

    In turns that have a length it is that of the last step of the teacher, by whose steps the schedule goes; else that
    of all steps, those in which the student waited among them.

    Args:
        rate: `LearningRateSchedule`.
        steps_per_epoch: int.
        turns: `Turns`, or a dict of its attributes.
    """

    def __init__(self, rate, steps_per_epoch, turns):
        super().__init__(rate)
        self.steps_per_epoch = int(steps_per_epoch)
        self.turns = turns if isinstance(turns, Turns) else Turns(**turns)

    def __call__(self, step):
        step = ops.cast(step, "int64")
        if self.turns.length is None:
            return self.rate(step + self.turns.teacher * self.steps_per_epoch)
        taught = self.turns.taught(step // self.steps_per_epoch)
        return self.rate((taught + 1) * self.steps_per_epoch - 1)

    def get_config(self):
        return {**super().get_config(), "turns": dataclasses.asdict(self.turns)}
