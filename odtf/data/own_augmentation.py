"""An augmentation of the user's own: a function of a batch and of uniform numbers."""

import tensorflow as tf

from odtf import own_code
from odtf.data.draws import of_stream
from odtf.errors import UserError

# Uniform numbers that the function gets for every image.
NUM_DRAWS = 8
# Sets its numbers apart from those of odtf's own augmentation, which stay what they are without it.
_STREAM = 1


def find(name):
    """Returns the function that `config.data.augment.also` names.

    Args:
        name: package.module:FUNCTION or FILE.py:FUNCTION of a function `also(images, draws)` made of TensorFlow's
            operations: images a uint8 tensor `[n, height, width, channels]`, cropped and flipped; draws a float32
            tensor `[n, NUM_DRAWS]`, uniform in [0, 1). It returns uint8 images of the same shape. What it does with an
            image may depend on that image and its numbers alone, so that replicas and a resumed run see the same.

    Raises:
        UserError: if there is no such function.
    """
    if not own_code.is_own(name):
        raise UserError(f"augment.also is FILE.py:FUNCTION or package.module:FUNCTION. Received: also={name!r}.")
    return own_code.find(name, "an augmentation", "a function of images and draws")


def draws(share):
    """Draws the numbers of one share of a global batch, float32 `[size * num_views, NUM_DRAWS]`; see `draws.Share`."""
    return of_stream(_STREAM, share, NUM_DRAWS)


def apply(function, images, draws):
    """Returns what the function makes of a batch.

    Raises:
        UserError: if that is no batch of uint8 images of the same shape.
    """
    changed = tf.convert_to_tensor(function(images, draws))
    if changed.dtype != tf.uint8 or not changed.shape.is_compatible_with(images.shape):
        raise UserError(
            f"augment.also must return uint8 images of the shape {tuple(images.shape)}. "
            f"Received: {changed.dtype.name} {tuple(changed.shape)}."
        )
    return tf.ensure_shape(changed, images.shape)
