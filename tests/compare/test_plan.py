"""Which configs can be compared, and a config of another length."""

import pytest

from odtf.compare import plan
from odtf.errors import UserError
from odtf.training import config_file

OD, DML = "configs/digits.py:epochs=1", "configs/digits_dml.py:epochs=1"


def test_overrides_reach_every_config_and_exports_are_off():
    overrides = ["epochs=3", "data.max_train_examples=500", "schedule.name=constant"]
    for _, config in plan.make_plan([OD, DML], overrides, [0])["entries"]:
        assert (config.epochs, config.data.max_train_examples, config.schedule.name) == (3, 500, "constant")
        assert tuple(config.export.targets) == ()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *(("true", True), ("True", True), ("false", False), ("False", False), ("null", None), ("None", None)),
        *(("0.5", 0.5), ("[4, 8]", (4, 8)), ("(4, 8)", (4, 8)), ("a,b", "a,b"), ("'a'", "a")),
        ("(" * 10_000, "(" * 10_000),
    ],
)
def test_the_value_of_an_override_is_json_or_python(text, value):
    ((_, config),) = plan.make_plan([OD], [f"method.teacher_network={text}"], [0])["entries"]
    found = config.method.teacher_network
    assert (tuple(found) if isinstance(found, list) else found) == value and type(found) is not int


def test_an_override_adds_an_argument_and_drops_what_another_name_does_not_take(capsys):
    given = ["method.name=DeepMutualLearning", "method.temperature=2.5"]
    ((_, config),) = plan.make_plan([OD], given, [0])["entries"]
    assert config.method.to_dict() == {"name": "DeepMutualLearning", "num_peers": 4, "temperature": 2.5}
    plan.make_plan([OD], ["method.name=Solo"], [0])
    assert capsys.readouterr().out == (
        f"{OD}: --override=method.name=Solo: num_peers, temperature of the config dropped, which it does not take.\n"
    )


@pytest.mark.parametrize(
    "paths",
    [
        [OD, "configs/digits.py:epochs=2"],
        ["configs/pacemaker.py", "configs/pacemaker.py:method=kd"],  # 600 epochs and 400.
        ["configs/kdcl.py", "configs/dml.py:recipe=okddip"],  # Two views and one; see below for the data.
        [f"configs/spirit.py:method={name}" for name in ("scratch", "sd", "esd")],
        [f"configs/camvid.py:method={name}" for name in ("alone", "kd", "cwd")],  # What is taught, by pixel or channel.
    ],
)
def test_epochs_views_and_domains_are_each_configs_own(paths):
    made = plan.make_plan(paths, ["data.mean=null", "data.std=null", 'data.augment={"flip": true}'], [0])
    assert [label for label, _ in made["entries"]] == paths


@pytest.mark.parametrize(
    ("paths", "overrides", "message"),
    [
        ([OD, "configs/mlperf_tiny.py"], [], r"same task and data.*data\.name: digits -> "),
        ([OD, "configs/digits_offline.py:teacher=x"], ["task.name=other", "data.name="], "data.name"),
        (["configs/absent.py"], [], "absent.py.*no file"),
        ([OD], ["epocs=3"], r"digits.py.*--override=epocs: config has the keys .*did you mean epochs\?"),
        ([OD], ["epochs"], "KEY=VALUE"),
        ([OD], ["epochs=0"], "epochs must be"),
        ([OD], ["method.name=Nothing"], "digits.py.*method.name must be one of"),
        (["configs/pacemaker.py"], ["epochs=400"], r"pacemaker\.py: peer_0 begins to learn in epoch 400"),
    ],
)
def test_bad_plans(paths, overrides, message):
    with pytest.raises(UserError, match=message):
        plan.make_plan(paths, overrides, [0])


def test_overrides_of_one_row_are_its_own():
    given = ["data.max_train_examples=500", "2:data.max_train_examples=100", "2:epochs=7"]
    made = plan.make_plan([OD, DML], given, [0])["entries"]
    assert [(config.data.max_train_examples, config.epochs) for _, config in made] == [(500, 1), (100, 7)]
    assert [label for label, _ in made] == [OD, f"{DML} data.max_train_examples=100 epochs=7"]


@pytest.mark.parametrize("number", [0, 3])
def test_there_is_no_such_row(number):
    with pytest.raises(UserError, match=rf"the N-th config, of 1 to 2\. Received: '{number}:epochs=2'"):
        plan.make_plan([OD, DML], [f"{number}:epochs=2"], [0])


def test_every_number_of_images_is_a_row():
    made = plan.make_plan([OD, DML], [], [0], images=(100, None))["entries"]
    labels = [f"{text} images={count}" for text in (OD, DML) for count in (100, "all")]
    assert [label for label, _ in made] == labels
    assert [config.data.max_train_examples for _, config in made] == [100, None] * 2


def test_what_is_equal_is_one_of_four():
    with pytest.raises(UserError, match=r"epochs, steps, examples, seconds.*'time'"):
        plan.make_plan([OD], [], [0], equal="time")


def test_another_length_scales_every_epoch_of_a_config():
    config = config_file.load("configs/pacemaker.py:guidance=sequence")
    config.schedule.warmup_epochs = 4.0
    config.quantization.delay_epochs = 401
    found = plan.stretched(config, 400)
    assert found.epochs == 400
    assert tuple(found.schedule.milestones) == (30, 60, 80)
    assert tuple(found.schedule.restarts) == (100, 200, 300)
    assert (found.schedule.warmup_epochs, found.schedule.learning_rate) == (2.0, 0.1)
    assert (found.quantization.delay_epochs, found.quantization.freeze_batch_norm_epochs) == (200, None)
    assert tuple(plan.stretched(config, 100).schedule.milestones) == (7.5, 15, 20)
    assert plan.stretched(config, 800) is config
