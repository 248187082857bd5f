"""Who uses what a layer makes."""

import collections

import keras
from keras import layers

from odtf.models.graph import calls
from odtf.quantization.canonical_layers import KERNELS
from odtf.quantization.kinds import FUSING, JOINS, is_fused_activation

_JOINING = tuple(JOINS)


class Usage:
    """The edges of a canonical network, each of whose layers is called once.

    Args:
        network: functional `keras.Model`.
        floats: names of the layers that stay in float; LayerNormalization is one of them.

    Attributes:
        floats: the same.
        folded: layers with a kernel that their batch normalisation takes up.
    """

    def __init__(self, network, floats):
        self.floats = floats
        self._inputs, self._outputs, self._makers, self._users = {}, {}, {}, collections.defaultdict(list)
        for node in (call for call in calls(network) if not call.is_input):
            self._inputs[node.operation], self._outputs[node.operation] = node.input_tensors, node.outputs[0]
            self._makers[id(node.outputs[0])] = node.operation
            for x in node.input_tensors:
                self._users[id(x)].append(node.operation)
        taps = {id(x) for x in keras.tree.flatten(network.output)}
        # A tap of a network of odtf's own is what training looks at, which may be what comes before a rounding.
        self._answers = set() if isinstance(network.output, dict) else taps
        self.folded = {
            layer
            for layer, output in self._outputs.items()
            if isinstance(layer, KERNELS)
            and layer.name not in floats
            and id(output) not in taps
            and isinstance(user := self._only_user(layer), layers.BatchNormalization)
            and user.name not in floats
        }

    def input_of(self, layer):
        """Returns the KerasTensor that a layer with one input takes."""
        return self._inputs[layer][0]

    def reads_input(self, layer):
        """Whether a layer takes what the network is fed."""
        return isinstance(self.input_of(layer)._keras_history.operation, layers.InputLayer)

    def folded_into(self, norm):
        """Returns the layer with a kernel that a batch normalisation takes up, or None."""
        maker = self._makers.get(id(self.input_of(norm)))
        return maker if maker in self.folded else None

    def leaves_rounding(self, layer):
        """Whether the one layer that takes a layer's output rounds it, in one operator with it or to equal scales.

        Nothing is rounded between two layers in float either.
        """
        output = self._outputs[layer]
        if id(output) in self._answers or isinstance(layer, _JOINING):
            return False  # The inputs of a join need its range.
        if layer.name in self.floats:
            users = self._users[id(output)]
            return bool(users) and all(user.name in self.floats for user in users)
        user = self._only_user(layer)
        if user is None or user.name in self.floats:
            return False
        return isinstance(user, _JOINING) or (isinstance(layer, FUSING) and is_fused_activation(user))

    def _only_user(self, layer):
        users = self._users[id(self._outputs[layer])]
        return users[0] if len(users) == 1 else None
