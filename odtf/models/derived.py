"""Networks made of another: what a specification says beside the network that it names.

Any specification may have the keys

- `cheap`: a form of `cheapen`, or a mapping of its arguments `conv`, `where` (names or patterns) and `groups`;
- `fraction`: of `narrow`, with `after` and `divisor`, its arguments.
"""

import collections.abc

from odtf.models.cheapening import cheapen
from odtf.models.narrowing import narrow

KEYS = ("cheap", "fraction", "after", "divisor")
_CHEAP = ("conv", "where", "groups")


def split(arguments, own):
    """Parts the arguments of a specification from what is made of the network.

    Args:
        arguments: dict of a specification without its name.
        own: names of the arguments that the network has itself.

    Returns:
        (arguments of the network, changes), two dicts.

    Raises:
        ValueError: if the changes are of another form.
    """
    changes = {key: value for key, value in arguments.items() if key in KEYS and key not in own}
    rest = {key: value for key, value in arguments.items() if key not in changes}
    if "fraction" not in changes and (lost := sorted({"after", "divisor"} & changes.keys())):
        raise ValueError(f"Only a network at a fraction of its channels has {', '.join(lost)}. Received: no fraction")
    if "cheap" in changes:
        cheap = changes["cheap"]
        cheap = {"conv": cheap} if isinstance(cheap, str) else cheap
        if not isinstance(cheap, collections.abc.Mapping) or not set(cheap) <= set(_CHEAP):
            raise ValueError(
                f"cheap is a form of convolution, or a mapping of {', '.join(_CHEAP)}. Received: cheap={cheap!r}"
            )
        changes["cheap"] = dict(cheap)
    return rest, changes


def derive(network, changes, *, output=None, seed=0):
    """Returns a network made cheap and narrow.

    Args:
        network: functional `keras.Model` with named taps.
        changes: dict, as `split` returns it.
        output: name of the tap that is the answer, as for `narrow`.
        seed: integer that new kernels follow from.

    Returns:
        Functional `keras.Model` with the same taps; `network` itself where there are no changes.

    Raises:
        ValueError: if the network cannot be changed so, see `cheapen` and `narrow`.
    """
    if "cheap" in changes:
        network = cheapen(network, seed=seed, **changes["cheap"])
    if "fraction" in changes:
        options = {key: changes[key] for key in ("after", "divisor") if changes.get(key) is not None}
        network = narrow(network, changes["fraction"], output=output, **options)
    return network
