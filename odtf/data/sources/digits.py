"""scikit-learn's handwritten digits: 1,797 grey images of 8x8 pixels, inside the package itself."""

import numpy as np

from odtf.data.dataset import Split
from odtf.data.samples import LABEL, check
from odtf.data.stores import MemoryStore
from odtf.errors import UserError

FORM = "'digits'"


def open_source(argument, *, data_dir, image_size, targets):
    """Reads the digits; their 17 grey levels become 0 to 255.

    Args:
        argument: "".
        data_dir: of no meaning here.
        image_size: None or (8, 8).
        targets: an integer "label".

    Returns:
        Names of the classes, splits by name.

    Raises:
        UserError: for any other argument.

    Reference:
        Alpaydin, Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning Repository, 1998.
    """
    from sklearn.datasets import load_digits

    check("digits", LABEL, targets)
    if argument:
        raise UserError(f"digits take nothing after a colon. Received: 'digits:{argument}'.")
    if image_size not in (None, (8, 8)):
        raise UserError(f"digits are images of 8x8 pixels: leave image_size out. Received: image_size={image_size}.")
    bunch = load_digits()
    images = np.rint(bunch.images * (255.0 / 16.0)).astype(np.uint8)[..., np.newaxis]
    names = tuple(str(name) for name in bunch.target_names)
    return names, {"train": Split(MemoryStore(images, {"label": bunch.target}, targets))}
