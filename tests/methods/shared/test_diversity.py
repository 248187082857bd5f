"""How peers differ: pairs, their mean and a perfect chooser against numpy, padded, in other tasks, on replicas."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from odtf.methods.shared import diversity
from odtf.metrics import MeanAbsoluteError
from odtf.tasks import Classification, Task
from odtf.tasks.retrieval import Retrieval
from tests.methods.conftest import make_batch, make_method


def test_values_against_numpy():
    method = make_method("DeepMutualLearning", num_peers=3)
    method.compile(keras.optimizers.SGD(0.1), run_eagerly=True)
    images, labels = make_batch()
    weights = np.array([1.0] * 12 + [0.0] * 4, "float32")
    found = method.measure(tf.data.Dataset.from_tensor_slices((images, labels, weights)).batch(8))
    logits = np.stack([peer(images)["logits"].numpy() for peer in method.peers.values()])[:, :12]
    answers, labels = logits.argmax(-1), labels[:12]
    pairs = {(i, j): (answers[i] != answers[j]).mean() for i in range(3) for j in range(i + 1, 3)}
    expected = {f"disagreement/peer_{i}-peer_{j}": share for (i, j), share in pairs.items()}
    expected["diversity/disagreement"] = np.mean(list(pairs.values()))
    expected["diversity/mean_top1"] = (logits.mean(0).argmax(-1) == labels).mean()
    expected["diversity/chooser_top1"] = (answers == labels).any(0).mean()
    assert {key: found[key] for key in expected} == pytest.approx(expected)
    assert expected["diversity/disagreement"] > 0


def test_two_replicas_are_one(mirrored):
    images, labels = make_batch()
    found = []
    for strategy in (tf.distribute.get_strategy(), mirrored):
        with strategy.scope():
            method = make_method("DeepMutualLearning")
            method.compile(keras.optimizers.SGD(0.1), run_eagerly=True)
        share = 16 // strategy.num_replicas_in_sync

        def dataset(context=None, share=share):
            return tf.data.Dataset.from_tensor_slices((images, labels)).batch(share)

        data = strategy.distribute_datasets_from_function(dataset) if share < 16 else dataset()
        found.append({key: value for key, value in method.measure(data).items() if key.startswith("d")})
    assert set(found[0]) == {
        *("disagreement/peer_0-peer_1", "diversity/disagreement", "diversity/mean_top1", "diversity/chooser_top1")
    }
    assert found[0] == pytest.approx(found[1])


def test_one_network_and_a_chain_have_no_peers_to_compare():
    images, labels = make_batch()
    for name in ("Solo", "TAKD", "OfflineDistillation"):
        method = make_method(name)
        method.compile(keras.optimizers.SGD(0.1), run_eagerly=True)
        assert not [key for key in method.measure(images, labels) if key.startswith(("disagreement", "diversity"))]


class Depth(Task):
    """Numbers, of which less error is better."""

    name, output = "depth", "depth"

    def __init__(self):
        self.metrics = {"error": MeanAbsoluteError()}


def test_where_less_is_better_the_chooser_takes_the_least():
    targets = np.array([0.0, 1.0, 2.0], "float32")
    answers = {"peer_0": targets + 1.0, "peer_1": np.array([3.0, 1.0, 1.5], "float32"), "teacher": targets}
    answers = {name: tf.constant(each[:, None]) for name, each in answers.items()}
    totals = diversity.sums(Depth(), targets[:, None], answers, np.ones(3, "float32"))
    found = diversity.results(Depth(), {key: np.asarray(value) for key, value in totals.items()})
    # The means of both are 2, 1.5 and 2.25; without an agreement there are no pairs.
    expected = {"diversity/mean_error": (2.0 + 0.5 + 0.25) / 3, "diversity/chooser_error": (1.0 + 0.0 + 0.5) / 3}
    assert found == pytest.approx(expected)


def test_embeddings_are_compared_by_their_cosines_where_they_have_one_size():
    rng = np.random.default_rng(0)
    one, other, wide = (tf.constant(rng.normal(size=(6, n)), "float32") for n in (4, 4, 5))
    task, ones = Retrieval(), np.ones(6, "float32")
    totals = diversity.sums(task, np.zeros(6), {"peer_0": one, "peer_1": other}, ones)
    found = diversity.results(task, {key: np.asarray(value) for key, value in totals.items()})
    cosines = (one * other).numpy().sum(-1) / np.linalg.norm(one, axis=-1) / np.linalg.norm(other, axis=-1)
    # A ranking has no value of one image.
    assert found == pytest.approx(
        dict.fromkeys(("disagreement/peer_0-peer_1", "diversity/disagreement"), cosines.mean()), rel=1e-5
    )
    assert diversity.sums(task, np.zeros(6), {"peer_0": one, "peer_1": wide}, ones) == {}


def test_totals_of_all_else_are_left_alone():
    totals = {
        "peer_0/top1/sum": np.array(3.0),
        "together/mean/sum": np.array(1.0),
        "together/mean/count": np.array(2.0),
    }
    assert diversity.results(Classification(), totals) == {"diversity/mean_top1": 0.5}
    assert list(totals) == ["peer_0/top1/sum"]
