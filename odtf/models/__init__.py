"""Networks written once, as functions of a convolution: peers, teachers and students are the same code.

A network is a function in the file of its name, `network(input_shape, num_classes, *, seed, name, synchronized, ...)`,
that returns a functional `keras.Model` with a dictionary of named taps for output: "stage1", "stage2" and so on, the
"embedding" that the classifier takes, and the float32 "logits" (no softmax).
"""

from odtf.models.alexnet import alexnet
from odtf.models.build import build
from odtf.models.cifar_resnet import cifar_resnet
from odtf.models.cost import Cost, cost
from odtf.models.densenet import densenet
from odtf.models.deploy import deploy
from odtf.models.googlenet import googlenet
from odtf.models.mobilenet_v2 import mobilenet_v2
from odtf.models.od_cheap_resnet import od_cheap_resnet
from odtf.models.plain_cnn import plain_cnn
from odtf.models.preact_resnet import preact_resnet
from odtf.models.resnet import resnet
from odtf.models.resnet8 import resnet8
from odtf.models.vgg import vgg
from odtf.models.wide_resnet import wide_resnet

__all__ = [
    "Cost",
    "alexnet",
    "build",
    "cifar_resnet",
    "cost",
    "densenet",
    "deploy",
    "googlenet",
    "mobilenet_v2",
    "od_cheap_resnet",
    "plain_cnn",
    "preact_resnet",
    "resnet",
    "resnet8",
    "vgg",
    "wide_resnet",
]
