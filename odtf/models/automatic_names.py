"""Names that Keras gives to layers without one: "dense", "dense_1" and so on, counted through a whole process."""

import collections
import contextlib

from keras.src.backend.common import global_state

_COUNTS = "object_name_uids"


@contextlib.contextmanager
def counted_anew():
    """Counts from the beginning inside, and goes on outside as if nothing had been counted.

    So a network of the user's own, whose layers may have no names, has the same names in every process, in every peer
    of a cohort and by itself: trained weights are found by them.
    """
    before = global_state.get_global_attribute(_COUNTS)
    global_state.set_global_attribute(_COUNTS, collections.defaultdict(int))
    try:
        yield
    finally:
        global_state.set_global_attribute(_COUNTS, before)
