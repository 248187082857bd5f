"""Networks written once, as functions of a convolution: peers, teachers and students are the same code.

A network is a function in the file of its name in `odtf/models/backbones`, and an attribute of this package:
`network(input_shape, head, *, seed, name, synchronized, ...)`. It returns a functional `keras.Model` with a dictionary
of named taps for output: "stage1", "stage2" and so on, and those of its head. The head is what the task wants: of a
number of classes the taps are the "embedding" that the classifier takes, and the float32 "logits" (no softmax); others
are in `odtf.models.heads`. A network of one's own from layers of Keras ends in
`odtf.models.convolution.Pieces("standard", seed=seed).network(inputs, stages, head, name=name)`, `stages` being its
list of maps, which puts the head on. Generators of images are networks with the head `heads.Image()`; what trains them
beside is not deployed: `patch_discriminator`, `channel_adapter`, and the `perceptual_features` of a network that the
user brings. `from_keras` makes such a network of any Keras model; `cheapen` and `narrow` make a cheap or a narrow
network of another, or of any functional model.
"""

from odtf.models import heads, specification
from odtf.models.adapters import channel_adapter
from odtf.models.changes import Change
from odtf.models.cheapening import cheapen
from odtf.models.costs import Cost, cost
from odtf.models.deployment import deploy
from odtf.models.discriminators import patch_discriminator
from odtf.models.model_names import shape_for
from odtf.models.narrowing import narrow
from odtf.models.own import from_keras
from odtf.models.perception import perceptual_features
from odtf.models.specification import build
from odtf.models.starting import Started, start

__all__ = [
    "Change",
    "Cost",
    "Started",
    "build",
    "channel_adapter",
    "cheapen",
    "cost",
    "deploy",
    "from_keras",
    "heads",
    "narrow",
    "patch_discriminator",
    "perceptual_features",
    "shape_for",
    "start",
    *specification.names(),
]


def __getattr__(name):
    if name in specification.names():
        return specification.find(name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted(__all__)
