"""Retrieval: how well embeddings find, in a database, images of the same class. The ranking is pure numpy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from keras import ops

from odtf.metrics.metric import Metric

if TYPE_CHECKING:
    from collections.abc import Mapping

    from odtf.losses.tensors import Targets, Tensor


DISTANCES = ("cosine", "euclidean")
_RECALL_LEVELS = np.linspace(0.0, 1.0, 11)
# Rows of the distance matrix in memory at once.
_BLOCK = 256


class Retrieval(Metric):
    """The mean over queries of what `values` says of the database in the order of its distance to each.

    Targets are integer labels `[batch]`, outputs embeddings `[batch, ...]`; what has the query's label is relevant.
    Among items of one distance the first in the database comes first; embeddings that are not finite rank last. Queries
    for which nothing is relevant do not count.

    Args:
        distance: "cosine" or "euclidean".
        reference: name of the split that is the database; the queries are those of another one.
        reference_examples: how many of its examples at most, a seeded choice; None: all.

    Raises:
        ValueError: if there is no such distance.
    """

    joined = True
    kept_as = "embeddings"

    def __init__(
        self, distance: str = "cosine", reference: str = "train", reference_examples: int | None = None
    ) -> None:
        if distance not in DISTANCES:
            raise ValueError(f"The distance must be {' or '.join(map(repr, DISTANCES))}. Received: {distance!r}.")
        self.distance = distance
        self.reference = reference
        self.reference_examples = reference_examples

    def values(self, distances: np.ndarray, relevant: np.ndarray) -> np.ndarray:
        """Returns one value for every query.

        Args:
            distances: float32 array `[queries, items]`, in the order of the database; none is NaN.
            relevant: bool array `[queries, items]`.
        """
        raise NotImplementedError

    def sums(self, targets: Targets, output: Tensor, weights: Tensor) -> dict[str, Tensor]:
        return {"embedding": ops.reshape(ops.cast(output, "float32"), (ops.shape(output)[0], -1)), "label": targets}

    def result(self, sums: Mapping[str, np.ndarray], reference: Mapping[str, np.ndarray] | None = None) -> float:
        """As `Metric.result`.

        Raises:
            ValueError: if no query has its class in the database.
        """
        assert reference is not None  # There is a split that it is of: `reference` of this metric.
        labels, items = np.asarray(sums["label"]), np.asarray(reference["label"])
        found = []
        for rows, distances in _distances(sums["embedding"], reference["embedding"], self.distance):
            relevant = labels[rows, np.newaxis] == items
            counted = relevant.any(axis=-1)
            found.append(self.values(distances[counted], relevant[counted]))
        values = np.concatenate(found)
        if not len(values):
            raise ValueError("No query has its class in the database. Received: labels without any in common.")
        return float(values.mean())


class MeanAveragePrecision(Retrieval):
    """The mean of `interpolated_average_precision` over the queries, see `Retrieval`."""

    @property
    def title(self) -> str:  # type: ignore[override]  # It is read alone.
        return f"mAP {self.distance}"

    def values(self, distances: np.ndarray, relevant: np.ndarray) -> np.ndarray:
        return interpolated_average_precision(np.take_along_axis(relevant, order(distances), axis=-1))


class _AtK(Retrieval):
    """A figure of the first k items.

    Args:
        k: int, at least 1.
        distance, reference, reference_examples: see `Retrieval`.
    """

    word = ""

    def __init__(
        self, k: int, distance: str = "cosine", reference: str = "train", reference_examples: int | None = None
    ) -> None:
        super().__init__(distance, reference, reference_examples)
        if k < 1:
            raise ValueError(f"The figures of the first k items need k of at least 1. Received: k={k}.")
        self.k = int(k)

    @property
    def title(self) -> str:  # type: ignore[override]  # It is read alone.
        return f"{self.word} at {self.k} {self.distance}"

    def hits(self, distances: np.ndarray, relevant: np.ndarray) -> np.ndarray:
        """Returns how many of the first k items are relevant, int array `[queries]`."""
        return (among_first(distances, self.k) & relevant).sum(axis=-1)


class PrecisionAtK(_AtK):
    """The share of the first k items that is relevant, see `Retrieval`; of all items where there are fewer."""

    word = "precision"

    def values(self, distances: np.ndarray, relevant: np.ndarray) -> np.ndarray:
        return self.hits(distances, relevant) / min(self.k, relevant.shape[-1])


class RecallAtK(_AtK):
    """The share of queries with a relevant item among the first k, see `Retrieval`.

    So metric learning has it, where one hit is enough; the share of all relevant items that is found is another figure.

    Reference:
        Jegou, Douze, Schmid, "Product Quantization for Nearest Neighbor Search", 2011; Oh Song et al., "Deep Metric
        Learning via Lifted Structured Feature Embedding", 2016, for CUB-200.
    """

    word = "recall"

    def values(self, distances: np.ndarray, relevant: np.ndarray) -> np.ndarray:
        return (self.hits(distances, relevant) > 0).astype(np.float64)


def nearest(queries, database, distance, count):
    """Finds the items of a database that are nearest to each query.

    Args:
        queries: float array `[queries, features]`.
        database: float array `[items, features]`.
        distance: "cosine" or "euclidean".
        count: int, how many.

    Returns:
        int array `[queries, count]` of positions in the database, the nearest first; fewer where there are fewer.
    """
    return np.concatenate([order(found)[:, :count] for _, found in _distances(queries, database, distance)])


def interpolated_average_precision(relevant):
    """11-point interpolated average precision of ranked lists.

    The precision at recall r is the highest of any rank whose recall is at least r, over the whole list; the average is
    over r = 0, 0.1, ..., 1.

    Args:
        relevant: bool array `[queries, ranks]`, whether the item at each rank is relevant, the nearest first. Every
            relevant item of the database is in the list.

    Returns:
        float64 array `[queries]`; NaN where nothing is relevant.

    Reference:
        Manning, Raghavan, Schuetze, "Introduction to Information Retrieval", 2008, section 8.4.
    """
    hits = np.cumsum(np.asarray(relevant, bool), axis=-1)
    precision = hits / np.arange(1, hits.shape[-1] + 1)
    interpolated = np.maximum.accumulate(precision[:, ::-1], axis=-1)[:, ::-1]
    total = hits[:, -1:]
    # The first rank with at least r of the relevant items; rounding must not ask for one more of them.
    needed = np.maximum(np.ceil(_RECALL_LEVELS * total - 1e-9), 1)
    ranks = np.stack([np.argmax(hits >= level[:, None], axis=-1) for level in needed.T], axis=-1)
    average = np.take_along_axis(interpolated, ranks, axis=-1).mean(-1)
    return np.where(total[:, 0] > 0, average, np.nan)


def order(distances):
    """The positions of a stable sort, int array `[queries, items]`, in a third of the time that NumPy's takes.

    Args:
        distances: float32 array `[queries, items]`; none is NaN.
    """
    # The bits of floats are in the order of integers, backwards for negative ones; -0 becomes 0. With the position
    # behind them no two keys are equal, and any sort is stable.
    bits = (distances + np.float32(0.0)).view(np.int32)
    keys = np.where(bits < 0, bits ^ np.int32(0x7FFFFFFF), bits).astype(np.int64) << 32
    return np.sort(keys | np.arange(distances.shape[-1]), axis=-1) & 0xFFFFFFFF


def among_first(distances, k):
    """Says which items are the first k of a stable sort, without sorting: bool array `[queries, items]`."""
    if k >= distances.shape[-1]:
        return np.ones(distances.shape, bool)
    last = np.partition(distances, k - 1, axis=-1)[:, k - 1 : k]
    nearer, equal = distances < last, distances == last
    return nearer | (equal & (np.cumsum(equal, axis=-1) <= k - nearer.sum(axis=-1, keepdims=True)))


def _distances(queries, database, distance):
    """Yields slices of the queries with what orders the database as its distance to them does, `[rows, items]`."""
    queries, database = np.asarray(queries, "float32"), np.asarray(database, "float32")
    if distance == "cosine":
        queries, database = (
            x / np.maximum(np.linalg.norm(x, axis=-1, keepdims=True), 1e-12) for x in (queries, database)
        )
    for start in range(0, len(queries), _BLOCK):
        rows = slice(start, start + _BLOCK)
        # |q - d|^2 = |q|^2 - 2 q d + |d|^2, and |q|^2 is the same for all of a row. Both distances alike: vectors of
        # length 1 are the nearer the larger their cosine.
        found = (database**2).sum(-1) - 2.0 * queries[rows] @ database.T
        yield rows, np.where(np.isnan(found), np.inf, found)
