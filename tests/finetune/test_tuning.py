"""The loop: the loss against NumPy, resume bit by bit, refusals."""

import pathlib
import shutil
import signal

import keras
import numpy as np
import pytest
import tensorflow as tf

from odtf import data, models
from odtf.errors import UserError
from odtf.finetune import settings as settings_lib
from odtf.finetune.cluster import Clustered
from odtf.finetune.finetuning import finetune
from odtf.finetune.prune import Pruned
from odtf.finetune.quantize import RoundedTwin
from odtf.finetune.settings import Settings
from odtf.finetune.tuning import Lesson, Tuning
from odtf.finetune.twin import twin_of
from odtf.stopping import Stopped
from odtf.tasks import Classification
from tests.methods.tiny import tiny

EPOCHS = 2


class Interrupted:
    """A pipeline that asks the process to stop when a certain batch is taken."""

    def __init__(self, pipeline, at):
        self._pipeline, self._at = pipeline, at
        self.steps_per_epoch = pipeline.steps_per_epoch

    def dataset(self, start):
        for index, batch in enumerate(self._pipeline.dataset(start), start=start + 1):
            if index == self._at:
                signal.raise_signal(signal.SIGTERM)
            yield batch


def make_stage(kind, digits, steps):
    twin = twin_of(models.deploy(tiny((4, 6), seed=0, name="peer")))
    settings = Settings("pqat", pruning_end=0.9, clusters=4, sparsity=0.5)
    if kind == "prune":
        return Pruned(twin, settings, steps)
    if kind == "cluster":
        return Clustered(twin, settings)
    images = data.calibration_images(digits, 64, 0).astype("float32") / 255.0
    return RoundedTwin(twin, images)


def make_lesson(digits, **changes):
    options = {"pad": 1, "flip": False, "pad_mode": "zero", "cutout": 0}
    lesson = Lesson(
        task=Classification(),
        dataset=digits,
        pipeline=data.TrainPipeline(digits, batch_size=256, seed=0, augment=options),
        teacher=lambda images: tf.reduce_mean(images, (1, 2)) * tf.range(10.0),
        view=lambda images: images,
        alpha=0.3,
        temperature=2.0,
        learning_rate=0.01,
        weight_decay=1e-3,
        epochs=EPOCHS,
    )
    return lesson._replace(**changes)


@pytest.mark.parametrize("kind", ["prune", "cluster", "quantize"])
def test_a_stopped_stage_goes_on_bit_by_bit(kind, digits, tmp_path):
    lesson = make_lesson(digits)
    steps = EPOCHS * lesson.pipeline.steps_per_epoch

    def start(name, **changes):
        keras.utils.set_random_seed(0)
        stage = make_stage(kind, digits, steps)
        return stage, Tuning(tmp_path / name, stage, lesson._replace(**changes))

    whole, tuning = start("whole")
    chosen = tuning.run()
    with pytest.raises(Stopped, match=f"stopped at step {steps - 1} of {steps}"):
        start("parts", pipeline=Interrupted(lesson.pipeline, steps - 1))[1].run()
    parts, tuning = start("parts")
    assert tuning.run() == chosen
    for one, other in zip(whole.variables, parts.variables, strict=True):
        np.testing.assert_array_equal(one, other, err_msg=one.name)
    if kind == "prune":
        zeros = {name: np.mean(weights[0] == 0) for name, weights in parts.weights().items() if "norm" not in name}
        assert zeros == {name: pytest.approx(0.5, abs=0.03) for name in zeros}
        assert chosen["epoch"] == EPOCHS, "no epoch is chosen before the zeros are there"


@pytest.mark.parametrize("label_smoothing", [0.0, 0.2])
def test_the_loss_is_what_it_says(label_smoothing, digits, tmp_path):
    stage = make_stage("prune", digits, 100)
    lesson = make_lesson(digits, task=Classification(label_smoothing))
    images, labels = next(iter(lesson.pipeline.dataset(0)))
    z, t = np.asarray(stage.model(images, training=True), "float64"), np.asarray(lesson.teacher(images), "float64")
    values = Tuning(tmp_path / "stage", stage, lesson)._step(images, labels)

    def log_softmax(x):
        return x - np.log(np.exp(x - x.max(-1, keepdims=True)).sum(-1, keepdims=True)) - x.max(-1, keepdims=True)

    target = (1.0 - label_smoothing) * np.eye(10)[labels] + label_smoothing / 10
    cross_entropy = -np.mean(np.sum(target * log_softmax(z), -1))
    p, q = log_softmax(t / 2.0), log_softmax(z / 2.0)
    distillation = 4.0 * np.mean(np.sum(np.exp(p) * (p - q), -1))
    want = {"supervised": cross_entropy, "distillation": distillation}
    want["loss"] = 0.7 * cross_entropy + 0.3 * distillation
    for name, value in want.items():
        assert float(values[name]) == pytest.approx(value, rel=1e-4), name


def test_a_finished_mode_is_exported_for_another_target_without_training(tuned, workdir, capsys):
    first = tuned("qat")
    capsys.readouterr()
    again = finetune(workdir, Settings("qat", epochs=1, target="phone"))
    assert "validation top-1" not in capsys.readouterr().out, "no epoch is run again"
    assert again["tuned"] == first["tuned"]
    assert again["file"]["path"] == "finetune/qat/export/phone/student_int8.tflite"
    assert again["file"]["test_top1"] == pytest.approx(first["file"]["test_top1"], abs=0.01)


def test_other_flags_on_the_same_directory_are_refused(tuned, workdir):
    tuned("qat")
    with pytest.raises(UserError, match=r"with other flags; .* Received: alpha: 0\.5 -> 0\.9; epochs: 1 -> 2\.$"):
        finetune(workdir, Settings("qat", epochs=2, alpha=0.9))


def test_a_damaged_record_is_one_line(tuned, workdir, tmp_path):
    tuned("qat")
    copy = pathlib.Path(shutil.copytree(workdir, tmp_path / "run"))
    (copy / "finetune" / "qat" / "config.json").write_text("{")
    with pytest.raises(UserError, match=r"config\.json is damaged"):
        finetune(copy, Settings("qat", epochs=1))


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({"target": "watch"}, "No such export target"),
        ({"peer": "peer_9"}, r"The run in .* has the peers peer_0, peer_1\. Received: 'peer_9'"),
    ],
)
def test_what_the_run_does_not_have(changes, wanted, workdir):
    with pytest.raises(UserError, match=wanted):
        finetune(workdir, Settings("qat", **changes))


@pytest.mark.parametrize(
    ("pattern", "pruned"),
    [
        ("block:2x2", {"logits"}),
        ("8:16", {"stage2_conv", "logits"}),
        ("unstructured", {"stem", "stage2_conv", "logits"}),
    ],
)
def test_a_pattern_takes_the_kernels_that_it_fits(pattern, pruned):
    twin = twin_of(models.deploy(tiny((16, 16), seed=0, name="peer")))
    stage = Pruned(twin, Settings("prune", sparsity_pattern=pattern), 10)
    assert set(stage.left_dense) == {"stem", "stage2_conv", "logits"} - pruned
    with pytest.raises(UserError, match="no kernel for this pattern"):
        Pruned(twin, Settings("prune", sparsity_pattern="64:128"), 10)


@pytest.mark.parametrize("text", ["", "2/4", "4:4", "0:4", "5:4", "block:1x1", "block:0x4", "block:4", "blocks"])
def test_patterns_that_mean_nothing(text):
    with pytest.raises(UserError, match="--sparsity_pattern must be unstructured, M:N"):
        settings_lib.parse_pattern(text)
