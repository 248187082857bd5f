"""Runs and their pairs: every method's student with the same network alone, over the same seeds."""

import hashlib
import json
import re
import statistics

from odtf import workdir_lock
from odtf.compare import baseline, child_runs, learning_curves
from odtf.compare.plan import stretched
from odtf.compare.remaining import Remaining
from odtf.compare.spreads import gain_of, summary
from odtf.compare.uncompressed import Compressions
from odtf.errors import UserError
from odtf.files import make_directory
from odtf.training import config as config_lib
from odtf.training import data_record
from odtf.training.report import metric_of, shown, teachers_of

# How many images a data set has of which all are trained on, for an estimate of what is left alone.
_MANY = 50_000


def run(plan, workdir, *, peer=None, every_peer=False, log=print, allow_code=False):
    """Trains everything that is not trained yet, and pairs the results.

    Args:
        plan: what `odtf.compare.plan.make_plan` returned.
        workdir: directory of the runs; each is a workdir of odtf-train.
        peer: str, the peer to compare where a method has one of that name; None: validation's choice.
        every_peer: bool, whether there is a row for each peer too, beside the same network alone.
        log: callable that takes one line of text.
        allow_code: as for `odtf.runs.train`.

    Returns:
        dict: "seeds", "equal", "metric" (what `metric_of` returns) and "rows", for each config, and peer where that is
        asked for: label, method, peer (None: the student), images (how many it may train on; None: all), train_images
        (how many it does; None where no run says it), network (of the student), batch_size, learning_rate, pairs,
        compression (what `Compressions.of` returns), curves (of `odtf.compare.learning_curves`) and the statistics
        of `summary`. A pair has seed; student, alone and typical (the values of the peers as large as the student, on
        average); val_gain and test_gain; teacher; teachers, all that
        teach, by name; members, of how many networks the student is made, of which the first
        is the one alone; and got, for the method's whole run, the student within it and the network alone: epochs,
        steps, images and seconds (the student's are not known).

    Raises:
        UserError: if a run fails, or another process writes to the workdir.
    """
    with workdir_lock.writing(workdir):
        return _Comparison(plan, make_directory(workdir), peer, every_peer, log, allow_code).run()


class _Comparison:
    def __init__(self, plan, workdir, peer, every_peer, log, allow_code):
        self._plan, self._workdir, self._log, self._allow_code = plan, workdir, log, allow_code
        self._peer, self._every_peer = peer, every_peer
        self._first, self._compressions, self._counted = {}, Compressions(), set()
        works = [config.epochs * (config.data.max_train_examples or _MANY) for _, config in plan["entries"]]
        self._remaining = Remaining(works, len(plan["seeds"]))

    def run(self):
        rows, seeds, metric = [], self._plan["seeds"], None
        total = len(self._plan["entries"]) * len(seeds)
        for number, (label, config) in enumerate(self._plan["entries"]):
            found = {}
            for position, seed in enumerate(seeds, 1):
                left = self._remaining.words()
                title = f"[{number * len(seeds) + position}/{total}] {label}, seed {seed}"
                self._log(f"{title}; {left}" if left else title)
                metric = self._train(number, label, config, seed, found)
            rows += [self._row(label, config, name, pairs, metric) for name, pairs in found.items()]
        return {"seeds": seeds, "equal": self._plan["equal"], "metric": metric, "rows": rows}

    def _train(self, number, label, config, seed, found):
        """Trains a method and its networks alone for one seed, and adds a pair to each row that `found` has of it.

        Args:
            number, label, config: of the entry.
            seed: int.
            found: dict from a peer's name, None for the student, to a list of (pair, runs), changed in place.

        Returns:
            What `metric_of` returns.
        """
        self._remaining.begin()
        method = child_runs.train(
            _with_seed(config, seed), self._workdir / _name(label) / f"seed-{seed}", self._allow_code
        )
        chosen = self._peer if self._peer in method.peers else method.student
        metric, known = metric_of(method.report), method.report["seconds"]["train"]
        for row in (None, *(method.peers if self._every_peer else ())):
            name = row or chosen
            alone = _train_alone(config, method, name, self._plan["equal"], seed, self._workdir)
            for one in (method, alone):
                _check_same_data(self._first.setdefault((seed, config.data.max_train_examples), method), one)
            pair = _pair(method, name, alone, seed)
            found.setdefault(row, []).append((pair, method, alone))
            if alone.workdir not in (method.workdir, *self._counted):  # One network alone serves several rows.
                self._counted.add(alone.workdir)
                known += alone.report["seconds"]["train"]
            self._log(f"    {_line(pair, metric)}")
        self._remaining.end(number, known)
        return metric

    def _row(self, label, config, peer, found, metric):
        """Returns a row of the result; see `run`."""
        pairs = [pair for pair, _, _ in found]
        (pair, method, alone), *_ = found
        network = method.network_of(pair["student"]["name"])
        compression = None if pair["members"] > 1 else self._compressions.of(method, pair["student"], network)
        return {
            "label": label if peer is None else f"{label}: {peer}",
            "method": config.method.name,
            "peer": peer,
            "images": config.data.max_train_examples,
            "train_images": _train_images(method),
            "network": _plain(network),
            "batch_size": config.batch_size,
            "learning_rate": alone.config.schedule.learning_rate,
            "pairs": pairs,
            "compression": compression,
            "curves": learning_curves.of([(m, p["student"]["name"], a) for p, m, a in found], metric["name"]),
            **summary(pairs, metric),
        }


def _plain(network):
    """Returns a specification, or a list of them, as JSON can hold it."""
    if isinstance(network, list | tuple):
        return [_plain(each) for each in network]
    return json.loads(json.dumps(network.to_dict() if hasattr(network, "to_dict") else dict(network)))


def _train_images(run):
    """Returns how many images a run trained on, None where it does not say."""
    record = run.data_record
    return None if record is None else record["splits"].get("train", {}).get("images")


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
    records = ({**one.data_record, "domains": [], "answers": None} for one in (first, run))
    if changes := data_record.changes(*records):
        raise UserError(
            "Runs are compared that learned from the same images; another workdir would begin all of them anew. "
            f"Received: other images in {run.workdir} than in {first.workdir}: {'; '.join(changes)}."
        )


# The network alone --------------------------------------------------------------------------------------------------


def _train_alone(config, method, name, equal, seed, workdir):
    """Trains a peer's network alone, for as long as `equal` says, and returns the `Run`."""

    def train(solo):  # It has no teacher, and so no workdir to read.
        # One network alone serves all methods, wherever their configs lie; it may be what was compared with it.
        if _without(solo, "code_dir", "seed") == _without(method.config, "code_dir", "seed"):
            return method
        digest = hashlib.sha256(json.dumps(_without(solo, "code_dir"), sort_keys=True).encode()).hexdigest()[:12]
        return child_runs.train(_with_seed(solo, seed), workdir / f"solo-{digest}" / f"seed-{seed}")

    networks = _networks(method)
    solo = baseline.alone(config, name, networks)
    if solo.precision == "auto":  # That of the method, whatever its network alone would have.
        solo.precision = method.config.precision
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


def _without(config, *keys):
    return {key: value for key, value in config_lib.to_json(config).items() if key not in keys}


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
        **{f"{split}_gain": gain_of(parties, "student", split, metric) for split in ("val", "test")},
        "teacher": method.report["teacher"],
        "teachers": teachers_of(method.report),
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
