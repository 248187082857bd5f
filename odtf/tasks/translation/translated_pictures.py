"""Pictures of translations: image, pair, and what each network or file makes of the image, in columns."""

import numpy as np

_TALLEST = 2.2


def draw(pyplot, images, pictures, answers, has_pairs):
    """Draws one row for each image.

    Args:
        pyplot: matplotlib's.
        images: uint8 `[n, height, width, channels]`.
        pictures: uint8 `[n, height, width, channels]`, what they should become, or any of the other set.
        answers: dict from a title to images in [-1, 1].
        has_pairs: whether the pictures are those of the images.

    Returns:
        The figure.
    """
    title = "pair" if has_pairs else "one of the other set"
    columns = {"image": images, title: pictures, **{name: levels(one) for name, one in answers.items()}}
    height, width = images.shape[1:3]
    size = _TALLEST * len(columns) * min(1.0, width / height), _TALLEST * len(images) * min(1.0, height / width) + 0.4
    figure, axes = pyplot.subplots(len(images), len(columns), figsize=size, layout="constrained", squeeze=False)
    for axis, (title, shown) in zip(axes.T, columns.items(), strict=True):
        axis[0].set_title(title, fontsize=8)
        for place, picture in zip(axis, shown, strict=True):
            place.imshow(picture.squeeze(), cmap="gray", vmin=0, vmax=255, interpolation="nearest")
            place.set_xticks([])
            place.set_yticks([])
    return figure


def levels(images):
    """Returns images in [-1, 1] as uint8, rounded."""
    return np.clip(np.rint(127.5 * (np.asarray(images) + 1.0)), 0, 255).astype(np.uint8)
