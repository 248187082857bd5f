"""How long is left of a comparison, from what has been trained of it."""

import time


class Remaining:
    """An estimate of the seconds that are left, from the pairs of runs that are done.

    A pair that is to come takes as long as those of its own row did on average; in a row without any, as long for an
    epoch over as many images as those of the other rows. Until a pair is done nothing is known.

    Args:
        works: list of numbers, one for each row: the work of a pair in it, in any unit.
        seeds: int, how many pairs each row has.
        clock: callable that returns seconds.
    """

    def __init__(self, works, seeds, clock=time.monotonic):
        self._works, self._seeds, self._clock = list(works), seeds, clock
        self._seconds = [[] for _ in self._works]
        self._since = None

    def begin(self):
        """Says that a pair begins."""
        self._since = self._clock()

    def end(self, row, known):
        """Says that it is done.

        Args:
            row: int, of the pair.
            known: seconds that its runs took by their reports, of which some were trained before.
        """
        took = self._clock() - self._since
        # What was there already took no time now; another seed of it will.
        self._seconds[row].append(max(took, known))

    @property
    def seconds(self):
        """The seconds that are left, a float; None where no pair is done."""
        done = [(row, value) for row, values in enumerate(self._seconds) for value in values]
        if not done:
            return None
        rate = sum(value for _, value in done) / max(sum(self._works[row] for row, _ in done), 1e-9)
        left = 0.0
        for values, work in zip(self._seconds, self._works, strict=True):
            each = sum(values) / len(values) if values else rate * work
            left += (self._seeds - len(values)) * each
        return left

    def words(self):
        """Returns what is left as people say it, or "" where it is nothing or unknown."""
        return f"about {duration(self.seconds)} left" if self.seconds else ""


def duration(seconds):
    """Returns seconds as people say them: "40 s", "12 min", "3 h 05 min"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"
