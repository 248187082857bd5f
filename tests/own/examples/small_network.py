"""A network of one's own: `--config.network.name=small_network.py:small_network --config.network.width=8`."""

import keras

from odtf.models.convolution import Pieces


def small_network(input_shape, head, *, width=8, seed=0, name="network"):
    """Two convolutions, the second at half the size, and the head that the task wants."""
    pieces = Pieces("standard", seed=seed)
    image = keras.Input(input_shape)
    stage1 = pieces.normalized(pieces.standard(image, width, 3, name="first"), name="first")
    stage2 = pieces.normalized(pieces.standard(stage1, 2 * width, 3, 2, name="second"), name="second")
    return pieces.network(image, [stage1, stage2], head, name=name)
