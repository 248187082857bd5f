"""The uncompressed network that a cheap one stands for, and how much smaller than it that one is."""

import json

from odtf.training import config as config_lib
from odtf.training import data_record

# What makes another network of the one that a specification names, see `odtf.models.derived`; and what it starts from.
_CHANGES = ("cheap", "fraction", "after", "divisor", "init")
# What only cheap convolutions have.
_OF_CHEAP = ("groups", "expansion")
# What all generators of images stand for: the full ResNet-9, by which the compression of GANs is measured.
_GENERATORS = ("resnet_generator", "unet_generator")
_FULL_GENERATOR = {"name": "resnet_generator", "conv": "standard", "width": 64}
# Networks that have cheap convolutions alone, and what they become.
_STANDARD = {"od_cheap_resnet": ("cifar_resnet", ("depth", "width"))}


def original_of(network):
    """Returns the specification with standard convolutions and all channels; of generators, the full ResNet-9.

    Args:
        network: mapping, a specification of a network, as `config.network` is one.

    Returns:
        dict; equal to the specification where that is not compressed.
    """
    found = {key: value for key, value in dict(network).items() if key not in _CHANGES}
    if found["name"] in _GENERATORS:
        return dict(_FULL_GENERATOR)
    if found["name"] in _STANDARD:
        name, keys = _STANDARD[found["name"]]
        return {"name": name, **{key: found[key] for key in keys if key in found}}
    if found.get("conv", "standard") != "standard":
        found = {key: value for key, value in found.items() if key not in _OF_CHEAP} | {"conv": "standard"}
    return found


class Compressions:
    """Parameters and multiply-adds of networks beside those of their originals; each original is built once."""

    def __init__(self):
        self._costs = {}

    def of(self, run, student, network):
        """Returns how much a student is compressed.

        Args:
            run: `odtf.runs.Run` in which it learned.
            student: mapping, its row in the report, with "params" and "macs".
            network: its specification.

        Returns:
            dict: "network", the specification of the original, its "params" and "macs", and the ratios
            "params_ratio" and "macs_ratio", above 1 where the student is smaller. None where the run does not say what
            its images were.
        """
        if run.data_record is None or "macs" not in student:
            return None
        original = original_of(network)
        key = json.dumps([original, run.data_record["image_shape"], run.data_record["names"]], sort_keys=True)
        if key not in self._costs:
            self._costs[key] = _cost(run, original)
        cost = self._costs[key]
        both = (what for what in ("params", "macs") if student[what] and cost[what])
        ratios = {f"{what}_ratio": cost[what] / student[what] for what in both}
        return {"network": original, **cost, **ratios}


def _cost(run, network):
    from odtf.training import cohorts, report

    info = data_record.info_of(run.data_record)
    config = config_lib.from_json(config_lib.to_json(run.config))
    config.quantization.aware = False
    built = cohorts.make_network(config, {"name": "peer_0", "network": network}, info)
    return report.cost_of(built, cohorts.make_task(config))
