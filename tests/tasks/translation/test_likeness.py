"""PSNR, SSIM and their agreement against numpy and scipy, and how they merge."""

import math

import numpy as np
import pytest
from scipy import ndimage

from odtf.metrics import evaluate, joined_of, merged, results, sums_of
from odtf.tasks.translation import likeness

METRICS = {"psnr": likeness.PSNR(), "ssim": likeness.SSIM()}


def pairs(count=5, shape=(17, 14, 3), seed=0):
    """Pictures uint8, and images in [-1, 1] that are more or less like them."""
    random = np.random.default_rng(seed)
    smooth = ndimage.gaussian_filter(random.random((count, *shape)), (0, 2, 2, 0))
    pictures = np.rint(255 * (smooth - smooth.min()) / np.ptp(smooth)).astype(np.uint8)
    strength = np.linspace(0.02, 0.6, count)[:, None, None, None]
    images = pictures / 127.5 - 1.0 + strength * random.standard_normal(pictures.shape)
    return pictures, np.clip(images, -1.0, 1.0).astype(np.float32)


def ssim_of_planes(x, y):
    """Two planes in [-1, 1]: every place where an 11x11 window lies inside."""
    offsets = np.arange(-5, 6)
    weights = np.exp(-(offsets**2) / 4.5)
    weights /= weights.sum()

    def mean(z):
        return ndimage.correlate1d(ndimage.correlate1d(z, weights, 0), weights, 1)[5:-5, 5:-5]

    mx, my = mean(x), mean(y)
    vx, vy, cov = mean(x * x) - mx**2, mean(y * y) - my**2, mean(x * y) - mx * my
    c1, c2 = 0.02**2, 0.06**2
    return np.mean((2 * mx * my + c1) * (2 * cov + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2)))


def oracle(pictures, images):
    real, images = pictures / 127.5 - 1.0, images.astype(np.float64)
    psnr = [10 * math.log10(4 / np.mean((a - b) ** 2)) for a, b in zip(real, images, strict=True)]
    ssim = [
        np.mean([ssim_of_planes(a[..., c], b[..., c]) for c in range(a.shape[-1])])
        for a, b in zip(real, images, strict=True)
    ]
    return {"psnr": np.mean(psnr), "ssim": np.mean(ssim)}


@pytest.mark.parametrize("shape", [(17, 14, 3), (11, 11, 1), (30, 12, 2)])
def test_they_equal_the_oracle(shape):
    pictures, images = pairs(shape=shape)
    found = evaluate(lambda x: x, [(images, pictures)], METRICS)
    expected = oracle(pictures, images)
    assert found["psnr"] == pytest.approx(expected["psnr"], abs=1e-4)
    assert found["ssim"] == pytest.approx(expected["ssim"], abs=2e-5)


def test_equal_images_have_a_hundred_decibels():
    pictures, _ = pairs()
    same = np.float32(pictures / 127.5 - 1.0)
    found = evaluate(lambda x: x, [(same, pictures)], METRICS)
    assert found["psnr"] == 100.0 and found["ssim"] == pytest.approx(1.0, abs=1e-6)


def test_parts_and_padding_change_nothing():
    pictures, images = pairs(7)
    metrics = {**METRICS, "agreement": likeness.ImageAgreement()}
    targets = {"psnr": pictures, "ssim": pictures, "agreement": images[::-1].copy()}
    for name, metric in metrics.items():
        one, target = {name: metric}, targets[name]
        whole = evaluate(lambda x: x, [(images, target)], one)[name]
        padded = [
            sums_of(one, np.concatenate([target[a:b], target[:1]]), np.concatenate([images[a:b], images[:1]]), weights)
            for a, b, weights in ((0, 4, np.float32([1] * 4 + [0])), (4, 7, np.float32([1] * 3 + [0])))
        ]
        assert results(merged(padded, joined_of(one)), one)[name] == pytest.approx(whole, rel=1e-6)


def test_agreement_is_of_all_pixels():
    one, other = np.float32(pairs(4)[1]), np.float32(pairs(4, seed=1)[1])
    metric = {"agreement": likeness.ImageAgreement()}
    found = evaluate(lambda x: x, [(one, other)], metric)["agreement"]
    assert found == pytest.approx(10 * math.log10(4 / np.mean((one - other) ** 2)), abs=1e-4)
    assert evaluate(lambda x: x, [(one, one)], metric)["agreement"] == 100.0


def test_labels_beside_the_picture_change_nothing():
    """As they come where a segmenter judges, too."""
    rng = np.random.default_rng(0)
    pictures, images = rng.integers(0, 256, (3, 16, 16, 1), np.uint8), rng.uniform(-1, 1, (3, 16, 16, 1))
    given = {"picture": pictures, "labels": np.zeros((3, 16, 16), np.uint8)}
    for metric in (likeness.PSNR(), likeness.SSIM()):
        np.testing.assert_array_equal(metric.values(given, images), metric.values(pictures, images))
