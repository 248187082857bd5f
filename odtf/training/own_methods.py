"""The check of methods and networks of the user's own: what a config passes to them, and what it needs back."""

import inspect

from odtf.errors import UserError
from odtf.methods import Method

_METHOD = {"task": None, "seed": 0, "synchronized": False}


def check_class(method):
    """Refuses a class of methods without a loss, or whose constructor does not take what every method does.

    Raises:
        UserError: naming what is missing.
    """
    if not _is_own(method):
        return
    if method.loss_terms is Method.loss_terms:
        raise UserError(
            "A method writes loss_terms(targets, outputs): a dict from names to tensors [batch]. "
            f"Received: {method.__name__} without it."
        )
    taken = inspect.signature(method).parameters
    missing = [name for name in _METHOD if name not in taken]
    if missing and not any(p.kind is p.VAR_KEYWORD for p in taken.values()):
        raise UserError(
            "The constructor of a method takes **common too, and gives it to super().__init__(**common). "
            f"Received: {method.__name__} without {', '.join(missing)}."
        )


def check_made(method, built):
    """Refuses a method without peers, or whose peers cannot be told among the networks that were built.

    Args:
        method: `odtf.methods.Method`.
        built: names of the networks that the config's callables made.

    Raises:
        UserError: saying what a constructor does.
    """
    if not _is_own(type(method)):
        return
    peers = getattr(method, "peers", None)
    if not isinstance(peers, dict) or not peers or not hasattr(method, "task"):
        raise UserError(
            "The constructor of a method calls super().__init__(**common) and then sets self.peers, a dict from a name "
            f"to a network. Received: {type(method).__name__} with peers={peers!r}."
        )
    for name in peers:
        if not any(each == name or each.startswith((f"{name}_", "peer_")) for each in built):
            raise UserError(
                f"A peer has the name of its network: self.peers[{name!r}] = networks(seed=..., name={name!r}). "
                f"Received: {type(method).__name__} with the networks {', '.join(built)}."
            )


def _is_own(method):
    return not method.__module__.startswith("odtf.methods.")
