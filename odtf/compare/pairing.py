"""Runs and their pairs: every method's student with the same network alone, over the same seeds."""

import hashlib
import json
import re
import statistics

from odtf import workdir_lock
from odtf.compare import baseline, child_runs
from odtf.compare.plan import stretched
from odtf.errors import UserError
from odtf.files import make_directory
from odtf.training import config as config_lib
from odtf.training import data_record
from odtf.training.report import metric_of, shown


def run(plan, workdir, *, peer=None, log=print, allow_code=False):
    """Trains everything that is not trained yet, and pairs the results.

    Args:
        plan: what `odtf.compare.plan.make_plan` returned.
        workdir: directory of the runs; each is a workdir of odtf-train.
        peer: str, the peer to compare where a method has one of that name; None: validation's choice.
        log: callable that takes one line of text.
        allow_code: as for `odtf.runs.train`.

    Returns:
        dict: "seeds", "equal", "metric" (what `metric_of` returns) and "rows", for each config: label, method,
        batch_size, learning_rate, pairs and the statistics of `summary`. A pair has seed; student, alone and typical
        (the values of the peers as large as the student, on average); val_gain and test_gain; teacher; members, of how
        many networks the student is made, of which the first is the one alone; and got, for the method's whole run, the
        student within it and the network alone: epochs, steps, images and seconds (the student's are not known).

    Raises:
        UserError: if a run fails, or another process writes to the workdir.
    """
    with workdir_lock.writing(workdir):
        return _run(plan, make_directory(workdir), peer, log, allow_code)


def _run(plan, workdir, peer, log, allow_code):
    first = {}
    rows, metric, total = [], None, len(plan["entries"]) * len(plan["seeds"])
    for label, config in plan["entries"]:
        pairs = []
        for seed in plan["seeds"]:
            log(f"[{len(rows) * len(plan['seeds']) + len(pairs) + 1}/{total}] {label}, seed {seed}")
            method = child_runs.train(_with_seed(config, seed), workdir / _name(label) / f"seed-{seed}", allow_code)
            metric = metric_of(method.report)
            name = peer if peer in method.peers else method.student
            alone = _train_alone(config, method, name, plan["equal"], seed, workdir)
            for one in (method, alone):
                _check_same_data(first.setdefault(seed, method), one)
            pairs.append(_pair(method, name, alone, seed))
            log(f"    {_line(pairs[-1], metric)}")
        about = {"label": label, "method": config.method.name, "batch_size": config.batch_size}
        rate = alone.config.schedule.learning_rate
        rows.append({**about, "learning_rate": rate, "pairs": pairs, **summary(pairs, metric)})
    return {"seeds": plan["seeds"], "equal": plan["equal"], "metric": metric, "rows": rows}


def _name(label):
    return re.sub(r"[^A-Za-z0-9_.=-]+", "_", label.replace("configs/", "").replace(".py", ""))


def _with_seed(config, seed):
    copy = config_lib.from_json(config_lib.to_json(config))
    copy.seed = seed
    return copy


def _check_same_data(first, run):
    """Shows that two runs of a seed learned from the same images, of which domains are a method's own.

    Raises:
        UserError: if the data were others meanwhile.
    """
    if first.data_record is None or run.data_record is None:
        return
    data_record.check_names(first.workdir, first.data_record, run.data_record["names"])
    records = ({**one.data_record, "domains": []} for one in (first, run))
    if changes := data_record.changes(*records):
        raise UserError(
            "Runs are compared that learned from the same images; another workdir would begin all of them anew. "
            f"Received: other images in {run.workdir} than in {first.workdir}: {'; '.join(changes)}."
        )


# The network alone --------------------------------------------------------------------------------------------------


def _train_alone(config, method, name, equal, seed, workdir):
    """Trains a peer's network alone, for as long as `equal` says, and returns the `Run`."""

    def train(solo):  # It has no teacher, and so no workdir to read.
        # One network alone serves all methods, wherever their configs lie.
        data = {key: value for key, value in config_lib.to_json(solo).items() if key != "code_dir"}
        digest = hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()[:12]
        return child_runs.train(_with_seed(solo, seed), workdir / f"solo-{digest}" / f"seed-{seed}")

    networks = _networks(method)
    solo = baseline.alone(config, name, networks)
    if equal == "epochs":
        return train(solo)
    if equal == "steps":
        epochs = config.epochs
    elif equal == "examples":
        epochs = _network_epochs(method, networks)
    else:
        rate = method.report["seconds"]["train"] / max(train(solo).report["seconds"]["train"], 0.1)
        epochs = max(1, round(solo.epochs * rate))
    return train(stretched(solo, epochs))


def _networks(run):
    """Returns what each peer of a run was built from: name -> specification, or a list of them."""
    return {name: run.network_of(name) for name in run.peers}


def _network_epochs(run, networks):
    """Returns the epochs of all networks that learn in a run, added up."""
    return sum(end - first for first, end in baseline.spans(run.config, networks).values())


# The pair -----------------------------------------------------------------------------------------------------------


def _pair(method, name, alone, seed):
    networks, student = _networks(method), method.peer(name)
    first, end = baseline.span(method.config, name, networks)
    metric = metric_of(method.report)
    parties = {
        "student": student,
        "alone": alone.report["student"],
        "typical": _typical(method, networks, student, metric["name"]),
    }
    return {
        "seed": seed,
        **parties,
        **{f"{split}_gain": _gain(parties, "student", split, metric) for split in ("val", "test")},
        "teacher": method.report["teacher"],
        "members": len(networks[name]) if isinstance(networks[name], list) else 1,
        "got": {
            "run": _got(method, method.config.epochs, _network_epochs(method, networks)),
            "student": _got(method, end - first) | {"seconds": None},
            "alone": _got(alone, alone.config.epochs),
        },
    }


def _got(run, epochs, network_epochs=None):
    """Returns what some epochs of a run are in steps, in images that its networks see, and of its seconds all.

    Args:
        run: `odtf.runs.Run`.
        epochs: int.
        network_epochs: int, the epochs of all networks added up, where it is more than one.
    """
    chosen = run.report["student"]
    steps_per_epoch = chosen["step"] // chosen["epoch"]
    images = steps_per_epoch * run.config.batch_size * (network_epochs or epochs)
    seconds = run.report["seconds"]["train"]
    return {"epochs": epochs, "steps": steps_per_epoch * epochs, "images": images, "seconds": seconds}


def _typical(run, networks, student, metric):
    """Returns the mean values of the peers as large as the student that learn in the same epochs as it.

    The student is the best of several on validation, and alone there is only one: this much of the gain is the choice.
    An assistant in a chain may be as large, and is there to teach alone.
    """

    def kind(peer):
        return peer["params"], baseline.span(run.config, peer["name"], networks)

    same = [peer for peer in run.report["peers"] if kind(peer) == kind(student)]
    return {key: statistics.fmean(peer[key] for peer in same) for key in (f"val_{metric}", f"test_{metric}")}


def _line(pair, metric):
    """Returns a pair's result as a line of the log."""
    student, alone = (pair[who][f"test_{metric['name']}"] for who in ("student", "alone"))
    gain = shown(pair["test_gain"], metric, signed=True)
    name = pair["student"]["name"]
    return f"{name}: test {metric['title']} {shown(student, metric)}, alone {shown(alone, metric)}, gain {gain}"


def _gain(pair, who, split, metric):
    """Returns by how much something of a pair is better than the network alone: positive where it is."""
    value, alone = (pair[one][f"{split}_{metric['name']}"] for one in (who, "alone"))
    return value - alone if metric["better"] == "max" else alone - value


def summary(pairs, metric):
    """Computes mean and standard deviation over the pairs of a config.

    Args:
        pairs: list of dicts, as `run` has them.
        metric: dict, as `metric_of` returns it.

    Returns:
        dict "SPLIT_WHAT" -> {"mean", "std"}; SPLIT: val, test; WHAT: student, alone, typical, and the paired gain and
        typical_gain over the network alone, positive where it is worse alone.
    """
    result = {}
    for split in ("val", "test"):
        key = f"{split}_{metric['name']}"
        values = {who: [pair[who][key] for pair in pairs] for who in ("student", "alone", "typical")}
        for gain, who in (("gain", "student"), ("typical_gain", "typical")):
            values[gain] = [_gain(pair, who, split, metric) for pair in pairs]
        for name, numbers in values.items():
            spread = statistics.stdev(numbers) if len(numbers) > 1 else 0.0
            result[f"{split}_{name}"] = {"mean": statistics.fmean(numbers), "std": spread}
    return result
