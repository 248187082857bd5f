"""Retrieval against lists worked out by hand and a numpy oracle with loops."""

import numpy as np
import pytest

from odtf.metrics import (
    CosineAgreement,
    MeanAbsoluteError,
    MeanAveragePrecision,
    PrecisionAtK,
    RecallAtK,
    evaluate,
    references_of,
)
from odtf.metrics.ranking import among_first, interpolated_average_precision, nearest, order


def oracle(relevant):
    """The definition: at each of 11 recalls the highest precision of any rank that has it."""
    hits, total = 0, sum(relevant)
    points = []
    for rank, hit in enumerate(relevant, start=1):
        hits += hit
        points.append((hits / total, hits / rank))
    return np.mean([max(p for r, p in points if r >= level - 1e-9) for level in np.arange(11) / 10])


def as_sums(embeddings, labels):
    return {"embedding": np.asarray(embeddings, "float32"), "label": np.asarray(labels)}


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


@pytest.mark.parametrize("distance", ["cosine", "euclidean"])
@pytest.mark.parametrize("ties", [False, True])
def test_against_loops(distance, ties):
    """Where all vectors are of ones and minus ones, many are at one distance: the first in the database comes first."""
    rng = np.random.default_rng(1)
    queries, database = rng.normal(size=(300, 4)), rng.normal(size=(70, 4))
    if ties:
        queries, database = np.sign(queries), np.sign(database)
    labels, others = rng.integers(0, 5, 300), rng.integers(0, 4, 70)
    averages, precisions, recalls = [], [], []
    for query, label in zip(queries, labels, strict=True):
        if label == 4:
            continue  # Nothing in the database is relevant.
        if distance == "euclidean":
            apart = [sum((q - d) ** 2 for q, d in zip(query, item, strict=True)) for item in database]
        else:
            apart = [-sum(query * item) / (np.linalg.norm(item) * np.linalg.norm(query)) for item in database]
        order = sorted(range(70), key=lambda i, apart=apart: (round(apart[i], 6), i))
        relevant = others[order] == label
        averages.append(oracle(relevant))
        precisions.append(relevant[:10].mean())
        recalls.append(float(relevant[:3].any()))
    arguments = as_sums(queries, labels), as_sums(database, others)
    assert MeanAveragePrecision(distance).result(*arguments) == pytest.approx(np.mean(averages), rel=1e-6)
    assert PrecisionAtK(10, distance).result(*arguments) == pytest.approx(np.mean(precisions), rel=1e-6)
    assert RecallAtK(3, distance).result(*arguments) == pytest.approx(np.mean(recalls), rel=1e-6)
    assert 0.1 < np.mean(recalls) < 0.9


def test_the_distances_differ_in_what_is_near():
    database = as_sums([[10.0, 0.0], [0.9, 0.9]], [0, 1])
    query = as_sums([[1.0, 0.1]], [0])
    assert MeanAveragePrecision("cosine").result(query, database) == 1.0
    assert MeanAveragePrecision("euclidean").result(query, database) == 0.5
    assert PrecisionAtK(1, "euclidean").result(query, database) == 0.0
    assert nearest([[1.0, 0.1]], database["embedding"], "cosine", 2).tolist() == [[0, 1]]
    assert nearest([[1.0, 0.1]], database["embedding"], "euclidean", 1).tolist() == [[1]]


def test_ties_fall_to_the_first_and_what_is_not_finite_comes_last():
    distances = np.array([[2.0, 1.0, 1.0, 1.0, 0.0], [1.0, 1.0, 1.0, 1.0, 1.0]], "float32")
    expected = [[0, 1, 1, 0, 1], [1, 1, 1, 0, 0]]
    np.testing.assert_array_equal(among_first(distances, 3), np.array(expected, bool))
    assert among_first(distances, 9).all()
    database = as_sums([[np.nan, 0.0], [-1.0, 0.0], [1.0, 0.0]], [1, 0, 1])
    assert PrecisionAtK(2, "cosine").result(as_sums([[1.0, 0.0]], [1]), database) == 0.5
    assert nearest([[1.0, 0.0]], database["embedding"], "cosine", 3).tolist() == [[2, 1, 0]]


def test_the_order_is_that_of_a_stable_sort():
    rng = np.random.default_rng(3)
    distances = rng.normal(size=(20, 400)).astype("float32")
    distances[:, ::3] = np.round(distances[:, ::3])
    distances[0, :6] = [np.inf, -np.inf, -0.0, 0.0, np.float32(1e-45), -np.float32(1e-45)]
    assert np.signbit(distances[distances == 0]).any() and (distances == 0).sum() > 100
    np.testing.assert_array_equal(order(distances), np.argsort(distances, axis=-1, kind="stable"))


def test_precision_at_more_than_there_are_is_that_of_all():
    database = as_sums(np.eye(2), [0, 1])
    assert PrecisionAtK(100).result(as_sums([[1.0, 0.0]], [0]), database) == 0.5


def test_queries_without_their_class_do_not_count():
    database = as_sums(np.eye(2), [0, 1])
    assert MeanAveragePrecision().result(as_sums(np.eye(2), [0, 7]), database) == 1.0
    assert RecallAtK(1).result(as_sums(np.eye(2), [0, 7]), database) == 1.0
    with pytest.raises(ValueError, match="No query"):
        PrecisionAtK(1).result(as_sums([[1.0, 0.0]], [7]), database)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MeanAveragePrecision("manhattan"), "'cosine' or 'euclidean'"),
        (lambda: PrecisionAtK(0), "k of at least 1"),
    ],
)
def test_bad_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_evaluate_joins_batches_drops_padding_and_refers():
    """Sums are joined in order, those of padding fall away, and each metric has the split that it refers to."""
    rng = np.random.default_rng(2)
    queries, near, far = rng.normal(size=(7, 4)), rng.normal(size=(9, 4)), rng.normal(size=(5, 4))
    labels = [np.arange(n) % 3 for n in (7, 9, 5)]
    metrics = {
        "near": MeanAveragePrecision(reference="near", reference_examples=50),
        "far": MeanAveragePrecision(reference="far"),
        "precision": PrecisionAtK(2, reference="near", reference_examples=60),
        "error": MeanAbsoluteError(),
    }
    metrics["error"].values = lambda targets, output: np.ones(len(output), "float32")
    assert references_of(metrics) == {"far": None, "near": 60}

    def batches(vectors, targets):
        padded, answers = np.concatenate([vectors, vectors[:1]]), np.concatenate([targets, [0]])
        weights = np.array([1.0] * len(vectors) + [0.0], "float32")
        return [(padded[:4], answers[:4], weights[:4]), (padded[4:], answers[4:], weights[4:])]

    found = evaluate(
        lambda images: images,
        batches(queries, labels[0]),
        metrics,
        {"near": batches(near, labels[1]), "far": batches(far, labels[2])},
    )
    sums, others = as_sums(queries, labels[0]), {"near": as_sums(near, labels[1]), "far": as_sums(far, labels[2])}
    expected = {name: metrics[name].result(sums, others[metrics[name].reference]) for name in ("near", "far")}
    assert found == {**expected, "precision": metrics["precision"].result(sums, others["near"]), "error": 1.0}
    assert found["near"] != found["far"]


def test_agreement_of_vectors_is_their_mean_cosine():
    one, other = np.array([[3.0, 4.0], [1.0, 0.0]], "float32"), np.array([[4.0, 3.0], [0.0, 0.0]], "float32")
    assert float(CosineAgreement().mean(one, other)) == pytest.approx(24 / 25 / 2)
