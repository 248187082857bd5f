"""Three hundred cases of the fuzzer, whose seeds are fixed: the right answer, or one line and status 2."""

import pytest

from tests import fuzz
from tests.fuzzing import kinds
from tests.fuzzing.ground import Ground

# With it 300 cases are of all kinds, of those that take seconds few.
_SEED = 9
_PARTS = 6


@pytest.fixture(scope="module")
def ground(zygote, tmp_path_factory):
    return Ground(zygote, tmp_path_factory.mktemp("ground"))


@pytest.mark.parametrize("part", range(_PARTS))
def test_every_case_ends_well(part, zygote, ground, tmp_path):
    found = list(fuzz.fuzz(zygote, ground, range(part, 300, _PARTS), _SEED, keep=tmp_path))
    assert len(found) == 300 // _PARTS
    assert not [outcome for outcome in found if outcome.outcome not in fuzz.GOOD], fuzz.table(found)


def test_the_cases_are_of_all_kinds():
    chosen = {fuzz.kind_of(_SEED, number).__name__ for number in range(300)}
    assert chosen == {kind.__name__ for kind in kinds.KINDS}


@pytest.mark.parametrize(
    ("status", "err", "outcome"),
    [
        (0, "", fuzz.RIGHT),
        (2, "odtf-train: error: A thing. Received: 3.\n", fuzz.REFUSED),
        (2, "INFO: native\nodtf-train: error: A thing. Received: 3.\n", "refused in other words"),
        (2, "odtf-train: error: \n", "refused in other words"),
        (1, "Traceback ...\nKeyError: 3\n", "traceback: KeyError"),
        (
            1,
            "Traceback ...\ntests.fuzzing.readers.Wrong: other\n",
            "wrong in silence: tests.fuzzing.readers.Wrong: other",
        ),
        (1, "", "status 1"),
        (-11, "", "signal 11"),
        (-14, "", "hang"),
    ],
)
def test_how_an_end_is_judged(status, err, outcome):
    assert fuzz.judged("odtf-train", status, err) == outcome


def test_a_case_is_of_its_seed_and_number_alone(tmp_path):
    ground = type("Ground", (), {"config": "c.py"})
    arguments = [
        [
            kind(fuzz.draw_of(3, number), ground, tmp_path)
            for number in range(20)
            for kind in (kinds.config, kinds.flags)
        ]
        for _ in range(2)
    ]
    assert repr(arguments[0]) == repr(arguments[1]) and len(set(map(repr, arguments[0]))) > 30
