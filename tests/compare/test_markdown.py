"""The files of a comparison: what their tables say."""

import json
import math

import pytest

from odtf.compare import markdown, pairing
from odtf.compare.plan import make_plan


def compare(paths, tmp_path, seeds, equal="epochs"):
    return pairing.run(make_plan(paths, [], range(seeds), equal), tmp_path, log=lambda line: None)


def table(text, index):
    """Returns the lines of one of the tables of a text as lists of cells, without the rule under the head."""
    blocks = [block.splitlines() for block in text.split("\n\n") if block.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for i, line in enumerate(blocks[index]) if i != 1]


def test_files_of_the_result(trainings, tmp_path):
    result = compare(["configs/digits.py:epochs=1"], tmp_path, 2)
    text = markdown.write(result, tmp_path / "out" / "compare.json")
    written = json.loads((tmp_path / "out" / "compare.json").read_text())
    assert written["rows"][0]["val_gain"]["mean"] == pytest.approx(0.105)
    assert math.isclose(written["rows"][0]["val_gain"]["std"], 0.01 / math.sqrt(2), rel_tol=1e-6)
    assert (tmp_path / "out" / "compare.md").read_text() in text
    assert "quality in %" in text
    head, row = table(text, 0)
    assert len(head) == len(row)
    assert row[head.index("gain")] == "+10.50 ± 0.71"
    # Mean 10.5, and 12.706 * 0.7071 / sqrt(2) to either side; 0.10 / 0.50 and 0.11 / 0.51.
    assert row[head.index("95 % interval")] == "+4.15 to +16.85"
    assert row[head.index("least to greatest")] == "+10.00 to +11.00"
    assert row[head.index("relative")] == "+20.8%"
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        *("compare.json", "compare.md", "compare.png", "compare.curves.png")
    }


def test_nothing_is_written_beside_what_is_no_plain_file(trainings, tmp_path):
    (tmp_path / "null").symlink_to("/dev/null")
    result = compare(["configs/digits.py:epochs=1"], tmp_path / "runs", 1)
    assert markdown.write(result, tmp_path / "null").endswith(f"\n{tmp_path / 'null'}")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["null", "runs"]
    assert (tmp_path / "null").is_char_device()


def test_the_table_says_what_each_got(trainings, tmp_path):
    trainings.networks = {"peer_0": {"name": "cifar_resnet", "depth": 8}}
    text = markdown.to_markdown(compare(["configs/kd.py:epochs=1000"], tmp_path, 2, "steps"))
    assert "--equal=steps" in text
    head, row = table(text, 1)
    assert head[3:6] == ["epochs run", "student", "alone"]
    assert row[1:6] == ["64", "0.05", "2,000", "1,000", "2,000"]
    assert row[6:] == ["10,000", "5,000", "10,000", "640,000", "320,000", "640,000", "20,000", "4,000", "5.00"]


def test_what_a_student_costs_stands_beside_its_original(trainings, tmp_path):
    result = compare(["configs/digits.py:epochs=1"], tmp_path, 1)
    assert "how many times smaller" not in markdown.to_markdown(result)  # No run says what its images were.
    row = result["rows"][0]
    row["pairs"][0]["student"]["macs"] = 1000
    row["compression"] = {"params_ratio": 2.5, "macs_ratio": 4.0}
    assert table(markdown.to_markdown(result), 2)[1][1:] == ["10 (2.50 x)", "1,000 (4.00 x)"]


def test_what_taught_a_student_stands_in_a_table_of_its_own(trainings, tmp_path):
    result = compare(["configs/digits.py:epochs=1"], tmp_path, 2)
    assert "What taught the students" not in markdown.to_markdown(result)
    for seed, pair in enumerate(result["rows"][0]["pairs"]):
        values = {"val_quality": 0.5 + 0.1 * seed, "test_quality": 0.25}
        pair["teachers"] = {"wide": {"name": "wide", "params": 2000, "macs": 1_000_000, **values}, "teacher": values}
    head, *rows = table(markdown.to_markdown(result), 2)
    assert head == ["config", "teacher", "parameters", "MACs", "val quality", "test quality"]
    assert rows[0][1:] == ["wide", "2,000", "1,000,000", "55.00 ± 7.07", "25.00 ± 0.00"]
    assert rows[1][1:4] == ["teacher", "-", "-"]


def test_one_seed_has_no_interval(trainings, tmp_path):
    text = markdown.to_markdown(compare(["configs/digits.py:epochs=1"], tmp_path, 1))
    head, row = table(text, 0)
    assert row[head.index("95 % interval")] == "-"


def test_more_images_are_more_files(trainings, tmp_path):
    plan = make_plan(["configs/digits.py:epochs=1"], [], range(2), images=(100, 200))
    result = pairing.run(plan, tmp_path, log=lambda line: None)
    text = markdown.write(result, tmp_path / "out" / "compare.json")
    assert "gain against the number of images" in text
    assert (tmp_path / "out" / "compare.images.png").exists()


def test_a_student_of_several_networks_is_called_that(trainings, tmp_path):
    trainings.networks = {"fused": [{"name": "cifar_resnet", "depth": 8}] * 2}
    text = markdown.to_markdown(compare(["configs/digits.py:epochs=1"], tmp_path, 1))
    assert table(text, 0)[1][1] == "fused (ensemble of 2; alone: one member)"


def test_a_metric_that_is_no_share_has_its_own_unit(trainings, tmp_path):
    trainings.task = {"name": "t", "metric": "error", "title": "error", "better": "min", "share": False}
    result = compare(["configs/digits.py:epochs=1"], tmp_path, 1)
    text = markdown.write(result, tmp_path / "compare.json")
    assert " in %" not in text
    head, row = table(text, 0)
    assert row[head.index("gain")] == "-0.1 ± 0"
