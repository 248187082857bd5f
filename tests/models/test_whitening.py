"""Whitened stems against numpy."""

import keras
import numpy as np
import pytest

from odtf import models
from odtf.models.whitening import whiten_stem, whitening_filters


@pytest.fixture(scope="module")
def images():
    """Noise that neighbours share: 64 images of 9x7 and two channels."""
    noise = np.random.default_rng(0).normal(size=(64, 10, 8, 2))
    return (noise[:, 1:, 1:] + noise[:, :-1, 1:] + noise[:, 1:, :-1]).astype("float32")


def test_what_filters_make_of_patches_is_white(images):
    filters = whitening_filters(images, (3, 3), epsilon=0.0)
    made = keras.ops.conv(images, filters.astype("float32"), padding="valid")
    made = np.reshape(made, (-1, filters.shape[-1]))
    np.testing.assert_allclose(made.T @ made / len(made), np.eye(18), atol=1e-3)
    # The first has the most to say: its weights are the smallest.
    norms = np.linalg.norm(filters.reshape(18, 18), axis=0)
    assert (np.diff(norms) >= -1e-9).all()


def test_a_stem_has_both_signs_and_the_rest_as_they_were(images):
    network = models.cifar_resnet((9, 7, 2), 10, depth=8, width=40, seed=0, name="network")
    stem = next(layer for layer in network.layers if isinstance(layer, keras.layers.Conv2D))
    before = np.array(stem.kernel)
    whiten_stem(network, images)
    kernel = np.array(stem.kernel)
    np.testing.assert_allclose(kernel[..., :18], whitening_filters(images, (3, 3)), rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(kernel[..., 18:36], -kernel[..., :18])
    np.testing.assert_array_equal(kernel[..., 36:], before[..., 36:])


def test_other_first_layers_are_refused(images):
    image = keras.Input((9, 7, 2))
    network = keras.Model(image, keras.layers.DepthwiseConv2D(3, name="thin")(image), name="network")
    with pytest.raises(ValueError, match=r"Received: network with the layer thin, DepthwiseConv2D first\."):
        whiten_stem(network, images)
    network = models.cifar_resnet((9, 7, 2), 10, depth=8, seed=0, name="network")
    next(layer for layer in network.layers if hasattr(layer, "kernel")).warm_started = True
    with pytest.raises(ValueError, match="A stem from trained weights"):
        whiten_stem(network, images)
