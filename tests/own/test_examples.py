"""A user's own task, network, method, data, augmentation and target: one file each, through the real commands.

The files in `examples` are also those that the documentation shows.
"""

import json
import pathlib
import shutil

import pytest

EXAMPLES = pathlib.Path(__file__).parent / "examples"


@pytest.fixture(scope="module")
def mine(tmp_path_factory):
    """A folder with the user's files and a config."""
    folder = pathlib.Path(shutil.copytree(EXAMPLES, tmp_path_factory.mktemp("user") / "mine"))
    (folder / "config.py").write_text(
        "from odtf.training.config import default_config, free\n\n\n"
        "def get_config():\n"
        "    config = default_config()\n"
        "    config.batch_size, config.epochs = 64, 2\n"
        "    config.network = free({'name': 'plain_cnn', 'widths': (8,), 'padding': 'symmetric'})\n"
        "    config.schedule.learning_rate = 0.02\n"
        "    config.export.targets = ()\n"
        "    config.export.calibration_examples = 64\n"
        "    return config\n"
    )
    return folder


@pytest.fixture(scope="module")
def train(zygote, mine, tmp_path_factory):
    """Function from overrides, such as "method.name=x", to (workdir, report)."""

    def run(*overrides):
        workdir = tmp_path_factory.mktemp("run") / "workdir"
        flags = [f"--config.{override}" for override in overrides]
        status, _, err = zygote.run("odtf-train", f"--config={mine / 'config.py'}", f"--workdir={workdir}", *flags)
        assert status == 0, err
        return workdir, json.loads((workdir / "report.json").read_text())

    return run


@pytest.fixture(scope="module")
def ink(mine):
    """What a config says for the task that counts ink."""
    return f"task.name={mine}/dark_pixels.py:Ink", f"data.name={mine}/dark_pixels.py:digits_with_ink"


@pytest.fixture(scope="module")
def trained(train, mine, ink):
    """A finished run of everything of one's own at once."""
    return train(
        *ink,
        "task.scale=5.0",
        f"network={{'name': '{mine}/small_network.py:small_network', 'width': 4}}",
        f"method={{'name': '{mine}/pull_together.py:PullTogether', 'weight': 0.5}}",
        f"data.augment.also={mine}/faint.py:faint",
        "export.targets=('soc',)",
        "epochs=3",
    )


def test_a_task_of_ones_own_from_config_to_evaluated_file(zygote, mine, ink, train, tmp_path):
    workdir, report = train(*ink, "method.name=Solo", "export.targets=('soc',)", "epochs=6")
    assert report["task"]["name"] == "ink" and report["task"]["better"] == "min"
    (student,) = report["peers"]
    assert student["val_mae"] < 4.0  # Always the same answer is wrong by 6 or so.
    (row,) = report["exports"]
    assert row["target"] == "soc" and row["quantization"] == "int8"
    assert abs(row["test_mae"] - student["test_mae"]) < 1.0
    names = f"--data={mine}/dark_pixels.py:digits_with_ink", f"--task={mine}/dark_pixels.py:Ink"
    path = workdir / row["path"]
    status, out, err = zygote.run("odtf-evaluate", str(path), *names, f"--json={tmp_path}/figures.json")
    assert status == 0, err
    assert "mean absolute error" in out
    assert json.loads((tmp_path / "figures.json").read_text())["mae"] == pytest.approx(row["test_mae"], abs=1e-4)


def test_peers_teach_each_other_a_task_of_ones_own(ink, train):
    workdir, report = train(*ink, "method.name=DeepMutualLearning")
    assert [peer["name"] for peer in report["peers"]] == ["peer_0", "peer_1"]
    best = min(peer["val_mae"] for peer in report["peers"])
    assert report["student"]["val_mae"] == best
    assert '"peer_0/mutual"' in (workdir / "log.jsonl").read_text()


def test_network_method_data_and_augmentation_of_ones_own(trained, mine):
    workdir, report = trained
    assert report["method"] == f"{mine}/pull_together.py:PullTogether"
    assert report["dataset"] == f"{mine}/dark_pixels.py:digits_with_ink"
    assert {peer["network"]["width"] for peer in report["peers"]} == {4}
    # 3x3 kernels of 1 -> 4 -> 8 channels, their batch normalisation, and one linear output.
    assert {peer["params"] for peer in report["peers"]} == {9 * 4 + 9 * 4 * 8 + 2 * (4 + 8) + 8 + 1}
    assert '"peer_1/pull"' in (workdir / "log.jsonl").read_text()
    assert json.loads((workdir / "config.json").read_text())["task"]["scale"] == 5.0


def test_the_same_command_goes_on_where_a_run_with_ones_own_code_stopped(trained, zygote, mine):
    workdir, report = trained
    config = json.loads((workdir / "config.json").read_text())
    parts = [f"--config.{key}={config[key]}" for key in ("task", "network", "method")]
    parts += [f"--config.data.name={config['data']['name']}", f"--config.data.augment={config['data']['augment']}"]
    parts += ["--config.epochs=3", "--config.export.targets=()"]
    status, out, err = zygote.run("odtf-train", f"--config={mine / 'config.py'}", f"--workdir={workdir}", *parts)
    assert status == 0, err
    assert "resumed at step" in out + err
    again = json.loads((workdir / "report.json").read_text())
    assert again["peers"] == report["peers"] and again["exports"] == report["exports"]


def test_a_target_of_ones_own(trained, zygote, mine):
    workdir, _ = trained
    flags = f"--workdir={workdir}", f"--target={mine}/watch.py:WATCH", "--allow_code"
    status, _, err = zygote.run("odtf-export", *flags)
    assert status == 0, err
    row = json.loads((workdir / "report.json").read_text())["exports"][-1]
    assert row["target"] == "watch" and row["path"] == "export/watch/student_int8.tflite"
    assert "a watch with TFLite Micro" in (workdir / "export" / "watch" / "MODEL_CARD.md").read_text()


# Workdirs of somebody else ------------------------------------------------------------------------------------------


def content(root):
    return {path: path.read_bytes() if path.is_file() else None for path in sorted(root.rglob("*"))}


def refused(zygote, program, *flags):
    """The one line with which a command refuses."""
    status, out, err = zygote.run(program, *flags)
    assert status == 2 and out == "", err
    (line,) = err.splitlines()
    assert "--allow_code" in line
    return line.partition("Received: ")[2]


@pytest.mark.parametrize(
    ("program", "flags"),
    [
        ("odtf-export", ("--target=soc",)),
        ("odtf-export", ("--target=all",)),
        ("odtf-export", ("--budget=bytes=64K",)),
        ("odtf-finetune", ("--mode=qat",)),
    ],
)
def test_a_workdir_that_names_code_is_refused(program, flags, trained, zygote, mine):
    workdir, _ = trained
    before = content(workdir)
    received = refused(zygote, program, f"--workdir={workdir}", *flags)
    for name in ("dark_pixels.py:Ink", "small_network.py:small_network", "pull_together.py:PullTogether"):
        assert f"{mine}/{name}" in received
    assert "faint.py:faint" in received and "digits_with_ink" in received
    assert content(workdir) == before


@pytest.fixture
def stranger(trained, tmp_path):
    """A finished workdir, all of whose code is to leave a trace when it runs."""
    workdir = pathlib.Path(shutil.copytree(trained[0], tmp_path / "stranger"))
    trap = tmp_path / "trap.py"
    trap.write_text(f"import pathlib\npathlib.Path({str(tmp_path / 'ran')!r}).touch()\n")
    return workdir, trap


@pytest.mark.parametrize(
    "change",
    [
        lambda config, report, name: config["network"].update(name=name),
        lambda config, report, name: config["method"].update(teacher_network={"name": name}),
        lambda config, report, name: config["export"].update(targets=[name]),
        lambda config, report, name: config["data"]["augment"].update(also=name),
        lambda config, report, name: report["peers"][0].update(network={"name": name}),
        lambda config, report, name: report["peers"][0].update(network=[{"name": "resnet8"}, {"name": name}]),
    ],
)
def test_no_code_runs_wherever_a_workdir_names_it(change, stranger, zygote, tmp_path):
    workdir, trap = stranger
    config, report = (json.loads((workdir / f"{name}.json").read_text()) for name in ("config", "report"))
    for record in (config, report):
        del record["digest"]  # As a stranger would.
    config["network"] = config["method"] = config["task"] = {}
    config |= {"network": {"name": "resnet8"}, "method": {"name": "Solo"}, "task": {"name": "classification"}}
    config["data"] |= {"name": "digits", "augment": {"pad": 0}}
    report["peers"] = [{**peer, "network": {"name": "resnet8"}} for peer in report["peers"]]
    change(config, report, f"{trap}:attack")
    (workdir / "config.json").write_text(json.dumps(config))
    (workdir / "report.json").write_text(json.dumps(report))
    assert refused(zygote, "odtf-export", f"--workdir={workdir}") == f"{trap}:attack."
    assert not (tmp_path / "ran").exists()


def test_a_teachers_workdir_is_refused_likewise(trained, zygote, mine, ink, tmp_path):
    workdir, _ = trained
    method = f"--config.method={{'name': 'OfflineDistillation', 'teacher_workdir': '{workdir}'}}"
    start = f"--config={mine / 'config.py'}", f"--workdir={tmp_path / 'new'}", method
    received = refused(zygote, "odtf-train", *start)
    assert "small_network.py:small_network" in received
    assert not (tmp_path / "new").exists()
    # What the command names itself is allowed; the rest is not.
    received = refused(zygote, "odtf-train", *start, *(f"--config.{name}" for name in ink))
    assert "small_network.py:small_network" in received and "Ink" not in received
    flags = *start, *(f"--config.{name}" for name in ink), "--config.epochs=1", "--allow_code"
    status, out, err = zygote.run("odtf-train", *flags)
    assert status == 0, err
    assert "teacher" in out
