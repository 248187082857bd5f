"""The program that puts faults into the code: which faults, where, and which tests are nearest."""

import ast
import functools
import pathlib

import pytest

from tests.programs import mutate
from tests.programs.faults import faults
from tests.programs.nearest import nearest_tests

ROOT = pathlib.Path(__file__).resolve().parents[2]


def changes(source):
    """The whole source after each fault that it can have, normalised."""
    source = source.encode()
    return {ast.unparse(ast.parse(fault.applied(source))) for fault in faults("a.py", source)}


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        ("a < b", {"a <= b"}),
        ("a - b", {"a + b"}),
        ("a or b", {"a and b"}),
        ("not a", {"a"}),
        ("x[:n]", {"x[:n + 1]"}),
        ("3", {"4"}),
        ("0.5", {"1.0"}),
        ("True", {"False"}),
        ("max(a, b)", {"min(a, b)", "pass"}),
        ("y = sorted(x)", {"y = x"}),
        ("y = f(x, k=v)", {"y = f(x)"}),
        ("x.y = z", {"pass"}),
        ("if a:\n    b", {"if not a:\n    b"}),
        ("def f():\n    return x", {"def f():\n    return None"}),
        ("é = 'ü'; a < b", {"é = 'ü'\na <= b"}),
        ("'''Text 1 < 2.'''", set()),
        ("raise ValueError(1 < 2)", set()),
        ("x: 3", set()),
        ("if __name__ == '__main__':\n    main()", set()),
    ],
)
def test_every_kind_of_fault(source, wanted):
    assert changes(source) == {ast.unparse(ast.parse(text)) for text in wanted}


def test_every_fault_of_a_room_has_a_name_of_its_own_and_changes_the_code():
    count = 0
    for path in ROOT.glob("odtf/losses/*.py"):
        source = path.read_bytes()
        found = faults(path.name, source)
        assert len({fault.name for fault in found}) == len(found)
        before = ast.dump(ast.parse(source))
        assert all(ast.dump(ast.parse(fault.applied(source))) != before for fault in found)
        count += len(found)
    assert count > 500


def test_a_larger_sample_begins_with_the_smaller_one(monkeypatch):
    monkeypatch.setattr(mutate, "faults", functools.cache(faults))  # Of all files, which are three times the same.
    small, large = mutate.sample(ROOT, 10, seed=1), mutate.sample(ROOT, 20, seed=1)
    assert large[:10] == small
    assert len({fault.name for fault in large}) == 20
    assert mutate.sample(ROOT, 10, seed=2) != small


def test_the_nearest_tests_come_first():
    assert nearest_tests(ROOT, "odtf/files.py")[0] == "tests/test_files.py"
    near = nearest_tests(ROOT, "odtf/methods/takd.py")
    assert near[0] == "tests/methods/test_takd.py"
    assert "tests/methods/test_conformance.py" in near, "it finds every method by its name"
    assert "tests/tflite/test_arena.py" not in near
    near = nearest_tests(ROOT, "odtf/models/backbones/googlenet.py")
    assert "tests/models/test_classic_networks.py" in near[:4]
    assert "tests/models/test_networks.py" in near[4:], "it speaks of other networks"
    near = nearest_tests(ROOT, "odtf/tasks/translation/__init__.py")
    assert "tests/tasks/translation/test_evaluated_by_judges.py" in near, "the command finds the task by its name"


def test_what_changes_nothing_is_read_with_its_reason(tmp_path):
    file = tmp_path / "equivalent.txt"
    assert mutate.equivalent(file) == {}
    file.write_text("# what this is\n\na.py: 3:1 a # b -> c  # as c is b\n")
    assert mutate.equivalent(file) == {"a.py: 3:1 a # b -> c": "as c is b"}


def test_every_fault_that_is_said_to_change_nothing_exists_and_has_a_reason():
    for name, reason in mutate.equivalent().items():
        path = name.partition(": ")[0]
        assert name in {fault.name for fault in faults(path, (ROOT / path).read_bytes())}, name
        assert len(reason) > 10, name
