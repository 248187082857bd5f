"""The Inception network of the FID, beside Keras' own form of it, and read from a file."""

import sys

import keras
import numpy as np
import pytest

from odtf.errors import UserError
from odtf.models import fid_inception
from odtf.tasks.translation.frechet import FrechetDistance
from odtf.tasks.translation.judges import Judge
from tests.models import torch_writer

_STEM = ["Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "Conv2d_3b_1x1", "Conv2d_4a_3x3"]
_DBL = ["branch3x3dbl_1", "branch3x3dbl_2", "branch3x3dbl_3"]
_A = ["branch1x1", "branch5x5_1", "branch5x5_2", *_DBL, "branch_pool"]
_C = ["branch1x1", *(f"branch7x7_{i}" for i in (1, 2, 3)), *(f"branch7x7dbl_{i}" for i in range(1, 6)), "branch_pool"]
_D = ["branch3x3_1", "branch3x3_2", *(f"branch7x7x3_{i}" for i in range(1, 5))]
_E = ["branch1x1", "branch3x3_1", "branch3x3_2a", "branch3x3_2b", "branch3x3dbl_1", "branch3x3dbl_2"]
_E += ["branch3x3dbl_3a", "branch3x3dbl_3b", "branch_pool"]
_BLOCKS = {**dict.fromkeys(("Mixed_5b", "Mixed_5c", "Mixed_5d"), _A), "Mixed_6a": ["branch3x3", *_DBL]}
_BLOCKS |= {**dict.fromkeys(("Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e"), _C), "Mixed_7a": _D}
_BLOCKS |= dict.fromkeys(("Mixed_7b", "Mixed_7c"), _E)
# PyTorch's names of the convolutions, in the order in which Keras makes its own.
NAMES = [*_STEM, *(f"{block}.{part}" for block, parts in _BLOCKS.items() for part in parts)]


@pytest.fixture
def write(monkeypatch):
    """Function that writes a state dict as PyTorch does."""

    def written(path, arrays):
        with monkeypatch.context() as only_here:
            for name, module in torch_writer.fake_torch().items():
                only_here.setitem(sys.modules, name, module)
            torch_writer.write_archive(path, *torch_writer.tensors(arrays))

    return written


def state_of(kernels, offsets, seed=0):
    """A state dict of kernels in Keras' order, with norms that are those of Keras' network: without a factor."""
    state = {}
    for name, kernel, (beta, mean, variance) in zip(NAMES, kernels, offsets, strict=True):
        state[f"{name}.conv.weight"] = kernel.transpose(3, 2, 0, 1)
        norm = {"weight": np.ones_like(beta), "bias": beta, "running_mean": mean, "running_var": variance}
        state |= {f"{name}.bn.{part}": value for part, value in norm.items()}
        state[f"{name}.bn.num_batches_tracked"] = np.array(1, "int64")
    return state


def test_it_is_keras_inception_up_to_its_last_pooling():
    """Of the same weights: the maps before the last block are equal, of which Keras has the mean and this the most."""
    other = keras.applications.InceptionV3(weights=None, include_top=False, input_shape=(139, 139, 3))
    number = lambda layer: int(layer.name.rpartition("_")[2]) if layer.name[-1].isdigit() else 0  # noqa: E731
    layers = {
        kind: sorted((layer for layer in other.layers if type(layer) is kind), key=number)
        for kind in (keras.layers.Conv2D, keras.layers.BatchNormalization)
    }
    rng = np.random.default_rng(0)
    for norm in layers[keras.layers.BatchNormalization]:
        beta, mean, variance = (w.shape for w in norm.get_weights())
        norm.set_weights([rng.normal(0, 0.1, beta), rng.normal(0, 0.1, mean), rng.uniform(0.5, 1.5, variance)])
    kernels = [layer.get_weights()[0] for layer in layers[keras.layers.Conv2D]]
    network = fid_inception.network_of(
        state_of(kernels, [norm.get_weights() for norm in layers[keras.layers.BatchNormalization]])
    )
    assert network.output_shape == (None, 2048) and not network.trainable_variables
    images = rng.uniform(-1, 1, (1, 139, 139, 3)).astype("float32")
    before = keras.Model(network.input, network.get_layer("Mixed_7b_joined").output)
    expected = keras.Model(other.input, other.get_layer("mixed9").output)(images).numpy()
    assert expected.std() > 1e-3
    np.testing.assert_allclose(before(images), expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())
    last = keras.Model(network.input, network.get_layer("Mixed_7c_pool").output)(images).numpy()
    padded = np.pad(expected, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=-np.inf)
    sides = expected.shape[1:3]
    most = np.max([padded[:, y : y + sides[0], x : x + sides[1]] for y in range(3) for x in range(3)], axis=0)
    np.testing.assert_allclose(last, most, rtol=1e-3, atol=1e-4 * np.abs(expected).max())
    means = network.get_layer("Mixed_7c_joined").output
    maps = keras.Model(network.input, means)(images).numpy()
    np.testing.assert_allclose(network(images), maps.mean((1, 2)), rtol=1e-4, atol=1e-5)


def narrow():
    """A state dict of the form with few channels."""
    rng, state, count = np.random.default_rng(1), {}, 3

    def convolution(name, count, height, width, filters=2):
        state[f"{name}.conv.weight"] = rng.normal(0, 0.3, (filters, count, height, width)).astype("float32")
        for part in ("weight", "bias", "running_mean"):
            state[f"{name}.bn.{part}"] = rng.normal(1, 0.1, filters).astype("float32")
        state[f"{name}.bn.running_var"] = rng.uniform(0.5, 1.5, filters).astype("float32")
        return filters

    for name in _STEM:
        side = int(name[-1])
        count = convolution(name, count, side, side)
    for block, parts in _BLOCKS.items():
        own, kind = count, None
        for part in parts:
            stem = part.partition("_")[0]
            own = count if stem != kind else own
            kind = stem
            sides = (3, 3) if stem.startswith(("branch3x3", "branch7x7x3")) else (1, 1)
            convolution(f"{block}.{part}", own, *sides)
            own = 2
        # What halves keeps its input beside two branches; else there are four ends, of the last blocks six.
        count = count + 4 if block in ("Mixed_6a", "Mixed_7a") else 8 if block < "Mixed_7" else 12
    return state


def test_a_file_judges_and_is_called_fid_only_if_it_is_the_original(write, tmp_path, monkeypatch):
    path = tmp_path / "inception.pth"
    write(path, narrow())
    judge = Judge(str(path), "embedding")
    images = np.random.default_rng(0).uniform(-1, 1, (2, 80, 90, 1)).astype("float32")
    found = np.asarray(judge(images))
    assert found.shape == (2, 12) and np.isfinite(found).all() and np.ptp(found) > 0
    levels = np.repeat(np.floor(127.5 * (images + 1.0) + 2**-8), 3, axis=-1)
    resized = keras.ops.image.resize(levels, (299, 299), interpolation="bilinear", antialias=False)
    expected = fid_inception.fid_inception(path)(2.0 * resized / 255.0 - 1.0)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)
    assert FrechetDistance(judge, judge.title).title == "Fréchet distance by inception"
    monkeypatch.setattr(fid_inception, "is_original", lambda name: name == str(path))
    assert FrechetDistance(Judge(str(path), "embedding"), "inception").title == "FID"
    monkeypatch.undo()
    assert not fid_inception.is_original(tmp_path / "missing.pth")


def test_other_weights_are_refused_by_name(write, tmp_path):
    state = narrow()
    del state["Mixed_6e.branch7x7dbl_5.bn.bias"]
    write(tmp_path / "weights.pth", state)
    with pytest.raises(UserError, match=r"FID's Inception .*weights.pth, without Mixed_6e.branch7x7dbl_5.bn.bias"):
        fid_inception.fid_inception(tmp_path / "weights.pth")
    state = narrow() | {"Mixed_5b.branch1x1.conv.weight": np.zeros((2, 7, 1, 1), "float32")}
    write(tmp_path / "weights.pth", state)
    with pytest.raises(UserError, match=r"FID's Inception .*Received: .*weights.pth: "):
        Judge(str(tmp_path / "weights.pth"), "embedding").open()
