"""Features from networks that a user brings: torchvision's VGG16, Keras' VGG16, classifiers, callables."""

import os
import runpy
import sys

import keras
import numpy as np
import pytest

from odtf import models, zoo
from odtf.errors import UserError
from odtf.models import perception, torch_file
from tests.layers import oracles
from tests.models import torch_writer
from tests.models.test_networks import randomized

# Of torchvision's VGG16: the index in its `features` and the channels of every convolution up to relu4_3.
WIDTHS = {0: 64, 2: 64, 5: 128, 7: 128, 10: 256, 12: 256, 14: 256, 17: 512, 19: 512, 21: 512}


def state(divisor, make):
    found, channels = {}, 3
    for index, width in WIDTHS.items():
        width //= divisor
        found[f"features.{index}.weight"] = make((width, channels, 3, 3))
        found[f"features.{index}.bias"] = make((width,))
        channels = width
    return found


def images(size=16):
    return np.random.default_rng(0).uniform(-1, 1, (2, size, size, 3)).astype("float32")


@pytest.fixture
def narrow(tmp_path, monkeypatch):
    """A file of VGG16's layers with a 32th of its channels, and its arrays."""
    random = np.random.default_rng(1)
    arrays = state(32, lambda shape: random.normal(0, 0.4, shape).astype("float32"))
    arrays["classifier.0.weight"] = np.zeros((2, 2), "float32")  # What else the network has is not needed.
    with monkeypatch.context() as only_here:
        for name, module in torch_writer.fake_torch().items():
            only_here.setitem(sys.modules, name, module)
        torch_writer.write_archive(tmp_path / "vgg16.pth", *torch_writer.tensors(arrays))
    return tmp_path / "vgg16.pth", arrays


def vgg16(arrays, x):
    """The maps behind the ReLUs 3, 8, 15 and 22, of images in [-1, 1] brought to [0, 1] and nothing more."""
    x, maps = (x.astype("float64") + 1) / 2, []
    for index in range(23):
        if index in WIDTHS:
            kernel = arrays[f"features.{index}.weight"].transpose(2, 3, 1, 0)
            x = np.maximum(oracles.convolution(x, kernel) + arrays[f"features.{index}.bias"], 0)
        elif index in (4, 9, 16):
            batch, height, width, channels = x.shape
            x = x.reshape(batch, height // 2, 2, width // 2, 2, channels).max((2, 4))
        if index in (3, 8, 15, 22):
            maps.append(x)
    return maps


def test_torchvisions_network_and_the_file_that_the_tool_makes(narrow, tmp_path, monkeypatch, capsys):
    path, arrays = narrow
    want = vgg16(arrays, images())
    assert [x.shape[1:] for x in want] == [(16, 16, 2), (8, 8, 4), (4, 4, 8), (2, 2, 16)]
    made = tmp_path / "features.keras"
    tool = runpy.run_path(os.path.join(os.path.dirname(__file__), "..", "..", "tools", "perceptual.py"))
    tool["convert"](path, made)
    assert "relu4_3" in capsys.readouterr().out
    for source in (path, str(made)):
        for found, expected in zip(perception.perceptual_features(source)(images()), want, strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
            assert np.abs(expected).max() > 0.01
    with pytest.raises(UserError, match=r"become a .keras file"):
        tool["convert"](path, tmp_path / "features.npz")


def test_the_shapes_of_the_true_network(monkeypatch):
    """Those that Keras' VGG16 has, too."""
    monkeypatch.setattr(torch_file, "read_state_dict", lambda path: state(1, lambda shape: np.zeros(shape, "float32")))
    network = perception.torchvision_vgg16("vgg16.pth")
    kernels = [tuple(v.shape) for v in network.weights if v.name == "kernel"]
    theirs = [v for v in perception.keras_vgg16(None).weights if v.name == "kernel"]
    assert kernels == [tuple(v.shape) for v in theirs[: len(kernels)]] and len(kernels) == 10
    assert not network.trainable_variables
    assert [x.shape[-1] for x in network.output] == [64, 128, 256, 512]


def test_another_networks_weights_are_refused(narrow, monkeypatch):
    path, arrays = narrow
    monkeypatch.setattr(torch_file, "read_state_dict", lambda path: arrays)
    arrays["features.5.weight"] = arrays["features.5.weight"][:, :1]
    with pytest.raises(UserError, match=r"with features.5.weight of \(4, 1, 3, 3\) for 2 channels"):
        perception.torchvision_vgg16(path)
    del arrays["features.2.bias"]
    with pytest.raises(UserError, match=r"without features.2.bias"):
        perception.torchvision_vgg16(path)


def test_keras_network_has_its_own_preprocessing(tmp_path):
    options = {"include_top": False, "input_shape": (None, None, 3)}
    theirs, path = keras.applications.VGG16(weights=None, **options), tmp_path / "vgg16.weights.h5"
    theirs.save_weights(path)
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        found = perception.perceptual_features(perception.keras_vgg16(path))(images())
    finally:
        keras.config.set_dtype_policy("float32")
    pixels = keras.applications.vgg16.preprocess_input((images() + 1) * 127.5)
    names = ("block1_conv2", "block2_conv2", "block3_conv3", "block4_conv3")
    want = keras.Model(theirs.input, [theirs.get_layer(name).output for name in names])(pixels)
    for mine, expected in zip(found, want, strict=True):
        np.testing.assert_allclose(mine, expected, rtol=1e-3, atol=1e-3 * np.abs(expected).max())
    with pytest.raises(UserError, match=r"never fetched. Received: 'imagenet'"):
        perception.keras_vgg16("imagenet")


def test_any_classifier(tmp_path):
    network = randomized(models.build({"name": "resnet8", "width": (4, 6, 8)}, (16, 16, 3), 5, seed=0))
    mean, std = (0.4, 0.5, 0.3), (0.2, 0.25, 0.3)
    want = network(((images() + 1) / 2 - mean) / std, training=False)
    features = perception.perceptual_features(network, pixels=(mean, std))
    assert len(features(images())) == 3
    for index, found in enumerate(features(images()), start=1):
        np.testing.assert_allclose(found, want[f"stage{index}"], rtol=1e-4, atol=1e-4)
    assert network.trainable_variables
    (chosen,) = perception.perceptual_features(network, taps=["stage2"], pixels=(mean, std))(images())
    np.testing.assert_allclose(chosen, want["stage2"], rtol=1e-4, atol=1e-4)
    models.deploy(network).save(tmp_path / "student.keras")
    by_layer = perception.perceptual_features(tmp_path / "student.keras", taps=["stage2_relu"], pixels=(mean, std))
    np.testing.assert_allclose(by_layer(images())[0], want["stage2"], rtol=1e-4, atol=1e-4)
    with pytest.raises(ValueError, match="Which pixels the network takes must be said"):
        perception.perceptual_features(network)
    with pytest.raises(ValueError, match="Received: stage7"):
        perception.perceptual_features(network, taps=["stage7"], pixels=(mean, std))


def test_a_callable_is_taken_as_it_is():
    def features(x):
        return [x]

    assert perception.perceptual_features(features) is features
    with pytest.raises(ValueError, match="Received: 7"):
        perception.perceptual_features(7)


def test_a_network_of_the_zoo_takes_the_pixels_of_its_card_in_any_size():
    constants = zoo.card("standard")["normalisation"]
    given = perception.perceptual_features("zoo:standard")
    said = perception.perceptual_features(zoo.path("standard"), pixels=(constants["mean"], constants["std"]))
    x = images(64)
    maps = given(x)
    assert [m.shape[1] for m in maps] == [64, 32, 16]
    for a, b in zip(maps, said(x), strict=True):
        np.testing.assert_array_equal(a, b)
    with pytest.raises(UserError, match=r"The zoo has depthwise, .*Received: 'nothing'"):
        perception.perceptual_features("zoo:nothing")
