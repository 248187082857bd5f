"""Memory of tensors that come and go: how much of it is alive at once."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Lifetime:
    """A tensor for as long as it takes memory.

    Attributes:
        size: bytes.
        first: number of the operator that writes it.
        last: number of the last operator that reads it, at least `first`.
    """

    size: int
    first: int
    last: int


def peak(tensors):
    """Returns the most bytes of a list of `Lifetime` that are alive at once: no plan of their memory takes less."""
    numbers = {tensor.first for tensor in tensors}
    return max((sum(t.size for t in tensors if t.first <= n <= t.last) for n in numbers), default=0)
