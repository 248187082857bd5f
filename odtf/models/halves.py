"""A network in two: a front up to one tensor that all of the answer passes through, and the rear behind it."""

import bisect
import dataclasses
import functools
import math
import numbers

import keras

from odtf.models.costs import cost
from odtf.models.graph import calls, common_line
from odtf.models.taps import ONLY_IN_TRAINING

# Name of the tap that is the tensor of the cut.
CUT = "cut"


@dataclasses.dataclass(frozen=True)
class Halves:
    """The two parts of a network, which share its layers.

    Attributes:
        name: of the tap, or of the layer, whose output the front ends in.
        front: `keras.Model` from the image to that tensor.
        rear: `keras.Model` from that tensor to a dict of the answer alone.
        whole: `keras.Model` from the image to all taps of the network and that tensor, as `CUT`.
    """

    name: str
    front: keras.Model
    rear: keras.Model
    whole: keras.Model


def halves(network, cut, output):
    """Cuts a network in two.

    Args:
        network: functional `keras.Model` with named taps, or with its answer alone.
        cut: where: name of a tap, or of a layer; or a number in (0, 1), the front's share of the multiply-accumulates,
            to which the nearest place is taken, and of several places of one share the last.
        output: name of the tap that is the answer.

    Returns:
        `Halves`.

    Raises:
        ValueError: if there is no such place, or the answer depends on more than what passes through it.
    """
    taps = network.output if isinstance(network.output, dict) else {output: network.output}
    line = _line(network, taps[output])
    if isinstance(cut, numbers.Real) and not isinstance(cut, bool):
        name = _at_share(network, line, taps[output], cut)
    else:
        name = cut
    tensor = taps[name] if name in taps else _output_of(network, name)
    if not any(tensor is x for x in line.values()):
        raise ValueError(
            "A network is cut where all of its answer passes through, behind no skip connection to the rear: at "
            f"{', '.join(line) or 'no layer of this one'}. Received: cut={cut!r}"
        )
    return Halves(
        name,
        keras.Model(network.input, tensor, name=f"{network.name}_front"),
        keras.Model(tensor, {output: taps[output]}, name=f"{network.name}_rear"),
        keras.Model(network.input, {**taps, CUT: tensor}, name=network.name),
    )


def _line(network, answer):
    """The tensors that all of the answer passes through, by the name of the layer they come from, from the first on.

    The image and the answer are not among them.
    """
    every = calls(network)
    line = [every[i] for i in common_line([(call.input_tensors, call.outputs) for call in every], answer)]
    return {
        call.operation.name: call.outputs[0]
        for call in line[:-1]
        if call.input_tensors and not isinstance(call.operation, ONLY_IN_TRAINING)
    }


def _output_of(network, name):
    found = [call.outputs[0] for call in calls(network) if call.operation.name == name]
    if len(found) != 1:
        raise ValueError(
            f"A network is cut at a tap or a layer of it, or at a share of its multiply-accumulates. Received: {name!r}"
        )
    return found[0]


def _at_share(network, line, answer, wanted):
    if not 0.0 < wanted < 1.0:
        raise ValueError(f"The front's share of the multiply-accumulates lies in (0, 1). Received: cut={wanted}")
    if not line:
        raise ValueError(f"No tensor of the network parts it in two. Received: {network.name}")
    names = list(line)

    def macs(tensor):
        return cost(keras.Model(network.input, {CUT: tensor})).macs

    total = macs(answer)

    @functools.cache
    def share(index):
        return macs(line[names[index]]) / total

    def last_up_to(value):
        return bisect.bisect_right(range(len(names)), value, key=share) - 1

    below = last_up_to(wanted)
    above = last_up_to(share(below + 1)) if below + 1 < len(names) else below
    distance = {index: abs(share(index) - wanted) if index >= 0 else math.inf for index in (below, above)}
    return names[min(distance, key=distance.get)]
