"""From a config to the data of a run: data set, further domains, stored answers, pipeline."""

import collections.abc
import contextlib
import json

from odtf import data
from odtf.data import stored_answers as stored_lib
from odtf.training.cohorts import make_task

# What `one_data_set` keeps: settings -> data set; None outside of it.
_kept = None


@contextlib.contextmanager
def one_data_set():
    """While it lasts, equal settings give the same data set, opened once: an export needs no second one in memory."""
    global _kept
    before, _kept = _kept, {} if _kept is None else _kept
    try:
        yield
    finally:
        _kept = before


def load_dataset(config):
    """Returns the `odtf.data.ImageDataset` of a config; within `one_data_set` maybe one that was returned before.

    Raises:
        UserError: if the data are missing or not what the config says.
    """
    if _kept is None:
        return _load(config)
    # As text: a config that was read has lists where the one that it was written from has tuples.
    settings = json.dumps([config.data.to_dict(), config.seed, config.task.to_dict()], sort_keys=True, default=str)
    if settings not in _kept:
        _kept[settings] = _load(config)
    return _kept[settings]


def _load(config):
    others = ("name", "augment", "num_views", "domains", "balanced")
    options = {key: value for key, value in config.data.items() if key not in others}
    task = make_task(config)
    options |= {"targets": task.targets, "normalization": task.normalization}
    return data.load(config.data.name, seed=config.seed, **options)


def load_domains(config, dataset):
    """Returns a list of `odtf.data.Domain`, those that join the training images of a data set.

    Raises:
        UserError: as `load_dataset`, or if they do not fit.
    """
    options = {key: config.data[key] for key in ("data_dir", "memory_budget_mb", "skip_corrupt")}
    return [data.load_domain(dataset, seed=config.seed, **options, **said) for said in config.data.domains]


def stored_answers(config):
    """Returns the `odtf.data.StoredAnswers` that are the teacher of a config; None where it has another, or none.

    Raises:
        UserError: if they are damaged.
    """
    method = config.method.to_dict()
    said = method.get("teacher") or method.get("teacher_workdir")
    return answers_in(said.get("file") if isinstance(said, collections.abc.Mapping) else said)


def answers_in(path):
    """Returns the `odtf.data.StoredAnswers` of a directory; None where there are none.

    Raises:
        UserError: if they are damaged.
    """
    return data.StoredAnswers(path) if isinstance(path, str) and stored_lib.are_in(path) else None


def make_pipeline(config, dataset, domains=(), answers=None):
    """Returns the `odtf.data.TrainPipeline` of a config.

    Args:
        config: `ConfigDict`.
        dataset: `odtf.data.ImageDataset`.
        domains: what `load_domains` returned.
        answers: what `stored_answers` returned.
    """
    return data.TrainPipeline(
        dataset,
        batch_size=config.batch_size,
        seed=config.seed,
        augment=config.data.augment.to_dict(),
        num_views=config.data.num_views,
        domains=domains,
        answers=answers,
        balanced=config.data.balanced,
    )
