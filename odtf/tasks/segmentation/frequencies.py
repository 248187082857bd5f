"""Weights of classes that are rare, from how many pixels of the training masks they have."""

import numpy as np

KINDS = ("inverse", "median_frequency")
_CHUNK = 64


def checked(weights):
    """Returns what stands for class weights: None ("none" in a flag), one of `KINDS`, or numbers as a tuple.

    Raises:
        ValueError: if it is none of these.
    """
    if weights is None or (isinstance(weights, str) and weights in ("none", *KINDS)):
        return None if weights == "none" else weights
    numbers = tuple(weights) if isinstance(weights, (list, tuple)) else ()
    if not numbers or not all(isinstance(w, (int, float)) and not isinstance(w, bool) and w >= 0 for w in numbers):
        raise ValueError(
            f"class_weights is None, one of {', '.join(KINDS)}, or a list of numbers of 0 and more. "
            f"Received: class_weights={weights!r}."
        )
    return numbers


def class_weights(dataset, kind, ignore):
    """Computes the weights of all classes from the training masks, which are all read once.

    "inverse": 1 / (classes * f), f the share of a class in all pixels: the mean weight of a pixel is 1.
    "median_frequency": median(f) / f, f the share of a class in the pixels of those images that show it. Classes that
    no mask shows weigh 1.

    Args:
        dataset: `odtf.data.ImageDataset` of one target, a mask.
        kind: one of `KINDS`.
        ignore: int, the id of pixels that are not counted.

    Returns:
        Tuple of floats, one for each class.

    Reference:
        Eigen, Fergus, "Predicting Depth, Surface Normals and Semantic Labels with a Common Multi-Scale Convolutional
        Architecture", 2015, section 6.3.2 (median frequency balancing).
    """
    split, classes = dataset.splits["train"], len(dataset.names)
    pixels, shown_in = np.zeros(classes), np.zeros(classes)
    for start in range(0, len(split), _CHUNK):
        (masks,) = split.store.read_targets(split.rows[start : start + _CHUNK]).values()
        for mask in masks:
            counts = np.bincount(mask[mask != ignore].ravel(), minlength=classes)[:classes]
            pixels += counts
            shown_in += counts.sum() * (counts > 0)
    present = pixels > 0
    whole = shown_in if kind == "median_frequency" else np.full(classes, pixels.sum())
    shares = np.where(present, pixels / np.maximum(whole, 1.0), 1.0)
    scale = np.median(shares[present]) if kind == "median_frequency" else 1.0 / present.sum()
    return tuple(np.where(present, scale / shares, 1.0).tolist())
