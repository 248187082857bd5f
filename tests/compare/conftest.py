"""Stands in for training: runs that are finished at once, with figures that follow from their configs."""

import json

import pytest

from odtf.compare import child_runs
from odtf.training import config as config_lib

STEPS_PER_EPOCH = 5


class Trainings:
    """The configs that were trained, and what the reports of methods say.

    A method's student has 0.6 + 0.02 seed, alone it has 0.5 + 0.01 seed; a method takes 10 seconds for an epoch, a
    network alone takes 2.
    """

    def __init__(self):
        self.configs = []
        self.networks = None  # name -> specification; by default there are two peers of the config's network.
        self.task = {"name": "t", "metric": "quality", "title": "quality", "better": "max", "share": True}

    def train(self, config, workdir, allow_code=False):
        """In place of a process that trains."""
        self.configs.append(config)
        workdir.mkdir(parents=True)
        data = config_lib.to_json(config)
        (workdir / "config.json").write_text(json.dumps(data))
        (workdir / "report.json").write_text(json.dumps(self.report(config, data)))
        (workdir / "log.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in self.log(config, data)))

    def log(self, config, data):
        """What validation finds in the first three epochs: a peer begins 10 points lower than it ends."""
        report = self.report(config, data)
        key = self.task["metric"]
        for epoch in range(1, min(config.epochs, 3) + 1):
            values = {f"{row['name']}/{key}": row[f"val_{key}"] - 0.1 * (3 - epoch) / 2 for row in report["peers"]}
            yield {"step": epoch * STEPS_PER_EPOCH, "kind": "validation", "epoch": epoch, **values}

    def report(self, config, data):
        solo = config.method.name == "Solo"
        value = (0.5 if solo else 0.6) + 0.01 * config.seed * (1 if solo else 2)
        both = {"peer_0": data["network"], "peer_1": data["network"]}
        networks = {"peer_0": data["network"]} if solo else self.networks or both
        key = self.task["metric"]
        peers = [
            {
                **{"name": name, "params": 10, "macs": 100, "network": spec, f"val_{key}": value},
                **{f"{split}_{key}": value - i / 10 for split in ("test", "last_test")},
            }
            for i, (name, spec) in enumerate(networks.items())
        ]
        return {
            "task": self.task,
            "peers": peers,
            "student": {**peers[0], "epoch": 1, "step": STEPS_PER_EPOCH},
            "teacher": None,
            "exports": [],
            "seconds": {"train": config.epochs * (2.0 if solo else 10.0), "export": 0.0},
        }

    @property
    def alone(self):
        """The configs that were trained without a method."""
        return [config for config in self.configs if config.method.name == "Solo"]


@pytest.fixture
def trainings(monkeypatch):
    """`Trainings`, in place of the processes that train."""
    made = Trainings()
    monkeypatch.setattr(child_runs, "_in_a_process", made.train)
    return made
