"""Metrics that merge: what batches, replicas, workers and the answers of a file add up to is one number."""

from odtf.metrics.metric import (
    Accuracy,
    Agreement,
    CosineAgreement,
    Mean,
    MeanAbsoluteError,
    Metric,
    TopK,
    evaluate,
    joined_of,
    merged,
    references_of,
    referring_to,
    results,
    sums_of,
)
from odtf.metrics.ranking import MeanAveragePrecision, PrecisionAtK, RecallAtK

__all__ = [
    "Accuracy",
    "Agreement",
    "CosineAgreement",
    "Mean",
    "MeanAbsoluteError",
    "MeanAveragePrecision",
    "Metric",
    "PrecisionAtK",
    "RecallAtK",
    "TopK",
    "evaluate",
    "joined_of",
    "merged",
    "references_of",
    "referring_to",
    "results",
    "sums_of",
]
