"""The JSON of a comparison: what is written is read, and damage is one line, never a traceback or another result."""

import json
import random

import pytest

from odtf import files, sealed
from odtf.compare import comparison_record, markdown
from odtf.errors import UserError
from odtf.page import comparison_page
from tests.compare.test_markdown import compare

TEACHER = {"name": "teacher", "role": "teacher", "params": 50, "macs": None}
TEACHER |= {f"{split}_quality": 0.9 for split in ("val", "test", "last_test")}


@pytest.fixture
def result(trainings, tmp_path):
    """Two methods on one student over two seeds, with all that not every comparison has."""
    configs = ["configs/digits.py:epochs=1", "configs/digits.py:epochs=2"]
    found = json.loads(json.dumps(compare(configs, tmp_path / "runs", 2)))
    first, second = found["rows"]
    second["network"] = first["network"]
    first["images"], first["compression"] = 1000, {"params": 40, "params_ratio": 4.0}
    for pair in first["pairs"]:
        pair["teachers"] = {"teacher": dict(TEACHER)}
    return found


def shown(result):
    """All words of its page and of its Markdown."""
    return repr(
        (markdown.values(result), markdown.budgets(result), markdown.others(result), comparison_page._seeds(result))
    )


@pytest.mark.parametrize("has_digest", [True, False])
def test_flipped_bits_are_one_line_or_change_nothing(has_digest, result, tmp_path):
    """A sample of all bits; without a digest, as comparisons had none before, the form shows most of it."""
    path, draw = tmp_path / "compare.json", random.Random(0)
    if has_digest:
        comparison_record.write(result, path)
    else:
        files.write_json(path, result)
    assert comparison_record.read(path) == result and "(4.00 x)" in shown(result)
    content, refused = path.read_bytes(), 0
    for _ in range(250):
        damaged = bytearray(content)
        damaged[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
        path.write_bytes(damaged)
        try:
            found = comparison_record.read(path)
        except UserError as error:
            assert str(path) in str(error) and "\n" not in str(error)
            refused += 1
            continue
        found.pop("digest", None)
        assert shown(found)
        assert not has_digest or found == result or sealed.DIGEST.encode() not in damaged
    assert refused > (150 if has_digest else 100)


GONE = object()


def changed(record, keys, value):
    """Changes what stands at a path of keys, or takes it out."""
    *outer, last = keys
    for key in outer:
        record = record[key]
    if value is GONE:
        del record[last]
    else:
        record[last] = value


@pytest.mark.parametrize(
    ("keys", "value", "wanted"),
    [
        (("rows", 0, "curves"), GONE, r"rows\[0\] must have the keys .*curves"),
        (("rows", 1, "pairs", 0, "got"), GONE, r"rows\[1\]\.pairs\[0\] must have the keys .*got"),
        (("rows", 0, "pairs", 1, "alone", "test_quality"), GONE, r"pairs\[1\]\.alone must have .*test_quality"),
        (("rows", 0, "pairs", 1, "teachers"), GONE, r"rows\[0\]\.pairs\[1\] must have the keys teachers"),
        (("rows", 0, "pairs", 0, "teachers", "teacher", "macs"), "x", "teachers.teacher.macs must be of the type int"),
        (("rows", 0, "compression"), {"params_ratio": "4"}, "compression.params_ratio must be of the type float"),
        (("rows", 0, "test_gain", "interval"), [1.0], "test_gain.interval must have the keys low, high"),
        (("rows", 0, "curves", "alone"), [{"epoch": 1}], r"curves\.alone\[0\] must have the keys"),
        (("rows", 0, "network"), "resnet", r"network\[0\] must be a mapping"),
        (("rows", 0, "relative_gain"), "", "relative_gain must be of the type dict"),
        (("equal",), "epoch", "equal must be one of epochs, steps"),
        (("rows",), [], "it must have rows"),
        (("seeds",), [0], r"rows\[0\]\.pairs must be one for each of the seeds"),
    ],
)
def test_what_is_no_comparison_is_named_where_it_is_read(keys, value, wanted, result, tmp_path):
    """Whoever changes it may give the rest a digest that is right."""
    changed(result, keys, value)
    comparison_record.write(result, tmp_path / "compare.json")
    with pytest.raises(UserError, match=rf"--json must be what odtf-compare wrote: .*{wanted}"):
        comparison_record.read(tmp_path / "compare.json")


@pytest.mark.parametrize("text", ["", "[]", "[" * 100_000, "\udcff"])
def test_what_is_no_json_is_one_line(text, tmp_path):
    (tmp_path / "x.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(UserError, match=r"must be what odtf-compare wrote: .*x\.json is damaged") as caught:
        comparison_record.read(tmp_path / "x.json")
    assert "\n" not in str(caught.value)
