"""Checks of arguments, each a `UserError` in one line."""

import numbers

from odtf.errors import UserError


def integer(name, value, minimum, maximum=None):
    """Returns `value` as an int in `[minimum, maximum]`; a bool is no integer here."""
    limit = f"of at least {minimum}" if maximum is None else f"from {minimum} to {maximum}"
    whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    if not whole or value < minimum or (maximum is not None and value > maximum):
        raise UserError(f"{name} must be an integer {limit}. Received: {name}={value!r}.")
    return int(value)


def seed(value):
    """Returns `value` as a seed that fits every generator in use."""
    return integer("seed", value, 0, 2**31 - 1)


def span(name, value):
    """Returns `value` as a pair of ints (first, end), the second excluded; end may be None, for no end."""
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        raise UserError(f"{name} must be a pair (first, end), end maybe None. Received: {name}={value!r}.")
    first = integer(name, value[0], 0)
    return first, None if value[1] is None else integer(name, value[1], first + 1)


def fraction(name, value):
    """Returns `value` as a float strictly between 0 and 1."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real) or not 0 < value < 1:
        raise UserError(f"{name} must be a number between 0 and 1, both excluded. Received: {name}={value!r}.")
    return float(value)


def channel_values(name, value, channels, positive=False):
    """Returns `value` as a tuple of `channels` floats, all above zero if `positive`."""
    values = tuple(value) if hasattr(value, "__iter__") and not isinstance(value, str) else (value,)
    numeric = all(isinstance(v, numbers.Real) and not isinstance(v, bool) for v in values)
    if not numeric or len(values) != channels or (positive and min(values) <= 0):
        kind = "positive number" if positive else "number"
        raise UserError(
            f"{name} must give one {kind} per channel, {channels} here, for pixels scaled to [0, 1]."
            f" Received: {name}={value!r}."
        )
    return tuple(float(v) for v in values)


def image_size(value):
    """Returns `value` (an int, or height and width) as a pair of ints, or None."""
    return None if value is None else sides("image_size", value)


def sides(name, value):
    """Returns `value` (an int, or height and width) as a pair of ints."""
    pair = tuple(value) if isinstance(value, (tuple, list)) else (value, value)
    if len(pair) != 2:
        raise UserError(f"{name} must be one integer, or height and width. Received: {name}={value!r}.")
    return tuple(integer(name, side, 1) for side in pair)
