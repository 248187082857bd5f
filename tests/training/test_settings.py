"""Every key of a config changes the run as it should, by the test that its row names, or is refused.

The table is SETTINGS; the tests below it are those of its rows that had none.
"""

import inspect
import pathlib
import types

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.framework import config as tf_config

from odtf import data, export, run_exports
from odtf.errors import UserError
from odtf.quantization.range import Range
from odtf.training import bounds, cohorts, config_checks, config_data, config_file, experiment, preparation, strategy
from odtf.training.config import default_config, free, leaves, to_json
from odtf.training.schedules import make_optimizer, make_schedule, optimizer_arguments
from tests.training.test_experiment import log_of, small, train

HERE = "training/test_settings.py"
REFUSED = f"{HERE}::test_what_a_run_does_not_take_is_refused_with_what_to_use"
ARRIVES = "training/test_settings_arrive.py"
DATA_ARRIVE = f"{ARRIVES}::test_all_that_is_said_of_data_arrives_where_they_are_read"
AUGMENT_ARRIVES = f"{ARRIVES}::test_the_augmentation_is_that_of_the_config"
RECIPES_ARRIVE = f"{ARRIVES}::test_recipes_are_those_of_the_config"
NORMS_ARRIVE = "training/test_recipes.py::test_norms_are_those_of_the_config"
START_ARRIVES = f"{ARRIVES}::test_a_start_waits_and_learns_as_the_config_says"
RATE_ARRIVES = f"{ARRIVES}::test_optimizer_rate_decay_and_depth_are_those_of_the_config"

# Key -> the test that shows what it does; where that takes no config, another one that it arrives there; below tests/.
SETTINGS = {
    "seed": "training/test_experiment.py::test_another_seed_gives_another_network",
    "deterministic": f"{HERE}::test_determinism_and_precision_are_set_for_all_that_is_built",
    "batch_size": f"{HERE}::test_a_batch_has_as_many_images_and_views_as_the_config_says",
    "epochs": "training/test_experiment.py::test_log_has_every_term_and_every_peer",
    "weight_decay": ("methods/test_conformance.py::test_weight_decay_is_coupled_on_every_variable", RATE_ARRIVES),
    "precision": f"{HERE}::test_determinism_and_precision_are_set_for_all_that_is_built",
    "jit": f"{HERE}::test_compiled_as_the_config_says",  # Refused on a CPU: bad_input_cases.py.
    "sync_batch_norm": f"{HERE}::test_statistics_are_of_all_replicas_where_the_config_says_so",
    "log_every_steps": f"{HERE}::test_how_often_a_run_logs_and_saves",
    "code_dir": "own/test_config_folder.py::test_modules_beside_the_config_are_found_and_their_folder_is_recorded",
    "data.name": "data/test_folder.py::test_a_folder_is_split_by_class",
    "data.data_dir": ("data/test_tfds_source.py::test_a_prepared_set", DATA_ARRIVE),
    "data.image_size": ("data/test_folder.py::test_other_sizes_are_resized", DATA_ARRIVE),
    "data.resize": ("data/test_framing.py::test_folders_and_tfds_sets_do_it", DATA_ARRIVE),
    "data.channels": ("data/test_framing.py::test_grey_images_are_those_of_pillow", DATA_ARRIVE),
    "data.stratify": ("data/test_balanced.py::test_splits_of_a_tfds_set_are_stratified_on_request", DATA_ARRIVE),
    "data.balanced": (
        "data/test_balanced.py::test_classes_are_drawn_equally_often",
        f"{ARRIVES}::test_classes_are_balanced_where_the_config_says_so",
    ),
    "data.validation_fraction": f"{HERE}::test_splits_and_pixels_are_those_of_the_config",
    "data.memory_budget_mb": ("data/test_loading.py::test_streaming_changes_nothing", DATA_ARRIVE),
    "data.max_train_examples": f"{HERE}::test_splits_and_pixels_are_those_of_the_config",
    "data.skip_corrupt": "test_bad_input.py::test_a_corrupt_image_is_skipped_on_request",
    "data.mean": f"{HERE}::test_splits_and_pixels_are_those_of_the_config",
    "data.std": f"{HERE}::test_splits_and_pixels_are_those_of_the_config",
    "data.num_views": f"{HERE}::test_a_batch_has_as_many_images_and_views_as_the_config_says",
    "data.domains": ("data/test_domains.py::test_domains_join_in_their_epochs_alone", DATA_ARRIVE),
    "data.augment.pad": ("data/test_augment.py::test_equals_the_oracle", AUGMENT_ARRIVES),
    "data.augment.pad_mode": ("data/test_augment.py::test_equals_the_oracle", AUGMENT_ARRIVES),
    "data.augment.flip": ("data/test_augment.py::test_equals_the_oracle", AUGMENT_ARRIVES),
    "data.augment.cutout": ("data/test_augment.py::test_equals_the_oracle", AUGMENT_ARRIVES),
    "task.name": "own/test_examples.py::test_a_task_of_ones_own_from_config_to_evaluated_file",
    "network.name": "test_runs.py::test_every_peer_says_what_it_was_built_from",
    "network.depth": ("models/test_counts.py::test_published_counts_of_deeper_networks", RATE_ARRIVES),
    "method.name": "training/test_phases.py::test_a_run_that_stops_between_two_phases_goes_on_bit_by_bit",
    "average.name": ("methods/shared/test_averaging.py::test_lookahead_goes_on_from_the_average", RECIPES_ARRIVE),
    "average.decay": ("methods/shared/test_averaging.py::test_an_average_beside_the_weights", RECIPES_ARRIVE),
    "average.every_steps": ("methods/shared/test_averaging.py::test_an_average_beside_the_weights", RECIPES_ARRIVE),
    "average.power": ("methods/shared/test_averaging.py::test_an_average_beside_the_weights", RECIPES_ARRIVE),
    "average.norm_batches": (
        "methods/shared/test_averaging.py::test_statistics_are_of_the_batches_and_all_is_restored",
        RECIPES_ARRIVE,
    ),
    "recipe.norm_bias_rate": ("methods/shared/test_own_rates.py::test_steps_are_those_of_the_formula", NORMS_ARRIVE),
    "recipe.norm_decay": ("methods/shared/test_own_rates.py::test_steps_are_those_of_the_formula", NORMS_ARRIVE),
    "recipe.whitened_stem": "training/test_recipes.py::test_stems_begin_as_what_whitens",
    "recipe.sizes": (
        "methods/shared/test_resizing.py::test_a_cohort_trains_on_both_sizes_and_answers_at_its_own",
        RECIPES_ARRIVE,
    ),
    "init.frozen_epochs": "training/test_starts.py::test_a_waiting_body_is_that_of_the_start",
    "init.body_rate": (
        "methods/shared/test_warm_start.py::test_a_rate_of_the_body_is_a_factor_on_its_steps",
        START_ARRIVES,
    ),
    "optimizer.name": (f"{HERE}::test_adam_is_that_of_its_paper", RATE_ARRIVES),
    "optimizer.momentum": "training/test_schedules.py::test_sgd_is_pytorchs_at_a_constant_rate",
    "optimizer.nesterov": "training/test_schedules.py::test_sgd_is_pytorchs_at_a_constant_rate",
    "optimizer.beta_1": (f"{HERE}::test_adam_is_that_of_its_paper", RATE_ARRIVES),
    "optimizer.beta_2": (f"{HERE}::test_adam_is_that_of_its_paper", RATE_ARRIVES),
    "optimizer.epsilon": (f"{HERE}::test_adam_is_that_of_its_paper", RATE_ARRIVES),
    "optimizer.amsgrad": (f"{HERE}::test_adam_is_that_of_its_paper", RATE_ARRIVES),
    "optimizer.clipnorm": (f"{HERE}::test_gradients_are_clipped", RATE_ARRIVES),
    "optimizer.clipvalue": f"{HERE}::test_gradients_are_clipped",
    "optimizer.global_clipnorm": f"{HERE}::test_gradients_are_clipped",
    "optimizer.use_ema": REFUSED,
    "optimizer.ema_momentum": REFUSED,
    "optimizer.ema_overwrite_frequency": REFUSED,
    "optimizer.loss_scale_factor": REFUSED,
    "optimizer.gradient_accumulation_steps": REFUSED,
    "schedule.name": ("training/test_schedules.py::test_cosine", RATE_ARRIVES),
    "schedule.learning_rate": ("training/test_schedules.py::test_cosine", RATE_ARRIVES),
    "schedule.warmup_epochs": ("training/test_schedules.py::test_warm_up_is_linear_and_then_gives_way", RATE_ARRIVES),
    "schedule.milestones": "training/test_schedules.py::test_piecewise_drops_at_the_first_step_of_the_epoch",
    "schedule.factor": f"{HERE}::test_a_rate_falls_by_the_factor",
    "schedule.final_fraction": ("training/test_schedules.py::test_cosine", RATE_ARRIVES),
    "schedule.restarts": ("training/test_schedules.py::test_restarts_begin_everything_anew", RATE_ARRIVES),
    "quantization.aware": "quantization/test_training.py::test_the_student_is_chosen_among_quantised_epochs",
    "quantization.delay_epochs": f"{HERE}::test_training_for_int8_is_that_of_the_config",
    "quantization.freeze_batch_norm_epochs": f"{HERE}::test_training_for_int8_is_that_of_the_config",
    "quantization.range_momentum": f"{HERE}::test_training_for_int8_is_that_of_the_config",
    "checkpoint.every_steps": f"{HERE}::test_how_often_a_run_logs_and_saves",
    "checkpoint.keep": f"{HERE}::test_how_often_a_run_logs_and_saves",
    "pictures.every_epochs": "training/test_progress_pictures.py::test_pictures_are_drawn_as_often_as_the_config_says",
    "pictures.images": "training/test_progress_pictures.py::test_pictures_are_drawn_as_often_as_the_config_says",
    "compare.alone": "compare/test_beside.py::test_both_are_trained_and_their_difference_is_shown",
    "compare.recorded": "compare/test_beside.py::test_both_are_trained_and_their_difference_is_shown",
    "export.targets": "own/test_examples.py::test_a_task_of_ones_own_from_config_to_evaluated_file",
    "export.quantization": f"{HERE}::test_exports_are_made_as_the_config_says",
    "export.calibration_examples": f"{HERE}::test_exports_are_made_as_the_config_says",
}


def _tests_of(row):
    return row if isinstance(row, tuple) else (row,)


def test_every_key_has_a_row():
    keys = {key for key, _ in leaves(to_json(default_config()))}
    keys |= {f"optimizer.{key}" for name in ("sgd", "adam") for key in optimizer_arguments(name)}
    assert set(SETTINGS) == keys


def test_every_key_has_a_bound():
    """But for arguments of what a part names, which that judges; all of the optimizers' are in their own table."""
    parts = ("task", "network", "method", "data.augment", "optimizer")
    keys = {key for key, _ in leaves(to_json(default_config())) if not key.startswith(parts)}
    assert set(bounds.BOUNDS) == keys | set(parts)
    arguments = {key for name in ("sgd", "adam") for key in optimizer_arguments(name)}
    assert bounds.OF_OPTIMIZER.keys() | bounds.REFUSED_OF_OPTIMIZER.keys() == arguments


@pytest.mark.parametrize("test", sorted({test for row in SETTINGS.values() for test in _tests_of(row)}))
def test_the_test_of_a_row_is_there(test):
    path, _, name = test.partition("::")
    assert f"\ndef {name}(" in (pathlib.Path(__file__).parents[1] / path).read_text("utf-8")


# Refused -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("key", "unset"), [(key, row[0]) for key, row in bounds.REFUSED_OF_OPTIMIZER.items()])
@pytest.mark.parametrize("name", ["sgd", "adam"])
def test_what_a_run_does_not_take_is_refused_with_what_to_use(name, key, unset):
    value = {"use_ema": True, "ema_momentum": 0.5}.get(key, 4)
    with pytest.raises(UserError, match=rf"config\.optimizer\.{key} would be right left out: .*Received: {value}"):
        make_optimizer({"name": name, key: value}, 0.1)
    keras_default = inspect.signature(type(make_optimizer({"name": name, key: unset}, 0.1))).parameters[key].default
    assert unset == keras_default


def test_clipping_on_several_replicas_is_refused():
    """It would be of each replica's share of the gradient."""
    config = small()
    config.optimizer = free({**config.optimizer.to_dict(), "clipnorm": 1.0})
    placement = types.SimpleNamespace(num_replicas=2, on_cpu=True)
    with pytest.raises(UserError, match=r"config\.optimizer\.clipnorm must be left out on several replicas"):
        preparation.prepare(config, "nowhere", placement, None)


def test_views_that_no_peer_sees_are_refused(tmp_path):
    config = small()
    config.data.num_views = 3
    with pytest.raises(UserError, match=r"config\.data\.num_views must be at most 2, .*Received: 3"):
        preparation.prepare(config, tmp_path, strategy.make_placement(), None)


def test_a_network_that_a_list_of_networks_leaves_unread_is_refused():
    """As --config.network.depth=20, or init=, of a config whose method names all networks."""
    config = config_file.load("oem:smoke")
    config_checks.check(config)
    config.network = free({"name": "cifar_resnet", "depth": 20})
    with pytest.raises(
        UserError, match=r"config\.network is not read where config\.method\.networks .*: .*'depth': 20"
    ):
        config_checks.check(config)
    config.method.networks = (1.0, 0.5)  # Fractions of it.
    config_checks.check(config)


def test_a_network_beyond_the_memory_is_one_line(monkeypatch):
    def exhausted(*args, **kwargs):
        raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")

    monkeypatch.setattr(cohorts.models, "build", exhausted)
    with pytest.raises(UserError, match=r"config\.network has weights beyond the memory .*Received: .*plain_cnn"):
        cohorts.rehearse(small(), None)


def test_a_loss_that_is_wrong_from_the_start_is_not_blamed_on_the_rate():
    window = experiment.Window(None, types.SimpleNamespace(last_step=lambda: None))
    window.add(1, {"loss": np.inf, "peer_0/distillation": np.inf})
    with pytest.raises(UserError, match=r"at step 1, in peer_0/distillation, .* no learning rate is at fault") as found:
        window.close(8, 0.1)
    assert "lower" not in str(found.value)


# Shown to act --------------------------------------------------------------------------------------------------------


def test_determinism_and_precision_are_set_for_all_that_is_built(monkeypatch):
    config, asked = small(), []
    monkeypatch.setattr(tf.config.experimental, "enable_op_determinism", lambda: asked.append(True))
    before = keras.config.dtype_policy()
    try:
        for deterministic, precision in ((False, "mixed_bfloat16"), (True, "float32")):
            config.deterministic, config.precision = deterministic, precision
            cohorts.set_runtime(config)
            assert bool(asked) is deterministic
            assert keras.layers.Dense(1).dtype_policy.name == precision
    finally:
        keras.config.set_dtype_policy(before)


@pytest.fixture(scope="module")
def digits():
    return config_data.load_dataset(default_config())


def test_a_batch_has_as_many_images_and_views_as_the_config_says(digits):
    config = small(batch_size=100)
    config.data.num_views = 2
    pipeline = config_data.make_pipeline(config, digits)
    assert pipeline.batch(0)[0].shape == (100, 2, 8, 8, 1)
    assert pipeline.steps_per_epoch == len(digits.splits["train"]) // 100


def test_splits_and_pixels_are_those_of_the_config(digits):
    config = default_config()
    config.data.validation_fraction, config.data.max_train_examples = 0.25, 64
    config.data.mean, config.data.std = (0.25,), (0.5,)
    dataset = config_data.load_dataset(config)
    sizes = {name: len(split) for name, split in dataset.splits.items()}
    rest = 1797 - sizes["test"]
    assert sizes["train"] == 64
    assert sizes["validation"] == pytest.approx(0.25 * rest, abs=10)
    images = next(iter(data.eval_dataset("test", dataset, batch_size=4)))[0]
    pixels = dataset.splits["test"].take(np.arange(4))[0] / 255.0
    np.testing.assert_allclose(images, (pixels - 0.25) / 0.5, atol=1e-6)


def test_compiled_as_the_config_says(tmp_path, monkeypatch):
    """XLA is refused on a CPU, wherever it is asked for: here one is taken for a GPU."""
    config = small(jit=True, deterministic=False, weight_decay=0.25)
    monkeypatch.setattr(strategy.Placement, "on_cpu", False)
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind=None: [kind])
    # Other runs of this process may have asked for determinism, which leaves XLA off.
    monkeypatch.setattr(tf_config, "is_op_determinism_enabled", lambda: False)
    method = preparation.prepare(config, tmp_path, strategy.Placement(tf.distribute.get_strategy()), None).method
    assert method.jit_compile is True
    assert method.weight_decay == 0.25


@pytest.mark.parametrize("wanted", [True, False])
def test_statistics_are_of_all_replicas_where_the_config_says_so(wanted, mirrored, tmp_path):
    config = small(sync_batch_norm=wanted)
    method = preparation.prepare(config, tmp_path, strategy.Placement(mirrored), None).method
    norms = [layer for layer in method._flatten_layers() if isinstance(layer, keras.layers.BatchNormalization)]
    assert norms and {norm.synchronized for norm in norms} == {wanted}


def test_how_often_a_run_logs_and_saves(tmp_path):
    config = small(epochs=1, log_every_steps=4)  # Ten steps.
    config.checkpoint.every_steps, config.checkpoint.keep = 3, 2
    train(config, tmp_path)
    assert sorted(path.name for path in (tmp_path / "checkpoints").iterdir()) == ["step-10", "step-9"]
    assert [line["step"] for line in log_of(tmp_path) if line["kind"] == "train"] == [3, 4, 6, 8, 9, 10]


def test_training_for_int8_is_that_of_the_config(digits):
    config = small(epochs=10)
    config.quantization.aware, config.quantization.range_momentum = True, 0.75
    config.quantization.delay_epochs, config.quantization.freeze_batch_norm_epochs = 3, 2
    method = cohorts.make_method(config, digits.info, None)
    phases = [method.quantization.phase_at(epoch) for epoch in range(10)]
    assert phases == ["float"] * 3 + ["quantized"] * 5 + ["frozen"] * 2
    ranges = [layer for layer in method.peers["peer_0"].layers if isinstance(layer, Range)]
    assert ranges and {layer.momentum for layer in ranges} == {0.75}


def test_exports_are_made_as_the_config_says(monkeypatch, tmp_path):
    """What `odtf-export` is told by the run's config, where no flag says otherwise."""
    config, given = small(seed=7), {}
    config.export.quantization, config.export.calibration_examples = "int16x8", 5
    run = types.SimpleNamespace(
        config=config, workdir=tmp_path, dataset=None, data_changes=[], task=None, student="a", report={}
    )
    run.peer = lambda name: {"name": "a"}
    run.network = lambda name: None
    monkeypatch.setattr(run_exports, "Run", lambda workdir, allow_code: run)
    monkeypatch.setattr(run_exports, "_about", lambda *args: {})

    def export_each(network, dataset, chosen, folder_of, **options):
        given.update(options, quantizations=[quantization for _, quantization in chosen])
        return [], {}

    monkeypatch.setattr(export, "export_each", export_each)
    run_exports.export_workdir(tmp_path, "soc")
    assert (given["quantizations"], given["calibration_examples"], given["seed"]) == (["int16x8"], 5, 7)


# Optimizers and rates ------------------------------------------------------------------------------------------------

GRADIENTS = [[0.5, 1.0], [-1.0, 0.25], [0.1, 0.1], [4.0, -3.0]]


def steps(options, gradients=GRADIENTS):
    """Where two variables, from 1 and (-2, 3), come to by an optimizer at the rate 0.1; each gets every gradient."""
    optimizer = make_optimizer(options, 0.1)
    variables = [keras.Variable([1.0, 1.0]), keras.Variable([-2.0, 3.0])]
    optimizer.build(variables)
    for gradient in gradients:
        optimizer.apply_gradients([(tf.constant(gradient), v) for v in variables])
    return np.stack([v.numpy() for v in variables])


START = np.array([[1.0, 1.0], [-2.0, 3.0]])


@pytest.mark.parametrize(
    ("options", "clipped"),
    [
        ({"clipnorm": 0.5}, lambda g: g * min(1, 0.5 / np.linalg.norm(g))),
        ({"clipvalue": 0.5}, lambda g: np.clip(g, -0.5, 0.5)),
        # Over all variables, each of which has this gradient.
        ({"global_clipnorm": 0.5}, lambda g: g * min(1, 0.5 / (np.sqrt(2) * np.linalg.norm(g)))),
    ],
)
def test_gradients_are_clipped(options, clipped):
    wanted = START - 0.1 * sum(clipped(np.array(g)) for g in GRADIENTS)
    np.testing.assert_allclose(steps({"name": "sgd", "momentum": 0.0, **options}), wanted, rtol=1e-5)


@pytest.mark.parametrize(
    "options", [{}, {"beta_1": 0.5}, {"beta_2": 0.9}, {"epsilon": 0.1}, {"beta_2": 0.5, "amsgrad": True}], ids=str
)
def test_adam_is_that_of_its_paper(options):
    """Kingma and Ba, arXiv 1412.6980, with epsilon before the correction of the bias, as in their section 2."""
    b1, b2 = options.get("beta_1", 0.9), options.get("beta_2", 0.999)
    epsilon = options.get("epsilon", 1e-7)
    wanted, m, v, largest = START.copy(), 0.0, 0.0, 0.0
    for t, g in enumerate(map(np.array, GRADIENTS), 1):
        m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g**2
        largest = np.maximum(largest, v) if options.get("amsgrad") else v
        wanted -= 0.1 * np.sqrt(1 - b2**t) / (1 - b1**t) * m / (np.sqrt(largest) + epsilon)
    found = steps({"name": "adam", **options})
    np.testing.assert_allclose(found, wanted, rtol=1e-5)
    if options:
        assert np.abs(found - steps({"name": "adam"})).max() > 1e-3


def test_a_rate_falls_by_the_factor():
    config = default_config()
    config.schedule.name, config.schedule.milestones, config.schedule.factor = "piecewise", (1, 2), 0.5
    schedule = make_schedule(config.schedule, 10, 3)
    assert [float(schedule(step)) for step in (0, 10, 20)] == pytest.approx([0.1, 0.05, 0.025])
