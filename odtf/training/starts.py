"""Networks of a config that start from trained weights: what they take, how they then learn, and that they differ."""

import collections.abc

from odtf import models
from odtf.errors import UserError
from odtf.methods.shared.warm_start import WarmStart, twins


class Starts:
    """What the networks of a cohort start from.

    Args:
        load: callable `load(source)` that turns the source of an `init` into what `odtf.models.start` takes; None: no
            network starts from anything.
        knows_head: bool, whether the networks have the heads that they will have; otherwise none is demanded.

    Attributes:
        made: dict from a network's name to the `odtf.models.Started` of what it took.
    """

    def __init__(self, load, knows_head=True):
        self._load, self._knows_head = load, knows_head
        self.made = {}

    def apply(self, network, init, maker, changed):
        """Gives a network the weights that its specification names, unless they are loaded later.

        Args:
            network: network, as it was built; its weights change.
            init: its `init`: text, a mapping of "source", "head" and "changed", or None for no start.
            maker: the name in its specification.
            changed: bool, whether this is the network that `cheap` and `fraction` have made, not the one that they
                change. Its `init` is for one of the two.

        Raises:
            ValueError: if they do not fit, or `init` is of another form.
        """
        if init is None or self._load is None:
            return
        init = dict(init) if isinstance(init, collections.abc.Mapping) else {"source": init}
        source, head, of_changed = init.pop("source", None), init.pop("head", None), init.pop("changed", False)
        fits = isinstance(source, str), isinstance(head, bool | None), isinstance(of_changed, bool)
        if init or not all(fits):
            said = {"source": source, "head": head, "changed": of_changed}
            raise ValueError(
                "init is what to start from, as text, or a mapping of 'source', 'head' (True, False or None) and "
                "'changed' (True where the source already is what cheap and fraction make). "
                f"Received: init={init or said!r}."
            )
        if of_changed != changed:
            return
        head = None if head and not self._knows_head else head
        if source == "imagenet":  # Of a function of keras.applications, whose name the network need not have.
            source = f"imagenet:{maker.rpartition(':')[2]}"
        self.made[network.name] = models.start(network, self._load(source), head=head, title=source)


def set_warm_start(config, method):
    """Tells a method how its networks that start from trained weights learn, if there are such.

    Args:
        config: `ConfigDict`.
        method: `odtf.methods.Method` with the attribute `starts`.

    Raises:
        UserError: if `config.init` is about none, or peers would stay equal for ever.
    """
    if method.starts:
        method.warm_start = WarmStart(config.init.frozen_epochs, config.init.body_rate)
    elif config.init.frozen_epochs or config.init.body_rate != 1:
        raise UserError(
            "config.init is about networks that start from trained weights, as config.network.init names them. "
            f"Received: {config.init.to_dict()}, and no network with init."
        )
    if pair := twins(method, config.data.num_views):
        raise UserError(
            f"{pair[0]} and {pair[1]} start with equal weights and see the same images, and {config.method.name} would "
            "leave them equal for ever: an init without its head ({'source': ..., 'head': False}), a start for each in "
            f"config.method.networks, or config.data.num_views={len(method.peers)} would be right. "
            f"Received: init={method.starts[pair[1]].source!r}."
        )
