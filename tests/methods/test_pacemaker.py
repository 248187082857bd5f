"""Pacemaker: its losses against numpy, the network of two branches, the steps of its sequence."""

import functools

import keras
import numpy as np
import pytest

from odtf import models
from odtf.methods.pacemaker import Pacemaker, two_branches
from tests.methods.test_baselines import cross_entropy, divergence
from tests.methods.test_takd import changed, fit, losses, moved_by, random_logits, state
from tests.methods.tiny import tiny

SQUARE, LINE = (
    functools.partial(models.wide_resnet, (8, 8, 1), 10, depth=10, widths=(4, 6, 8), stem_width=4, conv=conv)
    for conv in ("standard", "line")
)


def make(**options):
    options = {"step_epochs": (), "pacemaker_network": functools.partial(tiny, (6,)), **options}
    method = Pacemaker(tiny, teacher_network=functools.partial(tiny, (4, 8)), **options)
    method.compile(keras.optimizers.SGD(0.1), steps_per_epoch=2)
    return method


@pytest.mark.parametrize("guidance", ["mean", "ensemble"])
def test_whole_loss_against_numpy(guidance):
    method = make(guidance=guidance, share=0.4, temperature=3.0)
    z, labels = random_logits(method.peers), np.arange(6)
    teachers = [z["pacemaker"], z["teacher"]]
    if guidance == "ensemble":
        teachers = [(z["pacemaker"] + z["teacher"]) / 2]
    expected = {
        "teacher": cross_entropy(labels, z["teacher"]),
        "pacemaker": 0.6 * cross_entropy(labels, z["pacemaker"]) + 0.4 * divergence(z["teacher"], z["pacemaker"], 3.0),
        "peer_0": 0.6 * cross_entropy(labels, z["peer_0"])
        + 0.4 * np.mean([divergence(t, z["peer_0"], 3.0) for t in teachers]),
    }
    assert losses(method, z, labels) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("guidance", ["mean", "ensemble"])
def test_a_term_moves_its_own_network_alone(batch, guidance):
    method = make(guidance=guidance)
    sources = ("from_ensemble",) if guidance == "ensemble" else ("from_pacemaker", "from_teacher")
    for term in ("teacher/supervised", "pacemaker/from_teacher", *(f"peer_0/{source}" for source in sources)):
        assert moved_by(method, batch, term) == {term.split("/")[0]}


def test_a_sequence_goes_from_the_pacemaker_to_the_teacher(batch):
    method = make(guidance="sequence", step_epochs=(1,))
    assert [method.phase_at(epoch) for epoch in range(5)] == [0, 1, 2, 3, 3]
    trained, terms = [], []
    for epoch in range(4):
        before = state(method)
        logs = fit(method, batch, 1, start=epoch)
        trained.append(changed(before, state(method)))
        terms.append({key for key in logs if "/from_" in key})
    assert trained == [{"teacher"}, {"pacemaker"}, {"peer_0"}, {"peer_0"}]
    assert terms == [set(), {"pacemaker/from_teacher"}, {"peer_0/from_pacemaker"}, {"peer_0/from_teacher"}]


def test_two_branches_share_the_stem_and_average(batch):
    network = two_branches(SQUARE, LINE, "stem")(seed=1, name="pacemaker")
    square, line = SQUARE(seed=0, name="a"), LINE(seed=0, name="b")
    count = sum(np.prod(v.shape) for v in network.trainable_variables)
    stem = 9 * 4
    assert count == sum(np.prod(v.shape) for n in (square, line) for v in n.trainable_variables) - stem
    # Each branch by itself: the other's classifier at 0, and the mean is half of it.
    whole = network(batch[0])["logits"].numpy()
    halves = []
    for off in ("logits", "branch_logits"):
        weights = network.get_layer(off).get_weights()
        network.get_layer(off).set_weights([0 * w for w in weights])
        halves.append(network(batch[0])["logits"].numpy())
        network.get_layer(off).set_weights(weights)
    np.testing.assert_allclose(halves[0] + halves[1], whole, atol=1e-5)
    np.testing.assert_allclose(models.deploy(network)(batch[0]), whole, atol=1e-5)
    assert models.cost(network).macs == models.cost(square).macs + models.cost(line).macs - stem * 64


def test_without_a_network_the_pacemaker_has_two_branches(batch):
    method = Pacemaker(LINE, teacher_network=SQUARE, step_epochs=())
    outputs = method(batch[0], training=True)
    assert outputs["pacemaker"]["logits"].shape == (16, 10)
    assert any(layer.name.startswith("branch_") for layer in method.peers["pacemaker"].layers)
    # Nothing of it in the student.
    deployed = models.deploy(method.peers["peer_0"])
    np.testing.assert_allclose(deployed(batch[0]), method(batch[0])["peer_0"]["logits"], atol=1e-5)
    assert len(deployed.weights) == len(models.deploy(LINE(seed=0, name="alone")).weights)


@pytest.mark.parametrize(("depth", "widen", "teacher", "student"), [(16, 2, 0.703, 0.251), (28, 4, 5.872, 2.007)])
def test_published_sizes(depth, widen, teacher, student):
    """Millions of parameters of N x N teacher and 1 x N student, whose stem is 1 x N too, for 100 classes."""
    wide = functools.partial(models.wide_resnet, (32, 32, 3), 100, depth=depth, widen=widen)
    counts = [
        round(sum(int(np.prod(v.shape)) for v in network.trainable_variables) / 1e6, 3)
        for network in (wide(), wide(conv="line", stem_conv="line"))
    ]
    assert counts == [teacher, student]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"guidance": "all"}, "'mean', 'ensemble' or 'sequence'"),
        ({"guidance": "sequence"}, "needs steps"),
        ({"pacemaker_network": None, "cut": "stage1"}, "part at a layer of one shape"),
        ({"pacemaker_network": None, "cut": "nowhere"}, "part at a layer of one shape"),
    ],
)
def test_bad_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        Pacemaker(tiny, **{"teacher_network": functools.partial(tiny, (6, 8)), "step_epochs": (), **options})
