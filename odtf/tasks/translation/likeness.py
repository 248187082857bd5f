"""Likeness of pictures to the pictures they should be: PSNR and SSIM, one value for every image.

Outputs are images `[batch, height, width, channels]` in [-1, 1]; targets are pictures of their shape, uint8.
"""

import math

import numpy as np
from keras import ops

from odtf.metrics import Mean, Metric

# The range from -1 to 1.
RANGE = 2.0
# Equal pictures have no noise at all: they count as this much.
LARGEST_DB = 100.0
WINDOW, DEVIATION = 11, 1.5


def pictures_of(targets):
    """Returns the pictures of a batch, uint8 `[batch, height, width, channels]`, from its targets."""
    return targets["picture"] if isinstance(targets, dict) else targets


def in_unit_range(pictures):
    """Returns uint8 pictures as float32 tensors in [-1, 1], as networks get and give them."""
    return ops.cast(pictures, "float32") / 127.5 - 1.0


def _decibels(errors):
    """PSNR of mean squared errors of images in [-1, 1]."""
    smallest = RANGE**2 * 10.0 ** (-LARGEST_DB / 10.0)
    return 10.0 * ops.log10(RANGE**2 / ops.maximum(errors, smallest))


def psnr(one, other):
    """Peak signal-to-noise ratio of two batches of images in [-1, 1]: decibels, float32 `[batch]`, at most 100."""
    return _decibels(ops.mean(ops.square(ops.cast(one, "float32") - ops.cast(other, "float32")), axis=(1, 2, 3)))


def ssim(one, other):
    """Structural similarity of two batches of images in [-1, 1].

    A Gaussian window of 11x11 and deviation 1.5, constants (0.01 L)^2 and (0.03 L)^2 with L = 2, moments weighted by
    the window without a correction for bias; the mean over all places where the window lies inside the image (nothing
    is padded), and over the channels, each by itself.

    Args:
        one: tensor `[batch, height, width, channels]`, sides of at least 11.
        other: tensor of the same shape.

    Returns:
        float32 tensor `[batch]`, at most 1.

    Reference:
        Wang, Bovik, Sheikh, Simoncelli, "Image Quality Assessment: From Error Visibility to Structural Similarity",
        2004, whose code leaves the border out too.
    """
    _, height, width, channels = one.shape
    planes = [
        ops.reshape(ops.transpose(ops.cast(x, "float32"), (0, 3, 1, 2)), (-1, height, width, 1)) for x in (one, other)
    ]
    x, y = planes
    mean_x, mean_y, square_x, square_y, product = (_blurred(z) for z in (x, y, x * x, y * y, x * y))
    variance_x, variance_y = square_x - mean_x * mean_x, square_y - mean_y * mean_y
    covariance = product - mean_x * mean_y
    first, second = (0.01 * RANGE) ** 2, (0.03 * RANGE) ** 2
    luminance = (2.0 * mean_x * mean_y + first) / (mean_x * mean_x + mean_y * mean_y + first)
    structure = (2.0 * covariance + second) / (variance_x + variance_y + second)
    return ops.mean(ops.reshape(ops.mean(luminance * structure, axis=(1, 2, 3)), (-1, channels)), axis=-1)


def _blurred(planes):
    """Means under the window, wherever it lies inside: `[n, height - 10, width - 10, 1]`."""
    offsets = np.arange(WINDOW) - WINDOW // 2
    weights = np.exp(-(offsets**2) / (2.0 * DEVIATION**2))
    weights = (weights / weights.sum()).astype("float32")
    for shape in ((WINDOW, 1, 1, 1), (1, WINDOW, 1, 1)):
        planes = ops.conv(planes, weights.reshape(shape), padding="valid", data_format="channels_last")
    return planes


class PSNR(Mean):
    """The mean over the images of each one's peak signal-to-noise ratio to its picture, in decibels, at most 100."""

    title = "PSNR"
    share = False

    def values(self, targets, output):
        return psnr(output, in_unit_range(pictures_of(targets)))

    def text(self, value):
        return f"{value:.2f} dB"


class SSIM(Mean):
    """The mean structural similarity of the images to their pictures, see `ssim`."""

    title = "SSIM"
    share = False

    def values(self, targets, output):
        return ssim(output, in_unit_range(pictures_of(targets)))


class ImageAgreement(Metric):
    """PSNR between the images of two networks, or files, from the squared error over all of their pixels.

    The other's images stand for the targets.
    """

    title = "PSNR to the network"
    share = False

    def sums(self, targets, output, weights):
        difference = ops.cast(output, "float32") - ops.cast(targets, "float32")
        errors = ops.mean(ops.square(difference), axis=(1, 2, 3))
        return {"errors": ops.sum(weights * errors), "count": ops.sum(weights)}

    def result(self, sums, reference=None):
        error = float(sums["errors"]) / float(sums["count"])
        smallest = RANGE**2 * 10.0 ** (-LARGEST_DB / 10.0)
        return 10.0 * math.log10(RANGE**2 / max(error, smallest))

    def text(self, value):
        return f"{value:.2f} dB"
