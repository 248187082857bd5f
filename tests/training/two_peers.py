"""The quick start with two peers of two layers: what a run does around its steps does not depend on them.

odtf-train --config=tests/training/two_peers.py --workdir=DIR
"""

from odtf.training.config import free, load_config, parse_arg


def get_config(arg=None):
    """Returns the experiment's `ConfigDict`; argument: epochs."""
    arg = parse_arg(arg, epochs=1)
    config = load_config("configs/digits.py", f"peers=2,epochs={arg.epochs}")
    with config.unlocked():
        config.network = free({"name": "plain_cnn", "widths": (4, 8)})
    return config
