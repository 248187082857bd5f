"""A small network alone, and the same one distilled, side by side, on scikit-learn's digits (1,797 grey images, 8x8).

    odtf-train --config=gain --workdir=runs/gain

Four peers of 1,046 parameters with shift convolutions and an online teacher, then the network of their student alone
with the same epochs and the same schedule: two verified files, and the difference between them in this one run. One
run says little, in either direction: `odtf-compare --config=gain --seeds=5 --workdir=DIR --json=gain.json` has the
interval.

Arguments: block (depthwise, group, shift), depth (6n+2), width, peers, epochs.
"""

import pathlib

from odtf.training.config import load_config, parse_arg


def get_config(arg=None):
    """Returns the experiment's `ConfigDict`; see the module's docstring for `arg`."""
    arg = parse_arg(arg, block="shift", depth=8, width=4, peers=4, epochs=40)
    text = f"block={arg.block},depth={arg.depth},peers={arg.peers},epochs={arg.epochs}"
    config = load_config(pathlib.Path(__file__).with_name("digits.py"), text)
    config.network.width = arg.width
    config.schedule.learning_rate = 0.1
    config.compare.alone = True
    return config
