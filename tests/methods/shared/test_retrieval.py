"""Retrieval against lists worked out by hand and a numpy oracle with loops."""

import numpy as np
import pytest

from odtf.methods.shared.retrieval import interpolated_average_precision, retrieval


def oracle(relevant):
    """The definition: at each of 11 recalls the highest precision of any rank that has it."""
    hits, total = 0, sum(relevant)
    points = []
    for rank, hit in enumerate(relevant, start=1):
        hits += hit
        points.append((hits / total, hits / rank))
    return np.mean([max(p for r, p in points if r >= level - 1e-9) for level in np.arange(11) / 10])


def test_lists_by_hand():
    values = interpolated_average_precision(
        [[True, True, False, False], [False, False, False, True], [False, True, True, False], [False] * 4]
    )
    # All relevant first; the only one last; precision 1/2 and then 2/3, interpolated to 2/3 throughout.
    np.testing.assert_allclose(values, [1.0, 0.25, 2 / 3, np.nan])
    # Recall 1/2 at precision 1 serves the levels 0 to 0.5, recall 1 at precision 2/5 the other five.
    np.testing.assert_allclose(interpolated_average_precision([[1, 0, 0, 0, 1]]), [(6 + 5 * 0.4) / 11])


def test_against_the_definition():
    rng = np.random.default_rng(0)
    relevant = rng.random((40, 57)) < 0.3
    np.testing.assert_allclose(interpolated_average_precision(relevant), [oracle(row) for row in relevant])


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_retrieval_against_loops(metric):
    rng = np.random.default_rng(1)
    queries, database = rng.normal(size=(300, 6)), rng.normal(size=(70, 6))
    labels, others = rng.integers(0, 4, 300), rng.integers(0, 4, 70)
    averages, precisions = [], []
    for query, label in zip(queries, labels, strict=True):
        if metric == "euclidean":
            distance = ((database - query) ** 2).sum(-1)
        else:
            distance = -database @ query / np.linalg.norm(database, axis=-1)
        relevant = others[np.argsort(distance)] == label
        averages.append(oracle(relevant))
        precisions.append(relevant[:10].mean())
    found = retrieval(queries, labels, database, others, metric, top=10)
    assert found == pytest.approx((np.mean(averages), np.mean(precisions)), rel=1e-6)


def test_the_metrics_differ_in_what_is_near():
    database, labels = np.array([[10.0, 0.0], [0.9, 0.9]]), [0, 1]
    assert retrieval([[1.0, 0.1]], [0], database, labels, "cosine", top=1) == (1.0, 1.0)
    assert retrieval([[1.0, 0.1]], [0], database, labels, "euclidean", top=1) == (0.5, 0.0)


def test_queries_without_their_class_do_not_count():
    database, labels = np.eye(2), [0, 1]
    assert retrieval([[1.0, 0.0], [0.0, 1.0]], [0, 7], database, labels, top=1) == (1.0, 1.0)
    with pytest.raises(ValueError, match="No query"):
        retrieval([[1.0, 0.0]], [7], database, labels)
    with pytest.raises(ValueError, match="'cosine' or 'euclidean'"):
        retrieval([[1.0, 0.0]], [0], database, labels, "manhattan")
