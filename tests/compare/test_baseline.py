"""The same network alone: its epochs, rate and schedule, where a method trains in stages and elsewhere."""

import pathlib

import pytest

from odtf.compare import baseline
from odtf.errors import UserError
from odtf.training import config as config_lib
from odtf.training import config_file

PATHS = sorted(pathlib.Path("configs").glob("*.py"))
CONFIGS = [*map(str, PATHS), *(f"{path}:smoke" for path in PATHS if "smoke=False" in path.read_text())]


def alone(text, name="peer_0", networks=None, **changes):
    """Returns the config of one network of a config file alone, with a few keys changed before."""
    config = config_file.load(text)
    for key, value in changes.items():
        part, _, leaf = key.rpartition("__")
        (config[part] if part else config)[leaf] = value
    return baseline.alone(config, name, networks or {"peer_0": config.network.to_dict()})


@pytest.mark.parametrize(
    ("text", "epochs", "rate", "milestones"),
    [
        ("configs/pacemaker.py", 200, 0.1, (60, 120, 160)),
        ("configs/pacemaker.py:method=kd", 200, 0.1, (60, 120, 160)),
        ("configs/pacemaker.py:online", 200, 0.1, (60, 120, 160)),
        ("configs/takd.py:family=resnet", 160, 0.1, (80, 120)),
        ("configs/takd.py", 160, 0.01, ()),
        ("configs/dgkd.py:family=resnet", 160, 0.1, (80, 120)),
        ("configs/kd.py", 240, 0.05, (150, 180, 210)),
        ("configs/kd.py:pair=vgg13_mobilenetv2", 240, 0.01, (150, 180, 210)),
        ("configs/kd.py:teacher=elsewhere", 240, 0.05, (150, 180, 210)),
        ("configs/at.py", 240, 0.05, (150, 180, 210)),
        ("configs/fitnets.py", 240, 0.05, (150, 180, 210)),
        ("configs/fitnets.py:stages=2", 240, 0.05, (150, 180, 210)),
        ("configs/indistill.py", 70, 0.001, (60,)),
        ("configs/indistill.py:network=auxiliary", 50, 0.001, (60,)),
        ("configs/mcod.py", 300, 0.01, (150, 225)),
        ("configs/dml.py:recipe=okddip,epochs=300", 300, 0.1, (150, 225)),
    ],
)
def test_epochs_rate_and_milestones_are_those_of_the_student(text, epochs, rate, milestones):
    config = alone(text)
    assert config.method.to_dict() == {"name": "Solo"}
    assert config.epochs == epochs
    assert config.schedule.learning_rate == pytest.approx(rate)
    assert tuple(config.schedule.milestones) == milestones
    assert tuple(config.schedule.restarts) == ()


@pytest.mark.parametrize("text", CONFIGS)
def test_every_config_has_a_network_alone(text):
    """None has a schedule of which the student's part is none: also not the cosine of the smoke tests."""
    assert 1 <= alone(text).epochs <= config_file.load(text).epochs


def test_a_student_of_two_steps_begins_its_schedule_anew_alone_too():
    config = alone("configs/pacemaker.py:guidance=sequence")
    assert config.epochs == 400
    assert tuple(config.schedule.restarts) == (200,)


def test_every_network_of_a_chain_has_its_own_epochs():
    config = config_file.load("configs/pacemaker.py:guidance=sequence")
    config.method.step_epochs = (10, 20, 30, 40)
    config.epochs = 120
    assert baseline.spans(config, {}) == {"teacher": (0, 10), "pacemaker": (10, 30), "peer_0": (30, 120)}
    config = config_file.load("configs/takd.py")
    assert baseline.spans(config, {}) == {"teacher": (0, 160), "assistant_1": (160, 320), "peer_0": (320, 480)}


def test_a_teacher_of_the_same_run_learns_too():
    config = config_file.load("configs/kd.py")
    assert baseline.spans(config, {"peer_0": {}}) == {"teacher": (0, 240), "peer_0": (240, 480)}
    config = config_file.load("configs/kd.py:teacher=elsewhere")
    assert baseline.spans(config, {"peer_0": {}}) == {"peer_0": (0, 240)}


def test_averages_and_what_is_made_of_others_do_not_learn_themselves():
    networks = {"peer_0": {}, "mean_0": {}, "ensemble": [{}, {}]}
    assert baseline.spans(config_file.load("configs/pcl.py"), networks) == {"peer_0": (0, 300)}
    assert baseline.span(config_file.load("configs/pcl.py"), "mean_0", networks) == (0, 300)


def test_each_network_of_a_cohort_of_several_has_its_own_rate():
    config = config_file.load("configs/mcod.py")
    networks = {f"peer_{i}": dict(spec) for i, spec in enumerate(config.method.networks)}
    found = [baseline.alone(config, name, networks) for name in networks]
    assert [each.network.name for each in found] == ["alexnet", "vgg", "cifar_resnet", "densenet"]
    assert [each.schedule.learning_rate for each in found] == pytest.approx([0.01, 0.05, 0.1, 0.1])


def test_of_several_networks_it_is_the_first():
    members = [{"name": "cifar_resnet", "depth": 14}, {"name": "cifar_resnet", "depth": 8}]
    assert alone("configs/digits.py", "fused", {"fused": members}).network.to_dict() == members[0]


def test_a_method_without_stages_changes_nothing_but_method_and_views():
    config = config_file.load("configs/kdcl.py")
    before, after = (config_lib.to_json(c) for c in (config, alone("configs/kdcl.py")))
    assert before["data"]["num_views"] == 2
    assert after == {**before, "method": {"name": "Solo"}, "data": {**before["data"], "num_views": 1}}


def test_alone_nobody_teaches():
    found = [alone(f"configs/camvid.py:method={method}") for method in ("kd", "cwd", "alone")]
    assert found[0].to_dict() == found[1].to_dict() == found[2].to_dict()
    assert "distillation" not in found[1].task


def test_alone_a_network_has_no_images_of_other_domains():
    config = config_file.load("configs/spirit.py:method=esd")
    found = alone("configs/spirit.py:method=esd")
    assert len(config.data.domains) == 2 and len(found.data.domains) == 0
    before, after = (config_lib.to_json(each) for each in (config, found))
    assert (after["network"], after["epochs"]) == (before["network"], before["epochs"])


# Parts of a schedule ------------------------------------------------------------------------------------------------


def part(first, end, epochs=100, **schedule):
    whole = config_lib.to_json(config_lib.default_config())["schedule"] | schedule
    return whole | baseline._part_of_schedule(whole, first, end, epochs, "peer_0")


def test_without_a_restart_the_milestones_move_and_what_has_passed_has_lowered_the_rate():
    found = part(40, 100, name="piecewise", milestones=[30, 40, 70], warmup_epochs=5.0, learning_rate=1.0)
    assert found["milestones"] == [30]
    assert found["learning_rate"] == pytest.approx(0.01)
    assert found["warmup_epochs"] == 0.0


def test_from_a_restart_on_the_schedule_is_whole():
    found = part(40, 100, name="cosine", restarts=[40, 60], warmup_epochs=5.0)
    assert (found["restarts"], found["warmup_epochs"], found["learning_rate"]) == ([20], 5.0, 0.1)


def test_a_network_that_ends_early_loses_what_comes_later():
    assert part(0, 40, name="cosine", restarts=[40, 60])["restarts"] == []


@pytest.mark.parametrize(
    ("first", "end", "schedule"),
    [
        (40, 100, {"name": "cosine"}),
        (0, 40, {"name": "one_cycle"}),
        (0, 40, {"name": "cosine"}),
        (4, 100, {"name": "constant", "warmup_epochs": 5.0}),
        (40, 100, {"name": "piecewise", "milestones": [50], "restarts": [60]}),
    ],
)
def test_a_part_that_is_no_schedule_is_refused(first, end, schedule):
    with pytest.raises(UserError, match=rf"epochs {first} to {end}.*restarts must have"):
        part(first, end, **schedule)


def test_rounding_begins_and_ends_as_it_does_for_the_student():
    # Of 480 epochs the first 240 are float, and the last 48 freeze the statistics; the student learns in the last 240.
    found = alone("configs/kd.py", quantization__aware=True).quantization
    assert (found.aware, found.delay_epochs, found.freeze_batch_norm_epochs) == (True, 0, 48)
    found = alone("configs/kd.py", quantization__aware=True, quantization__delay_epochs=300).quantization
    assert (found.delay_epochs, found.freeze_batch_norm_epochs) == (60, 48)


def test_a_student_without_an_epoch_to_learn_in_is_refused():
    with pytest.raises(UserError, match=r"peer_0 begins to learn in epoch 4.*Received: 4"):
        alone("configs/pacemaker.py", epochs=4)
