"""What several seeds say together: mean, spread, extremes, and the interval of a paired gain by Student's t."""

import math
import statistics

# The share of such intervals that hold the true mean.
CONFIDENCE = 0.95


def spread_of(numbers):
    """Returns how numbers lie: a dict of n, mean, std (with n - 1; 0 of one number), least and greatest."""
    numbers = list(numbers)
    std = statistics.stdev(numbers) if len(numbers) > 1 else 0.0
    return {
        "n": len(numbers),
        "mean": statistics.fmean(numbers),
        "std": std,
        "least": min(numbers),
        "greatest": max(numbers),
    }


def paired(gains):
    """Returns `spread_of` gains, each of one seed, and "interval": see `interval_of`."""
    gains = list(gains)
    return {**spread_of(gains), "interval": interval_of(gains)}


def interval_of(gains, confidence=CONFIDENCE):
    """Computes the interval of a mean by Student's t: mean ± t s / sqrt(n), t of n - 1 degrees of freedom.

    Of pairs it is the interval of their differences: what a seed does to both sides falls out.

    Args:
        gains: list of floats, one for each seed.
        confidence: float in (0, 1), the share of such intervals that hold the true mean.

    Returns:
        [low, high]; None of fewer than two numbers, which have none.
    """
    if len(gains) < 2:
        return None
    half = t_quantile(0.5 + confidence / 2, len(gains) - 1) * statistics.stdev(gains) / math.sqrt(len(gains))
    mean = statistics.fmean(gains)
    return [mean - half, mean + half]


def t_quantile(probability, degrees):
    """Returns the quantile of Student's t distribution.

    Args:
        probability: float in (0, 1).
        degrees: int, at least 1, of freedom.
    """
    from scipy.special import stdtrit

    return float(stdtrit(degrees, probability))


def excludes_zero(gain):
    """Whether what `paired` returned shows a gain or a loss: its interval holds no 0."""
    return gain["interval"] is not None and (gain["interval"][0] > 0 or gain["interval"][1] < 0)


def gain_of(pair, who, split, metric):
    """Returns by how much something of a pair is better than the network alone: positive where it is.

    Args:
        pair: dict, as `odtf.compare.pairing.run` has them.
        who: "student" or "typical".
        split: "val" or "test".
        metric: dict, as `odtf.training.report.metric_of` returns it.
    """
    value, alone = (pair[one][f"{split}_{metric['name']}"] for one in (who, "alone"))
    return value - alone if metric["better"] == "max" else alone - value


def relative_gains(pairs, metric):
    """Returns the gain on the test split of each pair as a share of what the network alone has; None where that is 0.

    Args:
        pairs: list of dicts, as `odtf.compare.pairing.run` has them.
        metric: dict, as `odtf.training.report.metric_of` returns it.
    """
    alone = [pair["alone"][f"test_{metric['name']}"] for pair in pairs]
    if not all(alone):
        return None
    return [gain_of(pair, "student", "test", metric) / abs(value) for pair, value in zip(pairs, alone, strict=True)]


def summary(pairs, metric):
    """Computes mean, spread and intervals over the pairs of a config.

    Args:
        pairs: list of dicts, as `odtf.compare.pairing.run` has them.
        metric: dict, as `odtf.training.report.metric_of` returns it.

    Returns:
        dict "SPLIT_WHAT" -> what `spread_of` returns, of gains what `paired` does; SPLIT: val, test; WHAT: student,
        alone, typical, and the paired gain and typical_gain over the network alone, positive where it is worse alone.
        And "relative_gain", of the test split, None where the network alone has 0; "seconds", of the method's run, of
        the network alone, and the ratio of both.
    """
    result = {}
    for split in ("val", "test"):
        key = f"{split}_{metric['name']}"
        for who in ("student", "alone", "typical"):
            result[f"{split}_{who}"] = spread_of(pair[who][key] for pair in pairs)
        for gain, who in (("gain", "student"), ("typical_gain", "typical")):
            result[f"{split}_{gain}"] = paired(gain_of(pair, who, split, metric) for pair in pairs)
    relative = relative_gains(pairs, metric)
    result["relative_gain"] = None if relative is None else paired(relative)
    seconds = {who: statistics.fmean(pair["got"][who]["seconds"] for pair in pairs) for who in ("run", "alone")}
    result["seconds"] = {**seconds, "ratio": seconds["run"] / max(seconds["alone"], 0.1)}
    return result
