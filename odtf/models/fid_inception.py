"""The Inception network of the FID: of TensorFlow's weights of 2015-12-05, as PyTorch's users have them in one file.

Heusel, Ramsauer, Unterthiner, Nessler, Hochreiter, "GANs Trained by a Two Time-Scale Update Rule Converge to a Local
Nash Equilibrium", NIPS 2017; the form is that of mseitzer/pytorch-fid, whose file of weights is
pt_inception-2015-12-05-6726825d.pth. Nothing is ever fetched: the user has it.
"""

import keras
import numpy as np

from odtf import digests
from odtf.errors import UserError
from odtf.models import torch_file

# What the file's sha256 begins with, which its name says.
_DIGEST = "6726825d"
# Sides of the images that the network was trained on.
SIZE = 299
_EPSILON = 1e-3


def is_original(path):
    """Returns whether a file holds the weights by which a Fréchet distance is called FID; False where there is none."""
    try:
        return digests.sha256_of(path).startswith(_DIGEST)
    except OSError:
        return False


def fid_inception(path):
    """Makes the network of a file.

    Args:
        path: of the state dict; it is read as data, and nothing of it is run.

    Returns:
        Functional `keras.Model` from images `[batch, height, width, 3]` in [-1, 1], whose sides should be 299, to
        features `[batch, 2048]`, the means of its last map ("pool3"); frozen.

    Raises:
        UserError: if the file cannot be read, or is of another network.
    """
    try:
        return network_of(torch_file.read_state_dict(path))
    except KeyError as error:
        raise UserError(
            f"The weights of the FID's Inception network are needed. Received: {path}, without {error.args[0]}."
        ) from error
    except ValueError as error:
        raise UserError(f"The weights of the FID's Inception network are needed. Received: {path}: {error}") from error


def network_of(weights):
    """Makes the network of a state dict; widths are those of the weights.

    Args:
        weights: mapping from PyTorch's names to arrays.

    Returns:
        As `fid_inception` has it.

    Raises:
        KeyError: naming weights that are not there.
        ValueError: if they do not fit each other.
    """
    make = _Maker(weights)
    x = image = keras.Input((None, None, 3), name="image")
    x = make.convolved(x, "Conv2d_1a_3x3", 2, "valid")
    x = make.convolved(x, "Conv2d_2a_3x3", 1, "valid")
    x = make.convolved(x, "Conv2d_2b_3x3")
    x = _shrunk(x)
    x = make.convolved(x, "Conv2d_3b_1x1")
    x = make.convolved(x, "Conv2d_4a_3x3", 1, "valid")
    x = _shrunk(x)
    for name in ("Mixed_5b", "Mixed_5c", "Mixed_5d"):
        x = make.mixed(x, name, "branch1x1", "branch5x5 1 2", "branch3x3dbl 1 2 3")
    x = make.halved(x, "Mixed_6a", "branch3x3", "branch3x3dbl 1 2 3")
    for name in ("Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e"):
        x = make.mixed(x, name, "branch1x1", "branch7x7 1 2 3", "branch7x7dbl 1 2 3 4 5")
    x = make.halved(x, "Mixed_7a", "branch3x3 1 2", "branch7x7x3 1 2 3 4")
    for name, pool in (("Mixed_7b", keras.layers.AveragePooling2D), ("Mixed_7c", keras.layers.MaxPooling2D)):
        x = make.mixed(x, name, "branch1x1", "branch3x3 1 2a|2b", "branch3x3dbl 1 2 3a|3b", pool=pool)
    x = keras.layers.GlobalAveragePooling2D(dtype="float32", name="pool3")(x)
    network = keras.Model(image, x, name="fid_inception")
    network.trainable = False
    return network


class _Maker:
    """Makes layers of weights, in float32 whatever the run computes in."""

    def __init__(self, weights):
        self._weights = weights

    def convolved(self, x, name, strides=1, padding="same"):
        """A convolution without bias, batch normalisation and ReLU."""
        kernel = self._array(f"{name}.conv.weight").transpose(2, 3, 1, 0)
        layer = name.replace(".", "_")
        options = {"strides": strides, "padding": padding, "use_bias": False, "kernel_initializer": "zeros"}
        convolution = keras.layers.Conv2D(
            kernel.shape[-1], kernel.shape[:2], dtype="float32", name=f"{layer}_conv", **options
        )
        norm = keras.layers.BatchNormalization(epsilon=_EPSILON, dtype="float32", name=f"{layer}_norm")
        x = norm(convolution(x))
        convolution.set_weights([kernel])
        parts = ("weight", "bias", "running_mean", "running_var")
        norm.set_weights([self._array(f"{name}.bn.{part}") for part in parts])
        return keras.layers.ReLU(dtype="float32", name=f"{layer}_relu")(x)

    def mixed(self, x, name, *branches, pool=keras.layers.AveragePooling2D):
        """A block of branches of one size, and of a pooling; a margin counts for no mean, as in TensorFlow."""
        parts = [self._branch(x, f"{name}.{branch}") for branch in branches]
        pooled = pool(3, 1, "same", dtype="float32", name=f"{name}_pool")(x)
        return _joined([*parts, self.convolved(pooled, f"{name}.branch_pool")], name)

    def halved(self, x, name, *branches):
        """A block whose branches end in a stride of 2, beside a pooling of the same."""
        parts = [self._branch(x, f"{name}.{branch}", 2, "valid") for branch in branches]
        return _joined([*parts, _shrunk(x)], name)

    def _branch(self, x, words, strides=1, padding="same"):
        """Convolutions one after another: "NAME" is one, "NAME 1 2" two, "NAME 1 2a|2b" ends in two side by side."""
        name, *steps = words.split()
        *first, last = [f"{name}_{step}" for step in steps] or [name]
        for each in first:
            x = self.convolved(x, each)
        ends = [last] if "|" not in last else [f"{name}_{end}" for end in last.rpartition("_")[2].split("|")]
        made = [self.convolved(x, end, strides, padding) for end in ends]
        return made[0] if len(made) == 1 else _joined(made, name)

    def _array(self, name):
        return np.asarray(self._weights[name], "float32")


def _shrunk(x):
    return keras.layers.MaxPooling2D(3, 2, dtype="float32")(x)


def _joined(parts, name):
    return keras.layers.Concatenate(dtype="float32", name=f"{name.replace('.', '_')}_joined")(parts)
