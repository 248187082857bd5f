"""Deep mutual learning of two depthwise peers on digits (Zhang et al., CVPR 2018; T = 1, no teacher).

    odtf-train --config=digits_dml --workdir=runs/digits_dml

No paper reports this data set. Arguments: peers, epochs.
"""

import pathlib

from odtf.training.config import free, load_config, parse_arg


def get_config(arg=None):
    """Returns the experiment's `ConfigDict`; see the module's docstring for `arg`."""
    arg = parse_arg(arg, peers=2, epochs=40)
    config = load_config(pathlib.Path(__file__).with_name("digits.py"), f"epochs={arg.epochs}")
    config.method = free({"name": "DeepMutualLearning", "num_peers": arg.peers, "temperature": 1.0})
    return config
