"""Pairs of a method's student and the same network alone: what is trained, what is equal, and the statistics."""

import pytest

from odtf.compare import pairing
from odtf.compare.plan import make_plan
from odtf.errors import UserError
from odtf.training import config as config_lib
from odtf.training import data_record

OD, DML = "configs/digits.py:epochs=1", "configs/digits_dml.py:epochs=1"
KD = "configs/kd.py:epochs=10"


def compare(paths, tmp_path, seeds=1, equal="epochs", given=(), images=(), **options):
    plan = make_plan(paths, list(given), range(seeds), equal, images)
    return pairing.run(plan, tmp_path, **{"log": lambda line: None, **options})


def test_pairs_each_student_with_the_same_network_alone_and_the_same_seed(trainings, tmp_path):
    result = compare([OD, DML], tmp_path, seeds=3)
    assert [row["method"] for row in result["rows"]] == ["OnlineDistillationCheap", "DeepMutualLearning"]
    row = result["rows"][0]
    # The gains are 10, 11 and 12 points.
    assert [pair["test_gain"] for pair in row["pairs"]] == pytest.approx([0.10, 0.11, 0.12])
    assert row["test_gain"]["mean"] == pytest.approx(0.11)
    assert row["test_gain"]["std"] == pytest.approx(0.01)
    assert row["test_alone"]["mean"] == pytest.approx(0.51)
    # 4.303 s / sqrt(3).
    assert row["test_gain"]["interval"] == pytest.approx([0.11 - 0.024842, 0.11 + 0.024842], abs=1e-5)
    assert [row["test_gain"][key] for key in ("n", "least", "greatest")] == pytest.approx([3, 0.10, 0.12])
    assert row["relative_gain"]["mean"] == pytest.approx((0.10 / 0.50 + 0.11 / 0.51 + 0.12 / 0.52) / 3)
    assert [round(point["mean"], 6) for point in row["curves"]["student"]] == [0.52]
    assert [round(point["mean"], 6) for point in row["curves"]["alone"]] == [0.41]
    # The peers have the student's value, and 10 points less.
    assert row["test_typical_gain"]["mean"] == pytest.approx(0.06)
    methods = [config for config in trainings.configs if config.method.name != "Solo"]
    assert [config.seed for config in methods] == [0, 1, 2] * 2
    # Both methods have one network and protocol: alone it is trained once.
    for method, solo in zip(methods[:3], trainings.alone, strict=True):
        assert solo.method.to_dict() == {"name": "Solo"}
        one, two = config_lib.to_json(method), config_lib.to_json(solo)
        assert {key for key in one if one[key] != two[key]} == {"method"}


def test_what_is_trained_is_not_trained_again(trainings, tmp_path):
    first = compare([KD], tmp_path, seeds=2, equal="seconds")
    count = len(trainings.configs)
    assert compare([KD], tmp_path, seeds=2, equal="seconds") == first
    assert len(trainings.configs) == count


@pytest.mark.parametrize("equal", ["epochs", "seconds"])
def test_a_network_alone_is_trained_once_where_it_is_what_is_compared(equal, trainings, tmp_path):
    result = compare([OD], tmp_path, seeds=2, equal=equal, given=["method.name=Solo"])
    assert len(trainings.configs) == len(trainings.alone) == 2
    assert [pair["test_gain"] for pair in result["rows"][0]["pairs"]] == [0, 0]


def test_runs_of_other_images_are_not_compared(trainings, tmp_path):
    """As where images came while the runs were trained; a run whose images are not recorded is not checked."""

    def record(workdir, images):
        record = {"name": "digits", "names": ["a", "b"], "image_shape": [8, 8, 1], "mean": [0.5], "std": [0.2]}
        record |= {"domains": []}
        data_record.write(workdir, {**record, "splits": {"train": {"images": images}, "test": {"images": 4}}})

    compare([OD], tmp_path, seeds=2)
    methods, alone = sorted(tmp_path.glob("digits*/seed-*")), sorted(tmp_path.glob("solo-*/seed-*"))
    assert len(methods) == len(alone) == 2
    for number, (method, solo) in enumerate(zip(methods, alone, strict=True)):
        record(method, 20 + number)  # Another seed is another split.
        record(solo, 20 + number)
    compare([OD], tmp_path, seeds=2)
    record(alone[1], 30)
    with pytest.raises(UserError, match=r"other images in \S+solo-\S+seed-1 than in \S+seed-1: train: images 21 -> 30"):
        compare([OD], tmp_path, seeds=2)
    (alone[1] / "data.json").unlink()
    compare([OD], tmp_path, seeds=2)


def test_a_named_peer_is_compared_with_its_own_network(trainings, tmp_path):
    trainings.networks = {f"peer_{i}": {"name": "cifar_resnet", "width": width} for i, width in enumerate((16, 4))}
    result = compare([OD], tmp_path, peer="peer_1")
    assert result["rows"][0]["pairs"][0]["student"]["name"] == "peer_1"
    assert [config.network.width for config in trainings.alone] == [4]
    compare([OD], tmp_path, peer="leader")
    assert [config.network.width for config in trainings.alone] == [4, 16]


def test_every_peer_beside_its_own_network_alone(trainings, tmp_path):
    """The first has the student's network, which is trained once; a peer's gain is its own."""
    trainings.networks = {f"peer_{i}": {"name": "cifar_resnet", "width": width} for i, width in enumerate((16, 4))}
    rows = compare([OD], tmp_path, seeds=2, every_peer=True)["rows"]
    assert [row["peer"] for row in rows] == [None, "peer_0", "peer_1"]
    assert [row["label"] for row in rows] == [OD, f"{OD}: peer_0", f"{OD}: peer_1"]
    assert [config.network.width for config in trainings.alone] == [16, 4, 16, 4]
    assert rows[0]["test_gain"] == rows[1]["test_gain"]
    # It has 0.5 + 0.02 seed in the cohort, and alone 0.5 + 0.01 seed.
    assert [pair["test_gain"] for pair in rows[2]["pairs"]] == pytest.approx([0.0, 0.01])
    assert rows[2]["network"] == {"name": "cifar_resnet", "width": 4}


def test_several_fractions_of_the_data_in_one_call(trainings, tmp_path):
    rows = compare([OD, DML], tmp_path, images=(500, None))["rows"]
    assert [(row["method"], row["images"]) for row in rows] == [
        ("OnlineDistillationCheap", 500),
        ("OnlineDistillationCheap", None),
        ("DeepMutualLearning", 500),
        ("DeepMutualLearning", None),
    ]
    # Alone once for each number of images.
    assert [config.data.max_train_examples for config in trainings.alone] == [500, None]


def test_a_config_twice_with_its_own_overrides(trainings, tmp_path):
    given = ["epochs=3", "2:method.temperature=2.0"]
    rows = compare([OD, OD], tmp_path, given=given)["rows"]
    assert [row["label"] for row in rows] == [OD, f"{OD} method.temperature=2.0"]
    methods = [config for config in trainings.configs if config.method.name != "Solo"]
    assert [(config.epochs, config.method.temperature) for config in methods] == [(3, 4.0), (3, 2.0)]
    assert len(trainings.alone) == 1


def test_the_log_says_how_long_is_left(trainings, tmp_path):
    lines = []
    compare([OD], tmp_path, seeds=4, given=["epochs=20"], log=lines.append)
    titles = [line for line in lines if line.startswith("[")]
    # By their reports a run takes 200 s and the network alone 40.
    assert [line.partition("; ")[2] for line in titles] == [
        "",
        "about 12 min left",
        "about 8 min left",
        "about 4 min left",
    ]


def test_one_member_stands_for_a_student_of_several(trainings, tmp_path):
    trainings.networks = {"fused": [{"name": "cifar_resnet", "depth": depth} for depth in (14, 8)]}
    pair = compare([OD], tmp_path)["rows"][0]["pairs"][0]
    assert pair["members"] == 2
    assert trainings.alone[0].network.to_dict() == {"name": "cifar_resnet", "depth": 14}


@pytest.mark.parametrize(
    ("equal", "trained", "milestones"),
    [
        # A teacher of 10 epochs and a student of 10, 10 seconds each; alone an epoch takes 2.
        ("epochs", [10], (6, 7, 8)),
        ("steps", [20], (12, 14, 16)),
        ("examples", [20], (12, 14, 16)),
        ("seconds", [10, 100], (60, 70, 80)),
    ],
)
def test_what_is_held_equal(trainings, tmp_path, equal, trained, milestones):
    trainings.networks = {"peer_0": {"name": "cifar_resnet", "depth": 8}}
    result = compare([KD], tmp_path, equal=equal)
    assert [config.epochs for config in trainings.alone] == trained
    assert tuple(trainings.alone[-1].schedule.milestones) == milestones
    row = result["rows"][0]
    assert (result["equal"], row["batch_size"], row["learning_rate"]) == (equal, 64, 0.05)
    epochs = trained[-1]
    assert row["pairs"][0]["got"] == {
        "run": {"epochs": 20, "steps": 100, "images": 6400, "seconds": 200.0},
        "student": {"epochs": 10, "steps": 50, "images": 3200, "seconds": None},
        "alone": {"epochs": epochs, "steps": 5 * epochs, "images": 320 * epochs, "seconds": 2.0 * epochs},
    }


def test_images_are_counted_for_every_network_that_learns(trainings, tmp_path):
    got = compare(["configs/dml.py:recipe=okddip,epochs=8"], tmp_path, equal="examples")["rows"][0]["pairs"][0]["got"]
    assert [config.epochs for config in trainings.alone] == [16]
    assert got["run"]["images"] == got["alone"]["images"] == 2 * got["student"]["images"]


def test_an_assistant_as_large_as_the_student_is_no_typical_peer(trainings, tmp_path):
    network = {"name": "cifar_resnet", "depth": 8}
    trainings.networks = dict.fromkeys(("peer_0", "assistant_1", "teacher"), network)
    row = compare(["configs/takd.py:family=resnet,chain=14-8-8"], tmp_path)["rows"][0]
    assert row["test_typical"] == row["test_student"]


def test_where_less_is_better_a_gain_is_a_fall(trainings, tmp_path):
    trainings.task = {"name": "t", "metric": "error", "title": "error", "better": "min", "share": False}
    result = compare([OD], tmp_path)
    assert result["metric"] == {"name": "error", "title": "error", "better": "min", "share": False}
    assert result["rows"][0]["test_gain"]["mean"] == pytest.approx(-0.1)
    assert result["rows"][0]["pairs"][0]["test_gain"] == pytest.approx(-0.1)
