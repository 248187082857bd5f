"""Style and feature losses against NumPy, and weights that are fitted to another network's features."""

import numpy as np
import pytest
import tensorflow as tf

from odtf import losses


def maps(seed, shapes=((2, 5, 4, 3), (2, 3, 2, 6))):
    random = np.random.default_rng(seed)
    return [random.normal(size=shape).astype("float32") for shape in shapes]


def gram(features):
    features = features.astype("float64")
    batch, height, width, channels = features.shape
    found = np.zeros((batch, channels, channels))
    for row in range(height):
        for column in range(width):
            found += features[:, row, column, :, None] * features[:, row, column, None, :]
    return found / (channels * height * width)


def test_gram():
    golden = np.array([[[[1.0, 2.0], [0.0, -1.0]]]], "float32")
    np.testing.assert_allclose(losses.gram(golden), [[[0.25, 0.5], [0.5, 1.25]]])
    (features, _) = maps(0)
    np.testing.assert_allclose(losses.gram(features), gram(features), rtol=1e-5, atol=1e-6)
    assert losses.gram(tf.cast(features, tf.bfloat16)).dtype == tf.float32


def test_style_is_a_sum_over_maps_and_features_one_map():
    teacher, student = maps(0), maps(1)
    want = sum(np.abs(gram(t) - gram(s)).mean((1, 2)) for t, s in zip(teacher, student, strict=True))
    np.testing.assert_allclose(losses.style_difference(teacher, student), want, rtol=1e-4)
    second = np.abs(teacher[1] - student[1]).mean((1, 2, 3))
    np.testing.assert_allclose(losses.feature_difference(teacher, student), second, rtol=1e-5)
    first = np.abs(teacher[0] - student[0]).mean((1, 2, 3))
    np.testing.assert_allclose(losses.feature_difference(teacher[:1], student[:1]), first, rtol=1e-5)
    with pytest.raises(ValueError, match="Received: 2 and 1"):
        losses.style_difference(teacher, student[:1])


def test_fitted_weights_give_the_terms_of_the_reference():
    """Features of three times the scale: three times the feature term, nine times the style term."""

    def reference(images):
        return [images, images[:, ::2]]

    def larger(images):
        return [3.0 * x for x in reference(images)]

    batches = [(x, y) for x, y in zip(maps(0, [(2, 4, 4, 3)] * 2), maps(1, [(2, 4, 4, 3)] * 2), strict=True)]
    batches.append((maps(2)[0][:1], maps(3)[0][:1]))  # A last batch of one counts as one.
    means = losses.mean_terms(reference, batches)
    pairs = [(t[None], s[None]) for x, y in batches for t, s in zip(x, y, strict=True)]
    each = [losses.mean_terms(reference, [pair]) for pair in pairs]
    for name in ("style", "feature"):
        np.testing.assert_allclose(means[name], np.mean([one[name] for one in each]), rtol=1e-5)
    fitted = losses.fitted_weights(larger, means, batches)
    np.testing.assert_allclose([fitted["style"], fitted["feature"]], [1e4 / 9, 10 / 3], rtol=1e-5)
    found = losses.mean_terms(larger, batches)
    for name, weight in (("style", 1e4), ("feature", 10.0)):
        np.testing.assert_allclose(fitted[name] * found[name], weight * means[name], rtol=1e-5)
    other = losses.fitted_weights(larger, means, batches, {"style": 9.0, "feature": 3.0})
    np.testing.assert_allclose([other["style"], other["feature"]], [1.0, 1.0], rtol=1e-5)
    with pytest.raises(ValueError, match=r"positive means. Received: .* of the features"):
        losses.fitted_weights(lambda images: [0.0 * images], means, batches)
    with pytest.raises(ValueError, match="no batches"):
        losses.mean_terms(reference, [])
