"""The comparison of methods: what it trains, how it pairs, what it writes."""

import json
import math

import pytest

from odtf.compare import comparison
from odtf.errors import UserError
from odtf.training import config as config_lib

OD, DML = "configs/digits.py:epochs=1", "configs/digits_dml.py:epochs=1"


@pytest.fixture
def trained(monkeypatch):
    """Stands in for training: the accuracy follows from method and seed, the configs that were trained are kept."""
    configs = []

    def train(config, workdir):
        configs.append(config)
        solo = config.method.name == "Solo"
        value = (0.5 if solo else 0.6) + 0.01 * config.seed * (1 if solo else 2)
        peers = [{"name": f"peer_{i}", "params": 10, "val_top1": value, "test_top1": value - i / 10} for i in (0, 1)]
        return {"peers": peers, "student": peers[0], "teacher": None}

    monkeypatch.setattr(comparison, "_train", train)
    return configs


def test_pairs_each_student_with_the_same_network_alone_and_the_same_seed(trained, tmp_path):
    result = comparison.run(comparison.make_plan([OD, DML], [], range(3)), tmp_path, log=lambda line: None)
    assert [row["method"] for row in result["rows"]] == ["OnlineDistillationCheap", "DeepMutualLearning"]
    row = result["rows"][0]
    # The gains are 10, 11 and 12 points.
    assert row["test_gain"]["mean"] == pytest.approx(0.11)
    assert row["test_gain"]["std"] == pytest.approx(0.01)
    assert row["test_alone"]["mean"] == pytest.approx(0.51)
    pairs = list(zip(trained[::2], trained[1::2], strict=True))
    assert [method.seed for method, _ in pairs] == [0, 1, 2] * 2
    for method, solo in pairs:
        assert solo.method.to_dict() == {"name": "Solo"}
        one, two = config_lib.to_json(method), config_lib.to_json(solo)
        assert {key for key in one if one[key] != two[key]} == {"method"}


def test_a_named_peer_is_compared_with_its_own_network(trained, tmp_path):
    plan = comparison.make_plan([OD], [], [0])
    plan["entries"][0][1].method.networks = ({"name": "a", "width": 16}, {"name": "a", "width": 4})
    result = comparison.run(plan, tmp_path, peer="peer_1", log=lambda line: None)
    assert result["rows"][0]["pairs"][0]["student"]["name"] == "peer_1"
    assert trained[1].network.width == 4


def test_overrides_reach_every_config_and_exports_are_off():
    plan = comparison.make_plan([OD, DML], ["epochs=3", "data.max_train_examples=500", "schedule.name=constant"], [0])
    for _, config in plan["entries"]:
        assert (config.epochs, config.data.max_train_examples, config.schedule.name) == (3, 500, "constant")
        assert tuple(config.export.targets) == ()


@pytest.mark.parametrize(
    ("paths", "overrides", "message"),
    [
        ([OD, "configs/digits.py:epochs=2"], [], "same epochs"),
        (["configs/absent.py"], [], "absent.py.*no file"),
        ([OD], ["epocs=3"], "key that the configs have"),
        ([OD], ["epochs"], "KEY=VALUE"),
        ([OD], ["epochs=0"], "epochs must be"),
    ],
)
def test_bad_plans(paths, overrides, message):
    with pytest.raises(UserError, match=message):
        comparison.make_plan(paths, overrides, [0])


def test_files_of_the_result(trained, tmp_path):
    result = comparison.run(comparison.make_plan([OD], [], range(2)), tmp_path, log=lambda line: None)
    text = comparison.write(result, tmp_path / "out" / "compare.json")
    written = json.loads((tmp_path / "out" / "compare.json").read_text())
    assert written["rows"][0]["val_gain"]["mean"] == pytest.approx(0.105)
    assert math.isclose(written["rows"][0]["val_gain"]["std"], 0.01 / math.sqrt(2), rel_tol=1e-6)
    assert (tmp_path / "out" / "compare.md").read_text() in text
    assert "+10.50 ± 0.71" in text


def test_a_run_of_another_config_is_not_taken_for_ours(tmp_path):
    config = config_lib.load_config("configs/digits.py")
    report = {"config": config_lib.to_json(config)}
    report["config"]["epochs"] = 1
    (tmp_path / "report.json").write_text(json.dumps(report))
    with pytest.raises(UserError, match="epochs: 1 -> 40"):
        comparison._train(config, tmp_path)
