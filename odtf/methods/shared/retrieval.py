"""Retrieval: how well features find images of the same class in a database. Pure numpy."""

import numpy as np

_RECALL_LEVELS = np.linspace(0.0, 1.0, 11)
# Rows of the distance matrix in memory at once.
_BLOCK = 256


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


def retrieval(queries, query_labels, database, database_labels, metric="cosine", top=100):
    """Ranks a database for every query and says how much of the same class comes first.

    Args:
        queries: float array `[queries, features]`.
        query_labels: int array `[queries]`.
        database: float array `[items, features]`.
        database_labels: int array `[items]`.
        metric: "cosine" or "euclidean".
        top: int, the ranks that the precision counts.

    Returns:
        (mean interpolated average precision, mean precision of the first `top`), floats in [0, 1]; queries whose class
        the database lacks do not count. Features that are not finite rank last.

    Raises:
        ValueError: if the metric is unknown or no query has its class in the database.
    """
    if metric not in ("cosine", "euclidean"):
        raise ValueError(f"The metric must be 'cosine' or 'euclidean'. Received: {metric!r}.")
    queries, database = np.asarray(queries, "float32"), np.asarray(database, "float32")
    if metric == "cosine":
        queries, database = (
            x / np.maximum(np.linalg.norm(x, axis=-1, keepdims=True), 1e-12) for x in (queries, database)
        )
    averages, precisions = [], []
    for start in range(0, len(queries), _BLOCK):
        block = queries[start : start + _BLOCK]
        # The order of |q - d|^2 = |q|^2 - 2 q d + |d|^2 over d; |q|^2 is the same for all of a row. Both metrics alike:
        # vectors of length 1 are the nearer the larger their cosine.
        distances = (database**2).sum(-1) - 2.0 * block @ database.T
        order = np.argsort(distances, axis=-1, kind="stable")
        relevant = np.asarray(database_labels)[order] == np.asarray(query_labels)[start : start + _BLOCK, None]
        averages.append(interpolated_average_precision(relevant))
        precisions.append(relevant[:, :top].mean(-1))
    averages, precisions = np.concatenate(averages), np.concatenate(precisions)
    counted = ~np.isnan(averages)
    if not counted.any():
        raise ValueError("No query has an image of its class in the database. Received: labels without any in common.")
    return float(averages[counted].mean()), float(precisions[counted].mean())
