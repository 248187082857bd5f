"""Models made by `quantization_aware` under stock Keras: compile, fit, callbacks, saving, loading, several outputs."""

import keras
import numpy as np
import pytest
from keras import layers

from odtf import quantization
from odtf.export import int8_file
from odtf.quantization.schedule_callback import schedules_of
from odtf.tflite.runner import Runner

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (48, 12, 12, 3)).astype("float32")
LABELS = (PIXELS[..., 0].mean((1, 2)) > PIXELS[..., 1].mean((1, 2))).astype("int32")


def small(seed=0):
    """A network as people write them: its own preprocessing, squeeze and excitation, a softmax."""
    keras.utils.set_random_seed(seed)
    image = keras.Input((12, 12, 3))
    x = layers.Normalization(mean=[0.5, 0.4, 0.3], variance=[0.04, 0.05, 0.06])(layers.Rescaling(1 / 255)(image))
    x = layers.Conv2D(8, 3, strides=2, padding="same", use_bias=False)(x)
    x = layers.Activation("swish")(layers.BatchNormalization(momentum=0.5)(x))
    gate = layers.Dense(8, activation="sigmoid")(layers.Dense(4, "relu")(layers.GlobalAveragePooling2D()(x)))
    x = x * layers.Reshape((1, 1, 8))(gate)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(image, layers.Dense(2, activation="softmax")(layers.Dropout(0.1)(x)))


def compiled(model, **options):
    """A compiled model; `run_eagerly` where a few steps are not worth a trace."""
    optimizer = keras.optimizers.SGD(0.05, momentum=0.9)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"], **options)
    return model


def fit(model, **options):
    return model.fit(PIXELS, LABELS, batch_size=16, shuffle=False, verbose=0, **options)


@pytest.fixture(scope="module")
def trained():
    # By XLA, as Keras would by itself: tests/conftest.py.
    model = quantization.quantization_aware(small(), momentum=0.5, input_range=(0, 255))
    model = compiled(model, jit_compile=True)
    phases = []
    watch = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: phases.append((schedules_of(model)[0].phase, bool(bounds(model).any())))
    )
    schedule = quantization.ScheduleCallback(delay_epochs=1, freeze_batch_norm_epochs=1)
    history = fit(model, epochs=4, callbacks=[schedule, watch], validation_data=(PIXELS, LABELS))
    return model, phases, history.history


def bounds(model):
    return model.layers[-2].output_range.bounds.numpy()


def test_the_schedule_goes_through_its_phases(trained):
    _, phases, history = trained
    assert phases == [("float", False), ("quantized", True), ("quantized", True), ("frozen", True)]
    assert len(history["val_loss"]) == 4 and np.all(np.isfinite(history["loss"]))


@pytest.fixture(scope="module")
def runner(trained):
    """The model's file."""
    return Runner(int8_file(trained[0]))


def test_the_file_answers_as_the_model(trained, runner):
    model, _, _ = trained
    assert runner.input["quantization"] == (1.0, -128) and runner.output["dtype"] is np.int8
    levels = np.abs(runner.predict(PIXELS) - model.predict(PIXELS, verbose=0)) * 256
    assert levels.max() < 2.01 and np.mean(levels > 0.5) < 0.2


def test_the_model_that_was_given_is_left_as_it_was():
    plain = small()
    before = plain.get_weights()
    fit(compiled(quantization.quantization_aware(plain), run_eagerly=True), epochs=1)
    for one, other in zip(before, plain.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_saved_and_loaded_it_answers_and_goes_on_alike(trained, runner, tmp_path):
    model, _, _ = trained
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded.predict(PIXELS, verbose=0), model.predict(PIXELS, verbose=0))
    np.testing.assert_array_equal(Runner(int8_file(loaded)).predict(PIXELS), runner.predict(PIXELS))
    schedule = quantization.ScheduleCallback(epochs=4, delay_epochs=1, freeze_batch_norm_epochs=1)
    fit(loaded, epochs=4, initial_epoch=3, callbacks=[schedule])
    assert {each.phase for each in schedules_of(loaded)} == {"frozen"}


def test_a_run_that_was_cut_off_goes_on(tmp_path):
    class Cut(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                raise KeyboardInterrupt

    def run(folder, *callbacks):
        model = compiled(quantization.quantization_aware(small()), run_eagerly=True)
        keras.utils.set_random_seed(3)
        schedule = quantization.ScheduleCallback(epochs=3, delay_epochs=1, freeze_batch_norm_epochs=0)
        backup = keras.callbacks.BackupAndRestore(str(tmp_path / folder))
        fit(model, epochs=3, callbacks=[backup, schedule, *callbacks])
        return model

    with pytest.raises(KeyboardInterrupt):
        run("cut", Cut())
    resumed = run("cut")
    assert int(resumed.optimizer.iterations) == 9 and bounds(resumed).any()


@pytest.mark.parametrize("kind", [list, dict])
def test_several_outputs(kind):
    image = keras.Input((12, 12, 3))
    x = layers.Conv2D(4, 3, activation="relu")(image)
    pair = [layers.Dense(2, name="a")(layers.Flatten()(x)), layers.GlobalMaxPooling2D(name="b")(x)]
    model = keras.Model(image, pair if kind is list else dict(zip("ab", pair, strict=True)))
    rewritten = quantization.quantization_aware(model)
    rewritten(PIXELS, training=True)
    outputs = rewritten(PIXELS)
    output = 1 if kind is list else "a"
    runner = Runner(int8_file(rewritten, output))
    found, wanted = runner.predict(rounded(runner)), outputs[output]
    assert np.max(np.abs(found - wanted)) < 2.01 * runner.output["quantization"][0]
    with pytest.raises(ValueError, match="named"):
        int8_file(rewritten)


def rounded(runner):
    scale = runner.input["quantization"][0]
    return np.floor(PIXELS / scale + 0.5) * scale


def test_a_schedule_is_of_a_quantised_model():
    with pytest.raises(ValueError, match="quantization_aware"):
        fit(compiled(small()), epochs=1, callbacks=[quantization.ScheduleCallback()])
