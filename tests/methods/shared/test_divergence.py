"""The divergence of a config: every method with every one, its options, its warm-up, and where it has no meaning."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from odtf import losses, methods
from odtf.methods.shared.divergence import OPTIONS, Divergence
from odtf.models import heads
from odtf.tasks import Classification, Task
from odtf.tasks.retrieval import Retrieval
from odtf.tasks.segmentation import VOID, Segmentation
from odtf.tasks.translation import Translation
from tests.methods.conftest import few_peers, make_batch, make_method, meaningful
from tests.methods.numpy_losses import at_epoch, divergence, moved, random_outputs
from tests.methods.tiny import least

pytestmark = pytest.mark.usefixtures("eagerly")  # One step of each network.
COMPARING = [name for name in meaningful() if getattr(methods, name).distils]
OTHERS = [name for name in OPTIONS if name != "kl"]
# What makes the divergence a part of the loss where it is none by default.
PRESENT = {"AttentionTransfer": {"alpha": 0.5}, "FitNets": {"alpha": 1.0}, "InDistill": {"layer_epochs": ()}}
# In which all ramps have risen some way, and the gate of MCOD is open.
EPOCH = 13


def kept(terms):
    """The terms that are not of labels, as arrays."""
    return {name: term.numpy() for name, term in terms.items() if not name.endswith("supervised")}


@pytest.mark.parametrize("name", COMPARING)
def test_every_method_takes_a_step_with_every_divergence(name):
    images, labels = (tf.constant(each) for each in make_batch())
    # By its name in the constructor for one of them; what they do in a step is the same however they came.
    method = make_method(name, divergence="dkd", **few_peers(name), **PRESENT.get(name, {}))
    at_epoch(method, EPOCH)
    outputs, found = method(images, training=True), {}
    for divergence_name in (*OTHERS, "kl"):
        method.divergence = Divergence(divergence_name, method.task, method.aggregates)
        terms = method.loss_terms(labels, outputs)
        assert all(term.shape == (16,) and term.dtype == tf.float32 for term in terms.values())
        assert method.divergence.used
        found[divergence_name] = kept(terms)
    for other in OTHERS:
        assert found[other].keys() == found["kl"].keys()
        assert any(np.abs(found[other][term] - found["kl"][term]).max() > 1e-4 for term in found["kl"]), other
    for divergence_name in OTHERS:
        method.divergence = Divergence(divergence_name, method.task, method.aggregates)
        logs = method.step((images, labels))
        assert all(np.isfinite(float(value)) for value in logs.values()), divergence_name


def test_those_that_compare_no_answers_say_so():
    assert set(meaningful()) - set(COMPARING) == {"Solo", "PKT", "SpiritDistillation"}
    with pytest.raises(ValueError, match=r"Solo compares no answers.*'dist'"):
        make_method("Solo", divergence="dist")


def test_kl_is_the_divergence_of_the_task_bit_by_bit():
    method = at_epoch(make_method("DeepMutualLearning", temperature=3.0), 0)
    labels, _, outputs = random_outputs(method, method.peers)
    one, other = (outputs[name]["logits"] for name in method.peers)
    expected = losses.kl_divergence(other, one, 3.0)
    np.testing.assert_array_equal(method.distil(labels, other, one, 3.0), expected)
    np.testing.assert_array_equal(method.loss_terms(labels, outputs)["peer_0/mutual"], expected)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("kl", lambda y, t, s: losses.kl_divergence(t, s, 2.0)),
        ({"name": "kl", "weight": 3.0}, lambda y, t, s: 3.0 * losses.kl_divergence(t, s, 2.0)),
        ({"name": "kl", "reduction": "elementmean"}, lambda y, t, s: losses.kl_divergence(t, s, 2.0) / 10),
        ("standardized", lambda y, t, s: losses.standardized_kl(t, s, 2.0)),
        ({"name": "standardized", "weight": 9.0}, lambda y, t, s: 9.0 * losses.standardized_kl(t, s, 2.0)),
        ({"name": "dkd", "warmup_epochs": 0}, lambda y, t, s: losses.dkd(y, t, s, 2.0)),
        ({"name": "dkd", "alpha": 0.5, "beta": 2.0}, lambda y, t, s: 0.65 * losses.dkd(y, t, s, 2.0, 0.5, 2.0)),
        ("dist", lambda y, t, s: losses.dist(t, s, 2.0)),
        (
            {"name": "dist", "weight": 2.0, "beta": 0.5, "gamma": 3.0},
            lambda y, t, s: 2.0 * losses.dist(t, s, 2.0, 0.5, 3.0),
        ),
    ],
)
def test_options(said, expected):
    method = at_epoch(make_method("DeepMutualLearning", divergence=said), EPOCH)
    labels, _, outputs = random_outputs(method, method.peers)
    one, other = (outputs[name]["logits"] for name in method.peers)
    np.testing.assert_allclose(method.distil(labels, other, one, 2.0), expected(labels, other, one), rtol=1e-5)


def test_dkd_warms_up_from_the_epoch_in_which_the_student_begins():
    def value(method, epoch):
        at_epoch(method, epoch).begin_epoch(epoch)
        labels, _, outputs = random_outputs(method, ("a", "b"))
        one, other = (taps["logits"] for taps in outputs.values())
        whole = losses.dkd(labels, other, one).numpy()
        return float((method.distil(labels, other, one).numpy() / whole).mean())

    together = make_method("DeepMutualLearning", divergence="dkd")
    assert [value(together, epoch) for epoch in (0, 5, 20, 100)] == pytest.approx([0.0, 0.25, 1.0, 1.0])
    later = make_method("OfflineDistillation", divergence="dkd", teacher=None, teacher_network=least, teacher_epochs=30)
    assert [value(later, epoch) for epoch in (30, 35, 50)] == pytest.approx([0.0, 0.25, 1.0])


def test_what_is_detached_stays_the_methods_own(batch):
    """OD-cheap's teacher is pulled by every divergence; a peer of mutual learning pulls no other."""
    for said in (*OTHERS, "kl"):
        method = at_epoch(make_method("OnlineDistillationCheap", num_peers=2, divergence=said), EPOCH)
        parts = {**method.peers, "head": method.teacher_head}
        assert moved(method, batch, "peer_0/distillation", parts) == dict.fromkeys(parts, True)
        method = at_epoch(make_method("DeepMutualLearning", divergence=said), EPOCH)
        assert moved(method, batch, "peer_0/mutual", method.peers) == {"peer_0": True, "peer_1": False}


def test_published_weights_of_offline_distillation():
    """0.1 CE + 9 KL of standardised logits, T = 2."""
    method = make_method(
        "OfflineDistillation",
        temperature=2.0,
        alpha=1.0,
        labels_weight=0.1,
        divergence={"name": "standardized", "weight": 9.0},
    )
    labels, _, outputs = random_outputs(method, ("peer_0", "teacher"))
    student, teacher = (taps["logits"] for taps in outputs.values())
    terms = method.loss_terms(labels, outputs)
    np.testing.assert_allclose(terms["peer_0/supervised"], 0.1 * losses.cross_entropy(labels, student), rtol=1e-6)
    expected = 9.0 * losses.standardized_kl(teacher, student, 2.0)
    np.testing.assert_allclose(terms["peer_0/distillation"], expected, rtol=1e-6)
    with pytest.raises(ValueError, match=r"labels_weight=-1"):
        make_method("OfflineDistillation", labels_weight=-1)


# What was there before ------------------------------------------------------------------------------------------------


def test_former_arguments_are_options():
    """`kl_reduction` of OD-cheap and the chains, and `aggregate` of OKDDip."""
    for name in ("OnlineDistillationCheap", "TAKD", "DGKD"):
        former = make_method(name, kl_reduction="elementmean", **few_peers(name))
        said = make_method(name, divergence={"name": "kl", "reduction": "elementmean"}, **few_peers(name))
        assert former.divergence.options == said.divergence.options
        assert former.divergence.options["reduction"] == "elementmean"
    former = make_method("OKDDip", aggregate="probabilities", num_peers=3)
    said = make_method("OKDDip", divergence={"name": "dist", "aggregate": "probabilities"}, num_peers=3)
    assert former.divergence.options["aggregate"] == said.divergence.options["aggregate"] == "probabilities"
    # A config that says the default of what another divergence has not.
    make_method("OnlineDistillationCheap", kl_reduction="batchmean", divergence="dist")


def test_elementmean_against_numpy():
    method = make_method("OnlineDistillationCheap", num_peers=2, temperature=3.0, kl_reduction="elementmean")
    labels, z, outputs = random_outputs(method, ("peer_0", "peer_1", "teacher"))
    found = float(tf.reduce_mean(method.loss_terms(tf.constant(labels), outputs)["peer_0/distillation"]))
    assert found == pytest.approx(divergence(z["teacher"], z["peer_0"], 3.0) / 10, rel=1e-5)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("DeepMutualLearning", {"divergence": "kd"}, r"one of kl, standardized, dkd, dist. Received: 'kd'"),
        ("DeepMutualLearning", {"divergence": ["kl"]}, r"one of kl.*Received: \['kl'\]"),
        ("DeepMutualLearning", {"divergence": None}, r"one of kl.*Received: None"),
        ("DeepMutualLearning", {"divergence": {"beta": 2.0}}, r"one of kl.*Received: \{'beta': 2.0\}"),
        ("DeepMutualLearning", {"divergence": {"name": "dkd", "gamma": 1}}, r"'dkd' takes alpha, beta.*'gamma'"),
        ("DeepMutualLearning", {"divergence": {"name": "dkd", "beta": -1}}, r"divergence.beta must be a number.*-1"),
        ("DeepMutualLearning", {"divergence": {"name": "dist", "beta": "x"}}, r"divergence.beta must be a number"),
        ("DeepMutualLearning", {"divergence": {"name": "kl", "weight": True}}, r"divergence.weight must be a number"),
        ("DeepMutualLearning", {"divergence": {"name": "kl", "reduction": "sum"}}, r"divergence.reduction must.*'sum'"),
        ("DeepMutualLearning", {"divergence": {"name": "kl", "aggregate": "logits"}}, r"takes reduction.*'aggregate'"),
        ("TAKD", {"kl_reduction": "sum"}, r"kl_reduction must be 'batchmean' or 'elementmean'. Received: 'sum'"),
        (
            "TAKD",
            {"kl_reduction": "elementmean", "divergence": "dist"},
            r"kl_reduction is of the divergence 'kl'. Received: 'elementmean' with 'dist'",
        ),
        (
            "TAKD",
            {"kl_reduction": "elementmean", "divergence": {"name": "kl", "reduction": "batchmean"}},
            r"kl_reduction and reduction of the divergence are one. Received: 'elementmean' and 'batchmean'",
        ),
    ],
)
def test_bad_arguments(name, options, message):
    with pytest.raises(ValueError, match=message):
        make_method(name, **options)


# Other tasks ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("task", [Retrieval(), Translation(), Segmentation(distillation="channel"), Task()])
@pytest.mark.parametrize("name", OTHERS)
def test_answers_that_are_no_class_scores_are_refused(name, task):
    with pytest.raises(ValueError, match=rf"'{name}' compares class scores: kl.*Received: the task '{task.name}'"):
        Divergence(name, task)
    assert Divergence("kl", task).is_default
    assert Divergence(name, Classification()).name == name


def test_masks_are_compared_pixel_by_pixel():
    network = functools.partial(least, head=heads.Pixels(3), shape=(6, 6, 1), strides=(1, 2))
    rng = np.random.default_rng(0)
    images = rng.normal(size=(4, 6, 6, 1)).astype("float32")
    masks = rng.integers(0, 3, (4, 6, 6)).astype("uint8")
    masks[:, :2] = VOID
    oracles = {
        "standardized": lambda t, s: losses.standardized_kl(t, s, 2.0),
        "dkd": lambda t, s: losses.dkd(masks, t, s, 2.0, ignore=VOID),
        "dist": lambda t, s: losses.dist(t, s, 2.0),
    }
    for name, oracle in oracles.items():
        said = {"name": name, **({"warmup_epochs": 0} if name == "dkd" else {})}
        method = methods.DeepMutualLearning(network, task=Segmentation(), temperature=2.0, divergence=said)
        method.compile(keras.optimizers.SGD(0.1), steps_per_epoch=1)
        outputs = method(images, training=True)
        terms = method.loss_terms(tf.constant(masks), outputs)
        one, other = (outputs[peer]["logits"] for peer in ("peer_0", "peer_1"))
        np.testing.assert_allclose(terms["peer_0/mutual"], oracle(other, one), rtol=1e-5)
        assert np.isfinite(float(method.step((tf.constant(images), tf.constant(masks)))["loss"]))
