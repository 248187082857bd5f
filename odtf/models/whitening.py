"""The first convolution of a network, initialised so that it whitens patches of the training images."""

import keras
import numpy as np


def whitening_filters(images, size, epsilon=5e-4):
    """Finds the filters that make uncorrelated values of unit variance of the patches of images.

    Filter i is the i-th eigenvector of the patches' second moment, over sqrt(its eigenvalue + epsilon); the largest
    eigenvalue comes first.

    Args:
        images: float array `[n, height, width, channels]`, normalised.
        size: (height, width) of a patch.
        epsilon: float, which keeps directions without variance small.

    Returns:
        float64 array `[height, width, channels, height * width * channels]`, a filter in the last axis.

    Reference:
        Page, "How to train your ResNet 8: bag of tricks", 2019; the form is that of airbench.
    """
    images = np.asarray(images, np.float64)
    channels = images.shape[-1]
    patches = np.lib.stride_tricks.sliding_window_view(images, size, axis=(1, 2))
    patches = np.moveaxis(patches, 3, -1).reshape(-1, size[0] * size[1] * channels)
    values, vectors = np.linalg.eigh(patches.T @ patches / len(patches))
    filters = vectors[:, ::-1] / np.sqrt(np.maximum(values[::-1], 0.0) + epsilon)
    return filters.reshape(*size, channels, -1)


def whiten_stem(network, images):
    """Gives the first convolution of a network the leading filters that whiten, each with both signs.

    Of F filters the first F // 2 are those, the next F // 2 their negatives; where there are more than twice as many as
    a patch has values, the rest stay as they were initialised. All weights are trained on as any others.

    Args:
        network: `keras.Model` of images.
        images: float array `[n, height, width, channels]`, as the network takes them in training.

    Raises:
        ValueError: if it does not begin with a standard convolution of more than one pixel, or that has been taken from
            trained weights.
    """
    stem = next((layer for layer in network._flatten_layers() if hasattr(layer, "kernel")), None)
    channels = images.shape[-1]
    standard = isinstance(stem, keras.layers.Conv2D) and tuple(stem.kernel.shape[2:3]) == (channels,)
    if not standard or int(np.prod(stem.kernel.shape[:2])) == 1:
        received = "no convolution" if stem is None else f"the layer {stem.name}, {type(stem).__name__}"
        raise ValueError(
            f"A whitened stem is a standard convolution of more than one pixel that takes the image. "
            f"Received: {network.name} with {received} first."
        )
    if getattr(stem, "warm_started", False):
        raise ValueError(f"A stem from trained weights stays as it is. Received: {network.name}, {stem.name}.")
    kernel = np.array(stem.kernel)
    filters = whitening_filters(images, kernel.shape[:2])
    count = min(kernel.shape[-1] // 2, filters.shape[-1])
    kernel[..., :count], kernel[..., count : 2 * count] = filters[..., :count], -filters[..., :count]
    stem.kernel.assign(kernel)
