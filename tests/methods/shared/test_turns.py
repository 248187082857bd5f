"""Turns of teacher and student against the released loop, and the student's rate in them."""

import keras
import numpy as np
import pytest

from odtf.methods.shared.turns import IMITATION, TEACHERS, StudentsTime, Turns
from odtf.training.schedules import LinearByEpoch


def released(teacher, length, pace):
    """Whose every epoch is, and of the student's the teacher's epoch, from 0, whose rate it has."""
    whose, rates = [], []
    for epoch in range(1, teacher + 1):
        whose.append(TEACHERS)
        if epoch % length == 0 or epoch == teacher:
            whose += [IMITATION] * (pace * length)
            rates += [epoch - 1] * (pace * length)
    return whose, rates


# Both data sets' scripts, S16, S12, S8 and all of summer2winter, and how long their students train.
@pytest.mark.parametrize(("length", "students"), [(10, 800), (12, 816), (8, 800), (6, 816)])
def test_they_are_those_of_the_released_loop(length, students):
    whose, taught = released(200, length, 4)
    turns = Turns(200, length, 4)
    assert [turns.phase_at(epoch) for epoch in range(len(whose))] == whose
    assert whose.count(IMITATION) == students and len(whose) == 200 + students
    assert turns.phase_at(len(whose) + 1000) == IMITATION
    ends = [epoch for epoch in range(len(whose)) if turns.ends_teachers(epoch)]
    assert ends == [i for i in range(len(whose)) if whose[i : i + 2] == [TEACHERS, IMITATION]]
    assert (turns.students_first, turns.teachers_end) == (length, ends[-1] + 1)
    schedule = LinearByEpoch(2e-4, 3, 100, 200)
    own = StudentsTime(schedule, 3, turns)
    steps = np.arange(0, 3 * students, 7)
    expected = [2e-4 * (1 - max(0, taught[step // 3] + 1 - 100) / 101) for step in steps]
    np.testing.assert_allclose([float(own(step)) for step in steps], expected, rtol=1e-5)
    again = StudentsTime.from_config(own.get_config())
    assert float(again(1500)) == float(own(1500)) and again.turns == turns


def test_one_turn_is_two_stages_in_the_time_of_all_steps():
    turns = Turns(3)
    assert [turns.phase_at(epoch) for epoch in range(6)] == [TEACHERS] * 3 + [IMITATION] * 3
    assert turns.ends_teachers(2) and not turns.ends_teachers(1) and turns.students_first == turns.teachers_end == 3
    schedule = keras.optimizers.schedules.PiecewiseConstantDecay([7], [0.1, 0.01])
    own = StudentsTime(schedule, 2, turns)
    assert [float(own(step)) for step in (0, 1, 2)] == pytest.approx([0.1, 0.1, 0.01])
