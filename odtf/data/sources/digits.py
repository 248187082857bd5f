"""scikit-learn's handwritten digits: 1,797 grey images of 8x8 pixels, inside the package itself."""

import numpy as np

from odtf.data.dataset import Split
from odtf.data.stores import MemoryStore
from odtf.errors import UserError


def digits(image_size=None):
    """Reads the digits; their 17 grey levels become 0 to 255.

    Args:
        image_size: None or (8, 8).

    Returns:
        (class names, splits by name).

    Reference:
        Alpaydin, Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning Repository, 1998.
    """
    from sklearn.datasets import load_digits

    if image_size not in (None, (8, 8)):
        raise UserError(f"digits are images of 8x8 pixels: leave image_size out. Received: image_size={image_size}.")
    bunch = load_digits()
    images = np.rint(bunch.images * (255.0 / 16.0)).astype(np.uint8)[..., np.newaxis]
    return tuple(str(name) for name in bunch.target_names), {"train": Split(MemoryStore(images, bunch.target))}
