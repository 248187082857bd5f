"""Augmentation against plain NumPy."""

import numpy as np
import pytest

from odtf.data.augment import NUM_DRAWS, Augmentation, augment

MEAN, STD = (0.5, 0.4, 0.3), (0.2, 0.3, 0.4)


def oracle(image, draws, spec):
    """One image: pad, crop, flip, normalise, cut out."""
    height, width, _ = image.shape
    pad, span = spec.pad, 2 * spec.pad + 1
    mode = {"zero": "constant", "reflect": "reflect"}[spec.pad_mode]
    padded = np.pad(image, ((pad, pad), (pad, pad), (0, 0)), mode=mode)
    top, left = int(draws[0] * span), int(draws[1] * span)
    out = padded[top : top + height, left : left + width]
    if spec.flip and draws[2] < 0.5:
        out = out[:, ::-1]
    out = (out / 255.0 - MEAN) / STD
    if spec.cutout:
        top = int(draws[3] * height) - spec.cutout // 2
        left = int(draws[4] * width) - spec.cutout // 2
        out[max(top, 0) : max(top + spec.cutout, 0), max(left, 0) : max(left + spec.cutout, 0)] = 0.0
    return out


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"flip": True},
        {"pad": 2},
        {"pad": 2, "pad_mode": "reflect"},
        {"pad": 4, "flip": True},
        {"pad": 4, "pad_mode": "reflect", "flip": True},
        {"cutout": 3},
        {"cutout": 4},
        {"pad": 1, "flip": True, "cutout": 5},
    ],
    ids=str,
)
def test_equals_the_oracle(config):
    random = np.random.RandomState(1)
    images = random.randint(0, 256, (64, 7, 5, 3)).astype(np.uint8)
    draws = random.rand(64, NUM_DRAWS).astype(np.float32)
    spec = Augmentation.from_config(config, images.shape[1:])
    got = augment(images, draws, spec, MEAN, STD)[0].numpy()
    want = np.stack([oracle(i, d, spec) for i, d in zip(images, draws, strict=True)])
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, want, atol=1e-5)


def test_extreme_draws_stay_inside():
    """The largest float below 1 is the last crop, not one beyond it."""
    images = np.arange(2 * 5 * 5, dtype=np.uint8).reshape(2, 5, 5, 1)
    draws = np.full((2, NUM_DRAWS), np.nextafter(np.float32(1), np.float32(0)))
    spec = Augmentation.from_config({"pad": 2, "pad_mode": "reflect"}, (5, 5, 1))
    got = augment(images, draws, spec, (0.0,), (1 / 255,))[0].numpy()
    want = np.pad(images, ((0, 0), (2, 2), (2, 2), (0, 0)), mode="reflect")[:, 4:, 4:]
    np.testing.assert_allclose(got, want, atol=1e-4)
