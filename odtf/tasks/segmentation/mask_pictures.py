"""Pictures of masks: image, truth, what each network answers, and where the last one errs; with a legend."""

import numpy as np

_VOID_COLOR = np.array((255, 255, 255), np.uint8)
_WRONG = np.array((220, 30, 30), np.float32)


def draw(pyplot, info, images, masks, answers, void):
    """Draws one row for each image.

    Args:
        pyplot: matplotlib's.
        info: `odtf.data.Info`, with the names of the classes and their colours.
        images: uint8 `[n, height, width, channels]`.
        masks: int `[n, height, width]`, the truth.
        answers: dict from a title to class ids `[n, height, width]`; the last is the one whose errors are shown.
        void: value of pixels that count for nothing.

    Returns:
        The figure.
    """
    colors = palette(pyplot, info)
    columns = {"image": [_rgb(image) for image in images], "truth": [colored(mask, colors, void) for mask in masks]}
    for title, classes in answers.items():
        columns[title] = [colored(one, colors, void) for one in classes]
    title, last = list(answers.items())[-1]
    columns[f"errors of {title}"] = [
        errors(image, mask, one, void) for image, mask, one in zip(images, masks, last, strict=True)
    ]
    height, width = images.shape[1:3]
    size = 2.4 * len(columns), 2.4 * len(images) * height / width + 0.9
    figure, axes = pyplot.subplots(len(images), len(columns), figsize=size, layout="constrained", squeeze=False)
    for axis, (title, pictures) in zip(axes.T, columns.items(), strict=True):
        axis[0].set_title(title, fontsize=9)
        for place, picture in zip(axis, pictures, strict=True):
            place.imshow(picture, interpolation="nearest")
            place.set_xticks([])
            place.set_yticks([])
    _legend(pyplot, figure, info, colors)
    return figure


def palette(pyplot, info):
    """Returns the colours of the classes, uint8 `[classes, 3]`: those of the data, or else of a colour map."""
    if len(info.colors) == len(info.names):
        return np.array(info.colors, np.uint8)
    name = "tab10" if len(info.names) <= 10 else "tab20" if len(info.names) <= 20 else "nipy_spectral"
    places = np.arange(len(info.names)) if len(info.names) <= 20 else np.linspace(0.05, 0.95, len(info.names))
    return (255 * pyplot.get_cmap(name)(places)[:, :3]).round().astype(np.uint8)


def colored(mask, colors, void):
    """Returns a mask as a picture, uint8 `[height, width, 3]`, white where it is void."""
    known = np.append(colors, _VOID_COLOR[np.newaxis], axis=0)
    return known[np.where(mask == void, len(colors), mask)]


def errors(image, mask, classes, void):
    """Returns an image, pale and grey, with the pixels of another class than the truth in red; uint8."""
    pale = np.broadcast_to(_rgb(image).mean(-1, keepdims=True) * 0.4 + 150, (*image.shape[:2], 3))
    wrong = ((mask != void) & (mask != classes))[..., np.newaxis]
    return np.where(wrong, _WRONG, pale).round().astype(np.uint8)


def _rgb(image):
    return np.broadcast_to(image, (*image.shape[:2], 3))


def _legend(pyplot, figure, info, colors):
    patches = [
        pyplot.matplotlib.patches.Patch(facecolor=color / 255, edgecolor="0.6", label=name)
        for name, color in zip([*map(str, info.names), "void"], [*colors, _VOID_COLOR], strict=True)
    ]
    figure.legend(handles=patches, loc="outside lower center", ncols=min(len(patches), 6), fontsize=8, frameon=False)
