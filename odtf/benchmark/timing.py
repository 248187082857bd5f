"""Times of alternatives, taken in turns, so that what else the machine does meets all of them alike."""

import dataclasses
import statistics
import time


def interleave(functions, repeats, warmup=2, clock=time.perf_counter):
    """Times functions in turns: A B A B ..., after a warm-up in which graphs are traced and memory is found.

    Args:
        functions: dict from a name to a callable that returns when its work is done.
        repeats: int, rounds that are timed.
        warmup: int, rounds before them.
        clock: callable that returns seconds; `time.process_time` counts the work of all threads, and does not count
            what other programs do meanwhile.

    Returns:
        dict from each name to its list of `repeats` times in milliseconds.
    """
    times = {name: [] for name in functions}
    for turn in range(warmup + repeats):
        for name, function in functions.items():
            started = clock()
            function()
            if turn >= warmup:
                times[name].append(1e3 * (clock() - started))
    return times


def summary(values):
    """Returns {"median", "min", "max"} of a list of numbers."""
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Two alternatives that were timed in the same rounds.

    Attributes:
        case: what was compared, in words.
        name: the one in question.
        times: its times in milliseconds, one a round.
        baseline: what it is held against.
        baseline_times: its times, of the same rounds.
        at_most: the largest ratio of the two that is good; None where there is no goal. Goals are for CPUs.
    """

    case: str
    name: str
    times: list
    baseline: str
    baseline_times: list
    at_most: float | None = None

    @property
    def ratio(self):
        """Time over baseline: of each round (median, min, max), and of the two fastest rounds.

        On a busy machine the ratio of the fastest rounds, those that were disturbed least, is the one to believe.
        """
        rounds = [a / b for a, b in zip(self.times, self.baseline_times, strict=True)]
        return {**summary(rounds), "of_fastest": min(self.times) / min(self.baseline_times)}

    @property
    def met(self):
        """Whether the goal is met, by the median; None without a goal."""
        return None if self.at_most is None else self.ratio["median"] <= self.at_most

    def to_json(self):
        """Returns plain data with rounded numbers: times in milliseconds."""
        return {
            "case": self.case,
            "name": self.name,
            "baseline": self.baseline,
            "ms": _rounded(summary(self.times), 3),
            "baseline_ms": _rounded(summary(self.baseline_times), 3),
            "ratio": _rounded(self.ratio, 4),
            "at_most": self.at_most,
            "met": self.met,
        }


def _rounded(values, digits):
    return {name: round(value, digits) for name, value in values.items()}
