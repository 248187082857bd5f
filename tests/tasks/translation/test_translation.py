"""The task: its terms, methods, what a file gives, how a file is read, and pictures."""

import types

import keras
import numpy as np
import pytest
import tensorflow as tf

from odtf import data, methods, tasks
from odtf.data import Info
from odtf.errors import UserError
from odtf.targets import TARGETS
from odtf.tasks.translation import Translation
from odtf.training.choosing import improved

INFO = Info("pictures", (12, 14, 1))


def network(*, seed, name, width=4):
    """One convolution and the picture."""
    image = keras.Input((12, 14, 1), name="image")
    start = keras.initializers.HeNormal(seed=seed)
    x = keras.layers.Conv2D(width, 3, padding="same", activation="relu", kernel_initializer=start)(image)
    x = keras.layers.Conv2D(1, 1, activation="tanh", kernel_initializer=start)(x)
    return keras.Model(image, {"stage1": x, "image": x}, name=name)


@pytest.fixture(scope="module")
def batch():
    random = np.random.default_rng(0)
    pictures = random.integers(0, 256, (6, 12, 14, 1)).astype(np.uint8)
    images = np.clip(pictures / 127.5 - 1.0 + 0.3 * random.standard_normal(pictures.shape), -1, 1)
    return images.astype(np.float32), pictures


def test_it_is_found():
    assert tasks.find("translation") is Translation is tasks.Translation
    assert Translation().choice == "psnr" and Translation(chosen_by="ssim").choice == "ssim"
    again = Translation.from_config(Translation(channels=3, chosen_by="ssim").get_config())
    assert (again.channels, again.choice) == (3, "ssim")


def absolute(one, other):
    return np.abs(np.float64(one) - np.float64(other)).mean((1, 2, 3))


def test_the_terms_are_mean_absolute_differences(batch):
    images, pictures = batch
    task = Translation()
    np.testing.assert_allclose(task.supervised(pictures, images), absolute(images, pictures / 127.5 - 1), rtol=1e-5)
    np.testing.assert_allclose(task.distil(images, images[::-1]), absolute(images, images[::-1]), rtol=1e-5)
    given = {"picture": pictures, "labels": None}
    np.testing.assert_array_equal(task.supervised(given, images), task.supervised(pictures, images))
    assert float(task.progress(pictures, images)["psnr"]) > 10


@pytest.mark.parametrize("name", ["Solo", "DeepMutualLearning", "OfflineDistillation"])
def test_methods_of_answers_learn_it(name, batch):
    options = {"OfflineDistillation": {"teacher": network(seed=9, name="teacher", width=8), "alpha": 0.25}}
    method = getattr(methods, name)(network, task=Translation(), **options.get(name, {}))
    outputs = method(batch[0], training=True)
    answers = {who: taps["image"].numpy() for who, taps in outputs.items()}
    real = batch[1] / 127.5 - 1.0
    terms = method.loss_terms(tf.constant(batch[1]), outputs)
    expected = {"peer_0/supervised": absolute(answers["peer_0"], real)}
    if name == "DeepMutualLearning":
        expected["peer_1/supervised"] = absolute(answers["peer_1"], real)
        expected |= dict.fromkeys(("peer_0/mutual", "peer_1/mutual"), absolute(answers["peer_0"], answers["peer_1"]))
    if name == "OfflineDistillation":
        expected["peer_0/supervised"] *= 0.75
        expected["peer_0/distillation"] = 0.25 * absolute(answers["teacher"], answers["peer_0"])
    assert set(terms) == set(expected)
    for term, value in expected.items():
        np.testing.assert_allclose(terms[term], value, rtol=1e-4, err_msg=term)


# Arguments without defaults.
NEEDED = {
    **{name: {"teacher_network": network} for name in ("DGKD", "TAKD", "Pacemaker", "SwitOKD")},
    "PKT": {"labels_weight": 1.0},
    "SpiritDistillation": {"cut": "stage1", "imitation_epochs": 1},
}


def test_all_other_methods_say_that_they_have_no_meaning():
    known = {"Solo", "DeepMutualLearning", "OfflineDistillation", "OnlineMultiGranularity"}
    for name in set(methods.available()) - known:
        with pytest.raises(ValueError, match=f"{name} has no meaning (in translation|outside)") as caught:
            getattr(methods, name)(network, task=Translation(), **NEEDED.get(name, {}))
        assert "\n" not in str(caught.value)
    apart = Translation(paired=False, features="x.keras")
    with pytest.raises(ValueError, match="Solo has no meaning in translation; choose one of OnlineMultiGranularity"):
        methods.Solo(network, task=apart)
    with pytest.raises(UserError, match="Without pairs there is no difference"):
        apart.supervised(None, None)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"channels": 0}, r"channels must be None or an integer.*channels=0"),
        ({"paired": "no"}, "paired must be True or False.*'no'"),
        ({"paired": False}, "Without pairs images are judged by features.*features=None"),
        ({"paired": False, "features": "x.keras", "segmenter": "y.keras"}, "and have no labels"),
        ({"chosen_by": "frechet"}, "chosen_by is a metric, or a list of them: psnr, ssim. Received: .*'frechet'"),
        ({"chosen_by": ["psnr", "fid"]}, "a list of them: psnr, ssim. Received: .*'fid'"),
        ({"features": 3}, "by its path or name. Received: 3"),
    ],
)
def test_what_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Translation(**arguments)


def test_what_judges_is_a_metric_named_after_it():
    task = Translation(features="runs/classifier", segmenter="sees.tflite", chosen_by="miou_sees")
    assert list(task.metrics) == ["miou_sees", "psnr", "ssim", "frechet_classifier"]
    assert set(task.targets) == {"picture", "labels"}
    either = Translation(features="runs/classifier", chosen_by=["frechet_classifier", "ssim"])
    assert (either.choice, either.choices) == ("frechet_classifier", ("frechet_classifier", "ssim"))
    assert list(either.metrics) == ["frechet_classifier", "ssim", "psnr"] and Translation().choices == ("psnr",)
    assert list(Translation(paired=False, features="runs/classifier").metrics) == ["frechet_classifier"]
    dataset = data.load("digit_pictures", targets=Translation.targets)
    with pytest.raises(UserError, match=r"classifier/?.*which is no file"):
        task.observe(dataset)
    small = data.load("digit_pictures", targets=Translation.targets, image_size=8)
    with pytest.raises(UserError, match=r"at least 11x11 pixels. Received: 8x8 of digit_pictures"):
        Translation().observe(small)


@pytest.mark.parametrize(
    ("target", "dtype", "quantization"), [("phone", "uint8", (1.0, 0)), ("phone-gpu", None, None), ("soc", None, None)]
)
def test_what_a_file_gives(target, dtype, quantization, batch):
    task, target = Translation(), TARGETS[target]
    assert task.answer(INFO, target, "int8") == tasks.Answer("picture", (1, 12, 14, 1), dtype, quantization)
    image = keras.Input((12, 14, 1))
    folded = np.asarray(keras.Model(image, task.fold(image, target))(batch[0]))
    expected = task.folded(batch[0], target)
    np.testing.assert_allclose(folded, expected, atol=0.5 + 1e-4 if dtype else 1e-4)
    np.testing.assert_allclose(task.comparable(expected, INFO, target), batch[0], atol=0.5 / 127.5 + 1e-6)
    assert "pictures" in task.card(INFO, target)["title"] + task.describe(INFO)


def test_data_that_do_not_fit_are_refused_before_the_export():
    Translation(channels=3).check(INFO, (None, 12, 14, 3))
    with pytest.raises(UserError, match=r"pictures of 1 channels"):
        Translation().check(INFO, (None, 12, 14, 3))


def file_of(dtype, quantization=(0.0, 0), shape=(1, 12, 14, 1), content=b""):
    output = {"shape": shape, "dtype": dtype, "quantization": quantization}
    return types.SimpleNamespace(output=output, image_size=(12, 14), path="x.tflite", content=content)


@pytest.mark.parametrize(
    ("dtype", "quantization", "black", "white"),
    [
        (np.uint8, (1.0, 0), 0.0, 255.0),
        (np.uint8, (0.0, 0), 0.0, 255.0),
        (np.int8, (1 / 128, 0), -1.0, 1.0),
        (np.int8, (1 / 256, -128), 0.0, 1.0),
    ],
)
def test_a_file_is_read_by_the_range_of_its_output(dtype, quantization, black, white):
    reader = Translation().reader(file_of(dtype, quantization), INFO)
    np.testing.assert_allclose(reader(np.array([black, white])), [-1.0, 1.0])
    assert f"{black:g} to {white:g}" in reader.facts["output"]


def test_a_float_file_is_read_by_its_last_operator():
    image = keras.Input((12, 14, 1), batch_size=1)
    for activation, black, white in (("tanh", -1.0, 1.0), ("sigmoid", 0.0, 1.0), ("relu", 0.0, 255.0)):
        model = keras.Model(image, keras.layers.Conv2D(1, 1, activation=activation)(image))
        content = tf.lite.TFLiteConverter.from_keras_model(model).convert()
        reader = Translation().reader(file_of(np.float32, content=content), INFO)
        np.testing.assert_allclose(reader(np.array([black, white])), [-1.0, 1.0])


def test_files_that_give_no_image_are_refused():
    with pytest.raises(UserError, match=r"gives an image, \(1, 12, 14, 1\). Received: \(1, 10\) in x.tflite"):
        Translation().reader(file_of(np.float32, shape=(1, 10)), INFO)
    with pytest.raises(UserError, match=r"from -1 to 1, 0 to 1 or 0 to 255. Received: -12.8 to 12.7"):
        Translation().reader(file_of(np.int8, (0.1, 0)), INFO)


def test_an_epoch_is_kept_where_either_metric_is_the_best_so_far():
    """As the loop asks it: PSNR or SSIM, two peers."""
    task, learns = Translation(chosen_by=["psnr", "ssim"]), {"has_begun": lambda name: True}
    method = types.SimpleNamespace(task=task, students=("a", "b"), selection="psnr", **learns)
    progress = {"chosen": None}

    def kept(*figures):
        values = {f"{peer}/{name}": v for (peer, name), v in zip(NAMES, figures, strict=True)}
        return improved(method, values, progress)

    assert kept(10.0, 0.5, 11.0, 0.4) == {"peer": "b", "metric": "psnr", "value": 11.0}
    assert kept(10.0, 0.6, 9.0, 0.4) == {"peer": "a", "metric": "ssim", "value": 0.6}
    assert kept(10.9, 0.55, 10.8, 0.59) is None
    assert kept(11.0, 0.5, 10.8, 0.5) == {"peer": "a", "metric": "psnr", "value": 11.0}
    method.selection = "psnr_of_the_method"
    progress.clear()
    progress["chosen"] = {"metric": "psnr_of_the_method", "value": 5.0}
    assert improved(method, {f"{peer}/psnr_of_the_method": 4.0 for peer in "ab"}, progress) is None


NAMES = [("a", "psnr"), ("a", "ssim"), ("b", "psnr"), ("b", "ssim")]
