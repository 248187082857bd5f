"""Networks written once, as functions of a convolution: peers, teachers and students are the same code.

A network is a function in the file of its name, `network(input_shape, num_classes, *, seed, name, synchronized, ...)`,
that returns a functional `keras.Model` with a dictionary of named taps for output: "stage1", "stage2", "stage3", the
"embedding" after global average pooling, and the float32 "logits" (no softmax).
"""

from odtf.models.build import build
from odtf.models.cifar_resnet import cifar_resnet
from odtf.models.cost import Cost, cost
from odtf.models.deploy import deploy
from odtf.models.od_cheap_resnet import od_cheap_resnet
from odtf.models.resnet8 import resnet8

__all__ = ["Cost", "build", "cifar_resnet", "cost", "deploy", "od_cheap_resnet", "resnet8"]
