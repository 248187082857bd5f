"""Tasks by their names: those of odtf from their files, a user's own from where it lies."""

import subprocess
import sys
import typing

import pytest

from odtf import tasks
from odtf.errors import UserError
from odtf.metrics import Mean, MeanAbsoluteError
from odtf.tasks.written import check_written
from tests.evaluation.toy import DigitValue


def test_a_task_is_found_by_its_name():
    assert "classification" in tasks.names()
    assert tasks.find("classification") is tasks.Classification
    assert [tasks.find(name).name for name in tasks.names()] == tasks.names()
    assert tasks.find("tests.evaluation.toy:DigitValue") is DigitValue


@pytest.mark.parametrize("name", ["base", "study", "Classification", "", ":x", "x:"])
def test_what_is_no_name_of_a_task(name):
    with pytest.raises(UserError, match=r"A task is classification.* or package\.module:NAME"):
        tasks.check(name)


def test_what_is_not_there_or_no_task():
    with pytest.raises(UserError, match="no module nowhere"):
        tasks.find("nowhere:Task")
    with pytest.raises(UserError, match=r"a task called Nothing in .*toy\.py"):
        tasks.find("tests.evaluation.toy:Nothing")
    with pytest.raises(UserError, match=r"is a subclass of odtf\.tasks\.Task"):
        tasks.find("tests.evaluation.toy:RelativeMedian")


def test_names_are_known_without_an_import_of_the_tasks():
    code = (
        "import sys; from odtf import tasks; tasks.check('classification')\n"
        "assert not {'keras', 'tensorflow', 'odtf.tasks.classification'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


class Whole(DigitValue):
    def __init__(self, scale=1.0):
        self.scale = scale


class Asking(DigitValue):
    def __init__(self, scale):
        self.scale = scale


class OfClasses(DigitValue):
    metrics: typing.ClassVar = {"mae": MeanAbsoluteError}


class Unmeasured(DigitValue):
    metrics: typing.ClassVar = {"mae": Mean()}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Asking", "have defaults.*without scale"),
        ("OfClasses", r"metrics of a task are .*metrics\['mae'\]=<class"),
        ("Unmeasured", "without values"),
    ],
)
def test_a_task_that_lacks_something_is_refused_when_it_is_made(name, message):
    with pytest.raises(UserError, match=message):
        tasks.make(f"{__name__}:{name}")
    assert tasks.make(f"{__name__}:Whole", scale=2.0).get_config() == {"scale": 2.0}


def test_what_training_needs_is_asked_of_a_task_before_it():
    with pytest.raises(UserError, match=r"without head\(\), answer\(\)"):
        check_written(tasks.make(f"{__name__}:Whole"), "mine.py:Whole", ("head", "answer"))


def test_a_term_that_a_task_lacks_is_named():
    with pytest.raises(UserError, match=r"write distil\(teacher, student, temperature\)"):
        tasks.Task().distil(None, None)
