"""Smaller images in the first epochs: a step costs less, and what it teaches at first needs no detail."""

import collections.abc

import keras
import numpy as np
from keras import ops


class Resizing:
    """Training images of other sizes in the first epochs; validation, test and the last epochs have the data's own.

    The mean over the pixels that each new one covers, so that nothing aliases. A method's attribute `resizing` is one
    of these; `accept` then lets its networks take other sizes than those that they were built for.

    Args:
        stages: iterable of (epoch, height, width), rising by epoch from 0: how large images are from that epoch on;
            the data's size must be the last of them.

    Raises:
        ValueError: if they are not such.

    Reference:
        Howard, "Training Imagenet in 3 hours for $25; and CIFAR10 for $0.26", fast.ai, 2018.
    """

    def __init__(self, stages):
        self.stages = [tuple(int(value) for value in stage) for stage in stages]
        epochs = [epoch for epoch, *_ in self.stages]
        if not epochs or epochs[0] != 0 or epochs != sorted(set(epochs)) or any(min(s[1:]) < 1 for s in self.stages):
            raise ValueError(f"Stages are (epoch, height, width), rising from epoch 0. Received: {stages!r}.")
        self.size = self.stages[0][1:]

    def size_at(self, epoch):
        """Returns (height, width) of the images in an epoch, from 0."""
        return next(size for first, *size in reversed(self.stages) if first <= epoch)

    def begin_epoch(self, epoch):
        """Enters an epoch; returns whether images are of another size in it: steps must be traced anew."""
        before, self.size = tuple(self.size), tuple(self.size_at(epoch))
        return self.size != before

    def __call__(self, images):
        """Returns a batch, or the images of one that are beside stored answers, in the size of this epoch."""
        if isinstance(images, collections.abc.Mapping):
            return {**images, "images": self(images["images"])}
        *lead, height, width, channels = images.shape
        if (height, width) == tuple(self.size):
            return images
        rows, columns = (area_weights(*sides) for sides in zip((height, width), self.size, strict=True))
        flat = ops.reshape(images, (-1, height, width, channels))
        rows, columns = (ops.convert_to_tensor(weights, images.dtype) for weights in (rows, columns))
        small = ops.einsum("nhwc,ih,jw->nijc", flat, rows, columns)
        lead = [-1 if side is None else side for side in lead]
        return ops.reshape(small, (*lead, *self.size, channels))

    def accept(self, method, image_shape, num_views=1):
        """Lets the networks of a cohort take all sizes, and shows that they do.

        Args:
            method: `odtf.methods.Method`.
            image_shape: (height, width, channels) of the data.
            num_views: int, how many views of an image there are.

        Raises:
            ValueError: if a network has a layer that takes one size alone, or is left without pixels.
        """
        for network in (layer for layer in method._flatten_layers() if isinstance(layer, keras.Model)):
            if network is not method:
                network.input_spec = None
        for _, height, width in self.stages:
            views = (num_views,) if num_views > 1 else ()
            try:
                method(ops.zeros((2, *views, height, width, image_shape[-1])), training=False)
            except Exception as error:
                raise ValueError(f"Networks must take images of any size. Received: {height}x{width}.") from error


def area_weights(length, target):
    """Returns how much each pixel of a line counts in each one of another length: float64 `[target, length]`.

    A new pixel is the mean over the part of the line that it covers, pixels at its ends by their share.
    """
    edges = np.linspace(0.0, length, target + 1)
    pixels = np.arange(length)
    covered = np.minimum(edges[1:, np.newaxis], pixels + 1) - np.maximum(edges[:-1, np.newaxis], pixels)
    return np.maximum(covered, 0.0) * target / length
