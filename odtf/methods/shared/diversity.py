"""How much the peers of a cohort differ, and what that is worth: over a split, on any number of replicas.

Equal peers teach each other nothing. The values, with METRIC the one of the task that chooses:

    disagreement/ONE-OTHER      for each two peers, the share of examples on which they answer otherwise (where answers
                                are no classes: the task's agreement)
    diversity/disagreement      the mean over these pairs
    diversity/mean_METRIC       of the mean of the peers' answers, an ensemble of them
    diversity/chooser_METRIC    of one who knows for every example which peer is best: no choice exceeds it
"""

import itertools

from keras import ops

from odtf.metrics import Mean

# What the names of the sums begin with.
_PAIRS, _TOGETHER = "pairs/", "together/"


def peers_of(answers):
    """Returns those of the answers that are peers' which learn together: "peer_0" and so on, if there are several."""
    found = {name: answer for name, answer in answers.items() if name.startswith("peer_")}
    return found if len(found) > 1 else {}


def sums(task, targets, answers, weights):
    """Returns the sums of a batch by which diversity is computed: a dict from a name to a tensor.

    Args:
        task: `odtf.tasks.Task`.
        targets: targets of the batch.
        answers: dict from the name of a network to its answer.
        weights: float32 tensor `[batch]`: 0 for padding, else 1.
    """
    peers, found = peers_of(answers), {}
    if not peers or len({tuple(answer.shape) for answer in peers.values()}) > 1:
        return found  # Embeddings of several sizes cannot be compared.
    if task.agreement is not None:
        for one, other in itertools.combinations(peers, 2):
            pair = task.agreement.sums(peers[one], peers[other], weights)
            found |= {f"{_PAIRS}{one}-{other}/{key}": value for key, value in pair.items()}
    metric = task.metrics[task.choice]
    # What compares the images of a split with each other has no value of one of them.
    if isinstance(metric, Mean):
        mean = sum(peers.values()) / len(peers)
        found |= {f"{_TOGETHER}mean/{key}": value for key, value in metric.sums(targets, mean, weights).items()}
        values = ops.stack([ops.cast(metric.values(targets, answer), "float32") for answer in peers.values()])
        best = ops.max(values, axis=0) if metric.better is max else ops.min(values, axis=0)
        found |= {f"{_TOGETHER}chooser/sum": ops.sum(weights * best), f"{_TOGETHER}chooser/count": ops.sum(weights)}
    return found


def results(task, totals):
    """Takes those sums out of the totals of a split; returns the values by name.

    Args:
        task: `odtf.tasks.Task`.
        totals: dict of numpy arrays, changed in place.
    """
    groups = {}
    for name in [name for name in totals if name.startswith((_PAIRS, _TOGETHER))]:
        group, _, key = name.rpartition("/")
        groups.setdefault(group, {})[key] = totals.pop(name)
    pairs, values = {}, {}
    for group, found in groups.items():
        if group.startswith(_PAIRS):
            agreement = task.agreement.result(found)
            pairs[group.removeprefix(_PAIRS)] = 1.0 - agreement if task.agreement.share else agreement
        else:
            name = f"diversity/{group.removeprefix(_TOGETHER)}_{task.choice}"
            values[name] = task.metrics[task.choice].result(found)
    mean = {"diversity/disagreement": sum(pairs.values()) / len(pairs)} if pairs else {}
    return {f"disagreement/{pair}": value for pair, value in pairs.items()} | mean | values
