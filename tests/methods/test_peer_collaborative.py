"""PCL: its whole loss against numpy, who moves whom, the mean models, the views, what is deployed."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from odtf import models
from odtf.methods.peer_collaborative import PeerCollaborative
from odtf.training.checkpoints import Checkpoints
from tests.methods.conftest import NETWORK, make_method
from tests.methods.numpy_losses import at_epoch, count, cross_entropy, divergence, moved, random_outputs, total

NAME = "PeerCollaborative"


@pytest.fixture
def views(batch):
    """A batch with three different views of every image."""
    rng = np.random.default_rng(1)
    return rng.normal(size=(16, 3, 8, 8, 1)).astype("float32"), batch[1]


@pytest.mark.parametrize(("num_peers", "epoch", "weight"), [(2, 10, 0.021750), (3, 80, 1.0)])
def test_whole_loss_against_numpy(num_peers, epoch, weight):
    """A peer follows the ensemble and the mean models of the others, not its own."""
    method = at_epoch(make_method(NAME, num_peers=num_peers), epoch)
    names = [*(f"peer_{i}" for i in range(num_peers)), *(f"mean_{i}" for i in range(num_peers)), "ensemble"]
    labels, logits, outputs = random_outputs(method, names)
    expected = cross_entropy(labels, logits["ensemble"])
    for j in range(num_peers):
        z = logits[f"peer_{j}"]
        means = [logits[f"mean_{i}"] for i in range(num_peers) if i != j]
        expected += cross_entropy(labels, z) + weight * divergence(logits["ensemble"], z, 3.0)
        expected += weight * sum(divergence(mean, z, 3.0) for mean in means) / (num_peers - 1)
    assert total(method, labels, outputs) == pytest.approx(expected, rel=1e-5)


def test_who_moves_whom(batch):
    """The ensemble as a target and the mean models are detached; the features that go into the ensemble are not."""
    method = at_epoch(make_method(NAME, num_peers=2), 80)
    # Another mean model than its peer, so that the divergence between them is not zero.
    for variable in method.mean_trunk.trainable_variables:
        variable.assign(variable * 1.5)
    parts = {"trunk": method.trunk, "ensemble": method.ensemble, "mean trunk": method.mean_trunk}
    parts |= {f"branch {i}": branch for i, branch in enumerate(method.branches.values())}
    parts |= {f"mean {i}": branch for i, branch in enumerate(method.mean_branches.values())}

    def learners(term):
        return {key for key, reached in moved(method, batch, term, parts).items() if reached}

    assert learners("ensemble/supervised") == {"trunk", "branch 0", "branch 1", "ensemble"}
    for term in ("peer_1/ensemble", "peer_1/mean", "peer_1/supervised"):
        assert learners(term) == {"trunk", "branch 1"}, term


def test_counts():
    network = functools.partial(models.cifar_resnet, (32, 32, 3), 100, depth=32)
    method = PeerCollaborative(network)
    assert count(method.trainable_variables) == 1_212_384
    assert count(method.ensemble.trainable_variables) == 19_300
    for name in ("peer_2", "mean_2"):
        assert models.cost(method.peers[name]).params == 472_756


def test_ensemble_is_linear_in_the_features(batch):
    method = make_method(NAME)
    outputs = method(batch[0], training=True)
    features = np.concatenate([outputs[f"peer_{i}"]["embedding"].numpy() for i in range(3)], axis=-1)
    kernel, bias = (w.numpy() for w in method.ensemble.weights)
    np.testing.assert_allclose(outputs["ensemble"]["logits"], features @ kernel + bias, atol=1e-5)


# The mean models ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("step", "phi"), [(0, 0.0), (1, 0.5), (9, 0.9), (99, 0.99), (999, 0.999), (5000, 0.999)])
def test_the_average_weighs_the_past_by_phi(step, phi):
    method = make_method(NAME, num_peers=2)
    method.compile(keras.optimizers.SGD(0.1), steps_per_epoch=1)
    mean, trained = (
        method.mean_branches["mean_1"].trainable_variables[0],
        method.branches["peer_1"].trainable_variables[0],
    )
    mean.assign(tf.ones(mean.shape))
    trained.assign(tf.fill(trained.shape, 3.0))
    method.optimizer.iterations.assign(step + 1)  # As it stands after step g = 0, 1, ..
    method.after_step(None, None)
    np.testing.assert_allclose(mean.numpy(), phi * 1.0 + (1 - phi) * 3.0, rtol=1e-5)
    np.testing.assert_array_equal(trained.numpy(), 3.0)


def test_the_means_follow_step_by_step(views):
    """Every trained variable of trunk and branches, over four steps; and nothing but them."""
    method = make_method(NAME, num_peers=2)
    method.compile(keras.optimizers.SGD(0.1), weight_decay=1e-3, steps_per_epoch=2)

    def weights(trunk, branches):
        return [v.numpy() for part in (trunk, *branches.values()) for v in part.trainable_variables]

    expected = weights(method.trunk, method.branches)
    for a, b in zip(expected, weights(method.mean_trunk, method.mean_branches), strict=True):
        np.testing.assert_array_equal(a, b)  # They start as the peers do.
    for g in range(4):
        method.step((tf.constant(views[0]), tf.constant(views[1])))
        phi = min(1 - 1 / (g + 1), 0.999)
        now = weights(method.trunk, method.branches)
        expected = [phi * old + (1 - phi) * new for old, new in zip(expected, now, strict=True)]
        for a, b in zip(expected, weights(method.mean_trunk, method.mean_branches), strict=True):
            np.testing.assert_allclose(a, b, atol=1e-6)
    trained = {id(v) for v in method.trainable_variables}
    assert not trained & {id(v) for part in (method.mean_trunk, *method.mean_branches.values()) for v in part.variables}


def test_the_means_normalise_with_their_batch_and_keep_statistics_of_their_own(batch):
    """In training a mean model that equals its peer gives the same outputs, and moves its own statistics."""
    method = make_method(NAME, num_peers=2)
    outputs = method(batch[0], training=True)
    np.testing.assert_allclose(outputs["mean_1"]["logits"], outputs["peer_1"]["logits"], atol=1e-5)
    for own, peer in zip(method.mean_branches["mean_0"].variables, method.branches["peer_0"].variables, strict=True):
        if "moving_mean" in own.path:
            assert own is not peer
            assert np.abs(own.numpy()).max() > 0


def test_a_run_resumed_from_a_checkpoint_goes_on_as_if_nothing_had_happened(views, tmp_path):
    def cohort(seed):
        method = make_method(NAME, num_peers=2, seed=seed)
        method.compile(keras.optimizers.SGD(0.1, momentum=0.9), steps_per_epoch=2)
        return method, Checkpoints(tmp_path, method)

    data = (tf.constant(views[0]), tf.constant(views[1]))
    one, checkpoints = cohort(seed=0)
    for step in range(3):
        one.step(data)
        if step == 1:
            checkpoints.save({"step": 2, "chosen": None})
    other, checkpoints = cohort(seed=1)
    assert checkpoints.restore()["step"] == 2
    other.step(data)
    for a, b in zip(one.variables, other.variables, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy(), err_msg=a.path)


# Views --------------------------------------------------------------------------------------------------------------


def test_every_peer_and_its_mean_see_the_view_of_their_own(views):
    method = make_method(NAME)
    outputs = method(views[0])
    for kind in ("peer", "mean"):
        for i in range(3):
            name = f"{kind}_{i}"
            np.testing.assert_allclose(
                outputs[name]["logits"], method.peers[name](views[0][:, i])["logits"], atol=1e-5, err_msg=name
            )
    assert np.abs(outputs["peer_0"]["stage1"] - outputs["peer_1"]["stage1"]).max() > 0.1


@pytest.mark.parametrize("num_views", [1, 2])
def test_one_pass_of_the_trunk_for_every_view(views, num_views):
    """Counted in the graph: each stem convolves every view once, and only for its batch."""
    method = make_method(NAME, num_peers=2)
    method.compile(keras.optimizers.SGD(0.1), steps_per_epoch=1)
    images = views[0][:, :2] if num_views > 1 else views[0][:, 0]
    step = tf.function(method.step, autograph=False)
    graph = step.get_concrete_function((tf.constant(images), tf.constant(views[1]))).graph
    forward = [op for op in graph.get_operations() if op.type == "Conv2D" and op.inputs[0].shape[1:] == (8, 8, 1)]
    assert len(forward) == 2 * num_views  # The trunk of the peers and that of their means.
    assert all(op.inputs[0].shape[0] == 16 for op in forward)


def test_normalisation_of_the_trunk_sees_one_view_at_a_time(views):
    """Its moving mean is updated once a view: m <- 0.9 m + 0.1 mean(view), three times."""
    method = make_method(NAME)
    stem = method.peers["peer_0"].get_layer("stem")
    norm = method.peers["peer_0"].get_layer("stem_norm")
    means = [stem(views[0][:, i]).numpy().mean((0, 1, 2)) for i in range(3)]
    method(views[0], training=True)
    expected = 0.1 * (0.81 * means[0] + 0.9 * means[1] + means[2])
    np.testing.assert_allclose(norm.moving_mean.numpy(), expected, atol=1e-5)


# Deployment ---------------------------------------------------------------------------------------------------------


def test_every_peer_can_be_deployed(views):
    method = make_method(NAME, num_peers=2)
    method.compile(keras.optimizers.SGD(0.05), steps_per_epoch=1)
    method.step((tf.constant(views[0]), tf.constant(views[1])))
    images = views[0][:, 0]
    outputs = method(images)
    size = count(NETWORK(seed=0, name="alone").weights)
    for name, network in method.peers.items():
        deployed = models.deploy(network)
        np.testing.assert_allclose(deployed(images), outputs[name]["logits"], atol=1e-5)
        assert (count(deployed.weights) == size) == (name != "ensemble")


@pytest.mark.parametrize(
    ("student", "names"),
    [
        ("mean", ("mean_0", "mean_1", "mean_2")),
        ("peer", ("peer_0", "peer_1", "peer_2")),
        ("ensemble", ("ensemble",)),
    ],
)
def test_the_student_is_chosen_from(student, names):
    assert make_method(NAME, student=student).students == names


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_peers": 1}, "at least 2"),
        ({"student": "best"}, "'mean', 'peer' or 'ensemble'"),
        ({"mean_decay": 1.0}, r"lie in \[0, 1\)"),
    ],
)
def test_bad_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        make_method(NAME, **options)
