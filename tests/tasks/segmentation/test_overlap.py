"""Metrics of masks against scikit-learn's confusion matrix, and how they merge."""

import numpy as np
import pytest
import tensorflow as tf
from sklearn.metrics import confusion_matrix, jaccard_score

from odtf.metrics import evaluate, joined_of, merged, results, sums_of
from odtf.tasks.segmentation import overlap

VOID = 255
METRICS = {
    "miou": overlap.MeanOverlap(VOID),
    "pixel_accuracy": overlap.PixelAccuracy(VOID),
    "good_50": overlap.ShareAbove(VOID, 0.5),
    "good_60": overlap.ShareAbove(VOID, 0.6),
    "variance": overlap.OverlapVariance(VOID),
}


def random_maps(seed, count=12, classes=6, void=0.2, right=0.6):
    """Masks with void, of which some images lack classes, and scores that are right for a share of the pixels."""
    random = np.random.default_rng(seed)
    masks = random.integers(0, classes, (count, 9, 7)).astype("uint8")
    masks[: count // 2][masks[: count // 2] == 3] = 1
    answers = np.where(random.random(masks.shape) < right, masks, random.integers(0, classes, masks.shape))
    masks[random.random(masks.shape) < void] = VOID
    return masks, np.eye(classes, dtype="float32")[answers] + random.random((*masks.shape, classes), "float32") / 2


def from_scikit_learn(masks, scores):
    """Everything once more, from one image at a time."""
    classes, answers = scores.shape[-1], scores.argmax(-1)

    def ious(truth, given):
        matrix = confusion_matrix(truth, given, labels=np.arange(classes))
        hits, union = np.diag(matrix), matrix.sum(0) + matrix.sum(1) - np.diag(matrix)
        return hits[union > 0] / union[union > 0]

    counted = masks != VOID
    whole = ious(masks[counted], answers[counted])
    each = [ious(m[c], a[c]).mean() for m, a, c in zip(masks, answers, counted, strict=True) if c.any()]
    return {
        "miou": whole.mean(),
        "pixel_accuracy": np.mean(masks[counted] == answers[counted]),
        "good_50": np.mean(np.array(each) >= 0.5),
        "good_60": np.mean(np.array(each) >= 0.6),
        "variance": np.var(each),
    }


@pytest.mark.parametrize("seed", range(5))
def test_all_of_them_equal_scikit_learns(seed):
    masks, scores = random_maps(seed, void=0.1 * seed, right=0.5 + 0.1 * seed)
    found = evaluate(lambda x: x, [(scores, masks)], METRICS)
    expected = from_scikit_learn(masks, scores)
    assert found == {name: pytest.approx(value, abs=1e-6) for name, value in expected.items()}
    assert found["miou"] == pytest.approx(expected["miou"], rel=1e-12)


def test_iou_of_every_class_equals_scikit_learns():
    masks, scores = random_maps(7)
    matrix = overlap.confusion(masks, scores, VOID).numpy()
    counted = masks != VOID
    truth, given = masks[counted], scores.argmax(-1)[counted]
    assert np.array_equal(matrix.sum(0), confusion_matrix(truth, given, labels=np.arange(6)))
    expected = jaccard_score(truth, given, labels=np.arange(6), average=None)
    np.testing.assert_allclose(overlap.class_overlap(matrix.sum(0)), expected, rtol=1e-12)


def test_classes_that_are_not_there_count_only_where_they_are_answered():
    mask = np.array([[[0, 0, 1, VOID]]], "uint8")
    right = np.eye(4, dtype="float32")[[[[0, 0, 1, 3]]]]
    assert evaluate(lambda x: x, [(right, mask)], METRICS)["miou"] == 1.0
    wrong = np.eye(4, dtype="float32")[[[[0, 2, 1, 3]]]]
    assert evaluate(lambda x: x, [(wrong, mask)], METRICS)["miou"] == pytest.approx((0.5 + 1.0 + 0.0) / 3)
    assert np.isnan(overlap.class_overlap(np.diag([1, 0, 2]))).tolist() == [False, True, False]


def test_batches_padding_and_void_images_change_nothing():
    masks, scores = random_maps(3)
    whole = evaluate(lambda x: x, [(scores, masks)], METRICS)
    padded = [
        (np.concatenate([scores[a:b], scores[:2]]), np.concatenate([masks[a:b], masks[:2]]), [1] * (b - a) + [0, 0])
        for a, b in ((0, 5), (5, 6), (6, 12))
    ]
    empty = [(scores[:3], np.full_like(masks[:3], VOID))]
    found = evaluate(lambda x: x, padded + empty, METRICS)
    assert found == {name: pytest.approx(value, abs=1e-7) for name, value in whole.items()}
    assert found["miou"] == whole["miou"] and found["pixel_accuracy"] == whole["pixel_accuracy"]


def test_two_replicas_add_up_to_one(mirrored):
    masks, scores = random_maps(4)
    weights = np.ones(12, "float32")

    def step(inputs):
        return sums_of(METRICS, inputs[1], inputs[0], inputs[2])

    dataset = tf.data.Dataset.from_tensor_slices((scores, masks, weights)).batch(12)
    batch = next(iter(mirrored.experimental_distribute_dataset(dataset)))
    sums = tf.function(lambda: mirrored.run(step, args=(batch,)))()
    joined, add = joined_of(METRICS), tf.distribute.ReduceOp.SUM
    total = {
        name: mirrored.gather(value, axis=0) if joined(name) else mirrored.reduce(add, value, axis=None)
        for name, value in sums.items()
    }
    alone = results(merged([sums_of(METRICS, masks, scores, weights)], joined), METRICS)
    assert results(merged([total], joined), METRICS) == {
        name: pytest.approx(value, abs=1e-7) for name, value in alone.items()
    }


def test_agreement_is_a_share_of_pixels():
    _, scores = random_maps(0)
    _, others = random_maps(1)
    found = evaluate(lambda x: x, [(scores, others)], {"agreement": overlap.MaskAgreement()})
    assert found["agreement"] == pytest.approx(np.mean(scores.argmax(-1) == others.argmax(-1)))


def test_what_the_log_of_training_tells():
    masks, scores = random_maps(2)
    accuracy = METRICS["pixel_accuracy"]
    assert float(accuracy.mean(masks, scores)) == pytest.approx(
        evaluate(lambda x: x, [(scores, masks)], METRICS)["pixel_accuracy"]
    )
    assert float(accuracy.mean(np.full_like(masks, VOID), scores)) == 0.0
