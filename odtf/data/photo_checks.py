"""Checks of the augmentations that photographs are trained with, each a `UserError` in one line."""

import numbers

from odtf.errors import UserError


def in_range(name, value, least, most, wanted, received=None):
    """Refuses a value that is no number from `least` to `most`.

    Args:
        name: key of `config.data.augment`.
        value: what is checked.
        least, most: both included.
        wanted: words for what is right.
        received: what is shown in place of the value; None: itself.

    Raises:
        UserError: if it is none.
    """
    is_number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not is_number or not least <= value <= most:
        raise UserError(
            f"augment.{name} must be {wanted}. Received: {name}={value if received is None else received!r}."
        )


def pair(name, value, least, most, wanted):
    """Returns a (least, most) as a tuple, both of them in a range.

    Raises:
        UserError: if it is none, or in the other order.
    """
    both = tuple(value) if isinstance(value, (tuple, list)) and len(value) == 2 else (value, least - 1)
    for one in both:
        in_range(name, one, least, most, wanted, value)
    if both[0] > both[1]:
        raise UserError(f"augment.{name} must be (least, most), in this order. Received: {name}={value!r}.")
    return both


def check(spec, image_shape):
    """Returns the checked values of those augmentations by their names.

    Args:
        spec: `odtf.data.Augmentation`.
        image_shape: (height, width, channels), or None.

    Raises:
        UserError: if one is out of range, or does not go with another or with the images.
    """
    found = {"crop_ratio": pair("crop_ratio", spec.crop_ratio, 0.01, 100.0, "(least, most), both above 0")}
    if spec.crop_area is not None:
        words = "None, or (least, most) in (0, 1], such as (0.08, 1.0)"
        found["crop_area"] = pair("crop_area", spec.crop_area, 1e-4, 1.0, words)
        others = {"pad": spec.pad, "load_size": spec.load_size, "scale": tuple(spec.scale) != (1.0, 1.0)}
        if other := [name for name, value in others.items() if value]:
            raise UserError(
                f"augment.crop_area and {other[0]} are two ways to crop: one is used. "
                f"Received: {other[0]}={getattr(spec, other[0])!r}."
            )
    in_range("hue", spec.hue, 0.0, 0.5, "a number in [0, 0.5], a share of the circle of hues")
    if spec.hue and image_shape and image_shape[2] != 3:
        raise UserError(
            f"augment.hue is for images with colours. Received: hue={spec.hue} for {image_shape[2]} channel."
        )
    if spec.rand_augment is not None:
        found["rand_augment"] = _rand_augment(spec.rand_augment, image_shape)
    for name in ("mixup", "cutmix"):
        in_range(name, getattr(spec, name), 0.0, 100.0, "a number of at least 0, the alpha of Beta(alpha, alpha)")
    return found


def _rand_augment(value, image_shape):
    wanted = "None, or (operations, strength): an integer from 1 to 8, and a number from 0 to 30"
    is_pair = isinstance(value, (tuple, list)) and len(value) == 2
    if not is_pair or not isinstance(value[0], int) or isinstance(value[0], bool):
        raise UserError(f"augment.rand_augment must be {wanted}. Received: rand_augment={value!r}.")
    in_range("rand_augment", value[0], 1, 8, wanted, value)
    in_range("rand_augment", value[1], 0, 30, wanted, value)
    if image_shape and (image_shape[2] not in (1, 3) or min(image_shape[:2]) < 3):
        raise UserError(
            f"augment.rand_augment is for grey or RGB images of 3 x 3 pixels or more. Received: {tuple(image_shape)}."
        )
    return tuple(value)
