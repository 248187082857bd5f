from collections import namedtuple

Cost = namedtuple("Cost", "params macs activation_bytes int8_bytes")


def cost(model, deployed=False):
    raise NotImplementedError
