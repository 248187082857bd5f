"""FFSD: golden numbers, its whole loss against numpy, who moves whom, the optimizers, what is deployed."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from odtf import models
from odtf.methods.feature_fusion_self_distillation import FeatureFusionSelfDistillation
from odtf.methods.shared import self_distillation as sd
from odtf.training.checkpoints import Checkpoints
from tests.methods.conftest import NETWORK, make_method
from tests.methods.numpy_losses import at_epoch, count, cross_entropy, divergence, moved, total

NAME = "FeatureFusionSelfDistillation"
# Two channels of 3x3 with the values 0.1 .. 1.8.
TOY = (np.arange(1, 19) / 10).reshape(2, 3, 3).transpose(1, 2, 0)[None]
ATTENTION = [0.505, 0.625, 0.765, 0.925, 1.105, 1.305, 1.525, 1.765, 2.025]
TARGET = [0.1324, 0.1638, 1.9074, 3.5722, 3.525, 3.4726, 3.4149, 3.352, 3.2839]


# The parts, against numbers worked out by hand and numpy -------------------------------------------------------------


def test_shifted_attention_of_the_toy():
    a, target = sd.shifted_attention(np.array([ATTENTION]))
    assert np.linalg.norm(ATTENTION) == pytest.approx(3.81471165)
    assert np.sort(a[0])[2] == pytest.approx(0.2005394, abs=1e-6)
    np.testing.assert_allclose(target[0], TARGET, atol=1e-4)


def test_diversity_of_the_toy():
    uniform = np.ones((1, 3, 3, 4), "float32")  # Attention of unit norm: 1/3 everywhere.
    np.testing.assert_allclose(sd.attention_diversity(TOY, uniform), [6.710415], rtol=1e-5)


def test_raw_variant_reflects_the_attention_itself():
    a, target = sd.shifted_attention(np.array([ATTENTION]), "raw")
    norm = np.linalg.norm(ATTENTION)
    np.testing.assert_allclose(a[0], ATTENTION, rtol=1e-6)
    expected = [0.505, 0.625, norm / 2, *(norm - np.array(ATTENTION[3:]))]
    np.testing.assert_allclose(target[0], expected, rtol=1e-5)
    ones = np.ones((1, 3, 3, 4), "float32")
    expected = [((1 - np.array(expected)) ** 2).mean()]
    np.testing.assert_allclose(sd.attention_diversity(TOY, ones, "raw"), expected, rtol=1e-5)


def numpy_shift(features, variant):
    """The attention-shifted map, written anew."""
    n, h, w, c = features.shape
    attention = (features**2).mean(-1).reshape(n, -1)
    norm = np.sqrt((attention**2).sum(-1, keepdims=True))
    a = attention / norm if variant == "released" else attention
    threshold = np.sort(a, -1)[:, [max(h * w // 3, 1) - 1]]
    target = np.where(a > threshold, norm - a, np.where(a < threshold, a, norm / 2))
    change = (target - a) * (norm if variant == "released" else 1) / c
    return features + change.reshape(n, h, w, 1), a, target


@pytest.mark.parametrize("variant", ["released", "raw"])
@pytest.mark.parametrize("size", [2, 8])
def test_shifted_map_against_numpy(variant, size):
    features = np.random.default_rng(0).normal(size=(4, size, size, 6))
    np.testing.assert_allclose(sd.shift_attention(features, variant), numpy_shift(features, variant)[0], atol=1e-4)


def test_transposed_convolution_is_aligned_as_in_pytorch():
    """ConvTranspose2d(k=3, s=2, p=1, output_padding=1): input (i, j) times kernel (a, b) goes to (2i+a-1, 2j+b-1)."""
    rng = np.random.default_rng(0)
    taps = {"stage1": keras.Input((8, 8, 2)), "stage2": keras.Input((4, 4, 3))}
    model = sd.transform_model(taps, seed=0)
    kernel = next(layer for layer in model.layers if isinstance(layer, keras.layers.Conv2DTranspose)).kernel.numpy()
    x = rng.normal(size=(1, 4, 4, 3))
    expected = np.zeros((1, 8, 8, 2))
    for i, j, a, b in np.ndindex(4, 4, 3, 3):
        row, column = 2 * i + a - 1, 2 * j + b - 1
        if 0 <= row < 8 and 0 <= column < 8:
            expected[0, row, column] += kernel[a, b] @ x[0, i, j]
    expected = np.maximum(expected / np.sqrt(1 + 1e-5), 0)
    np.testing.assert_allclose(model(x, training=False)["stage1"], expected, atol=1e-5)


def test_stages_must_halve_the_resolution():
    with pytest.raises(ValueError, match=r"halve the resolution. Received: \(4, 4\) after \(4, 4\)"):
        sd.transform_model({"stage1": keras.Input((4, 4, 2)), "stage2": keras.Input((4, 4, 3))}, seed=0)


def test_counts():
    network = functools.partial(models.cifar_resnet, (32, 32, 3), 100, depth=8)  # The depth plays no part in these.
    method = FeatureFusionSelfDistillation(network)
    assert count(method.fusion.trainable_variables) == 16_228
    assert count(method.expansion.trainable_variables) == 9_152
    assert {key: count(t.trainable_variables) for key, t in method.transforms.items()} == {
        "peer_1": 23_136,
        "leader": 23_136,
    }
    backbones = sum(count(peer.trainable_variables) for peer in method.peers.values())
    assert count(method.trainable_variables) == backbones + 16_228 + 9_152 + 2 * 23_136


# The whole loss -----------------------------------------------------------------------------------------------------


def attention_transfer(u, v):
    return ((unit((u**2).mean(-1)) - unit((v**2).mean(-1))) ** 2).mean()


def unit(x):
    x = x.reshape(len(x), -1)
    return x / np.sqrt((x**2).sum(-1, keepdims=True))


SHAPES = {"stage1": (8, 8, 4), "stage2": (4, 4, 8), "stage3": (2, 2, 16)}


def random_taps(num_peers):
    """Outputs as the method has them in training, and as arrays."""
    rng = np.random.default_rng(7)
    arrays = {}
    for name in (*(f"peer_{i}" for i in range(num_peers)), "leader"):
        arrays[name] = {tap: rng.normal(size=(6, *shape)) for tap, shape in SHAPES.items()}
        arrays[name]["logits"] = rng.normal(0, 2, (6, 10))
        if name != "peer_0":
            for kind in ("expected", "rebuilt"):
                arrays[name][kind] = {tap: rng.normal(size=(6, *SHAPES[tap])) for tap in ("stage1", "stage2")}
    arrays["leader"]["expanded"] = rng.normal(size=(6, 2, 2, 16 * num_peers))
    arrays["teacher"] = {"map": rng.normal(size=(6, 2, 2, 16)), "logits": rng.normal(0, 2, (6, 10))}
    labels = rng.integers(0, 10, 6)
    return labels, arrays, keras.tree.map_structure(lambda x: tf.constant(x, "float32"), arrays)


def numpy_loss(labels, outputs, num_peers, diversity, fusion, transform, variant, trans_fusion):
    """The sum of all losses of the released trainer, in float64."""
    students, leader, teacher = [outputs[f"peer_{i}"] for i in range(num_peers)], outputs["leader"], outputs["teacher"]
    loss = sum(cross_entropy(labels, taps["logits"]) for taps in (*students, leader, teacher))
    for i, student in enumerate(students):
        others = [other["logits"] for j, other in enumerate(students) if j != i]
        loss += sum(divergence(z, student["logits"], 2.0) for z in others) / len(others)
        if i:
            own = (student["stage3"] ** 2).mean(-1).reshape(6, -1)
            own = unit(own) if variant == "released" else own
            loss += diversity * ((own - numpy_shift(students[i - 1]["stage3"], variant)[2]) ** 2).mean()
            loss += diversity * sum(attention_transfer(x, student[tap]) for tap, x in student["expected"].items())
    loss += divergence(np.mean([s["logits"] for s in students], axis=0), teacher["logits"], 2.0)
    loss += divergence(teacher["logits"], leader["logits"], 2.0)
    loss += fusion * attention_transfer(teacher["map"], leader["stage3"])
    loss += fusion * sum(attention_transfer(x, leader[tap]) for tap, x in leader["expected"].items())
    if trans_fusion:
        joint = np.concatenate([s["stage3"] for s in students], axis=-1)
        loss += fusion * attention_transfer(joint, leader["expanded"])
    for taps in (*students[1:], leader):
        for tap, x in taps["rebuilt"].items():
            loss += transform * (((unit(x) - unit(taps[tap])) ** 2).mean() + attention_transfer(x, taps[tap]))
    return loss


@pytest.mark.parametrize(("variant", "trans_fusion"), [("released", True), ("raw", False)])
@pytest.mark.parametrize(("num_peers", "epoch", "rise"), [(2, 0, 0.0407622), (3, 4, 1.0)])
def test_whole_loss_against_numpy(variant, trans_fusion, num_peers, epoch, rise):
    coefficients = {"diversity": 0.3, "fusion": 10.0, "transform": 1000.0}
    options = {"attention_shift": variant, "trans_fusion": trans_fusion, "num_peers": num_peers}
    method = at_epoch(make_method(NAME, **options, **coefficients), epoch)
    labels, arrays, outputs = random_taps(num_peers)
    weights = {key: rise * value for key, value in coefficients.items()}
    expected = numpy_loss(labels, arrays, num_peers, **weights, variant=variant, trans_fusion=trans_fusion)
    assert total(method, labels, outputs) == pytest.approx(expected, rel=2e-5)


def test_released_coefficients():
    assert make_method(NAME).coefficients == {"diversity": 1e-5, "fusion": 10.0, "transform": 1000.0}


# Who moves whom -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cohort():
    """Three common students, in the middle of training, with coefficients that make every gradient visible."""
    method = at_epoch(make_method(NAME, num_peers=3, diversity=10.0), 10)
    parts = {**method.peers, "fusion": method.fusion, "expansion": method.expansion}
    return method, parts | {f"{key}_transform": t for key, t in method.transforms.items()}


@pytest.mark.parametrize(
    ("term", "learners"),
    [
        ("peer_1/mutual", {"peer_1"}),
        ("peer_1/diversity", {"peer_1"}),
        ("peer_2/self_distillation", {"peer_2"}),
        ("teacher/supervised", {"fusion"}),
        ("teacher/distillation", {"fusion"}),
        ("leader/supervised", {"leader"}),
        ("leader/distillation", {"leader"}),
        ("leader/fusion", {"leader"}),
        ("leader/self_distillation", {"leader"}),
        ("leader/trans_fusion", {"leader", "expansion"}),
        ("leader/transform", {"leader_transform"}),
        ("peer_2/transform", {"peer_2_transform"}),
    ],
)
def test_a_term_moves_its_learner_alone(cohort, batch, term, learners):
    method, parts = cohort
    found = moved(method, batch, term, parts)
    assert {name for name, reached in found.items() if reached} == learners


def test_the_first_student_has_no_diversity_and_no_transform(cohort, batch):
    terms = cohort[0].loss_terms(batch[1], cohort[0](batch[0], training=True))
    assert {name for name in terms if name.startswith("peer_0/")} == {"peer_0/supervised", "peer_0/mutual"}
    assert set(cohort[0].transforms) == {"peer_1", "peer_2", "leader"}


def test_a_transform_teaches_with_moving_and_learns_with_batch_statistics(batch):
    method = at_epoch(make_method(NAME), 0)
    transform = method.transforms["leader"]
    outputs = method(batch[0], training=True)
    np.testing.assert_allclose(
        outputs["leader"]["expected"]["stage1"],
        # In inference mode, at the moving statistics of before this step: those of a fresh layer.
        make_method(NAME).transforms["leader"](outputs["teacher"]["map"], training=False)["stage1"],
        atol=1e-5,
    )
    moving = [v.numpy() for v in transform.non_trainable_variables if "moving_mean" in v.path]
    assert all(np.abs(value).max() > 0 for value in moving)
    # Evaluation runs neither transforms nor the extra head.
    assert not {"expected", "rebuilt", "expanded"} & set(method(batch[0])["leader"])


# Optimizers and deployment ------------------------------------------------------------------------------------------


def test_the_transforms_follow_the_main_rate(batch):
    method = make_method(NAME, base_rate=0.2)
    schedule = keras.optimizers.schedules.PiecewiseConstantDecay([0, 1], [0.2, 0.02, 0.002])
    method.compile(keras.optimizers.SGD(schedule), steps_per_epoch=1)
    main, adam = method.update.optimizers
    assert isinstance(adam, keras.optimizers.Adam)
    for expected in (1e-3, 1e-4, 1e-5):
        assert float(adam.learning_rate) == pytest.approx(expected)
        assert float(main.learning_rate) == pytest.approx(200 * expected)
        method.step((tf.constant(batch[0]), tf.constant(batch[1])))
    config = adam.get_config()["learning_rate"]
    assert float(keras.optimizers.schedules.deserialize(config)(1)) == pytest.approx(1e-4)


def test_every_group_has_its_own_decay(batch):
    """With the gradients of the losses left out, a step shows the decays: 0.5, 0.25, and 0.125 through Adam."""
    method = make_method(NAME, fusion_weight_decay=0.25, transform_weight_decay=0.125)
    method.compile(keras.optimizers.SGD(0.1), weight_decay=0.5, steps_per_epoch=1)
    parts = (method.peers["leader"], method.expansion, method.fusion, method.transforms["leader"])
    variables = [part.trainable_variables[0] for part in parts]
    start = [v.numpy() for v in variables]
    method.update.apply([tf.zeros(v.shape) for v in method.trainable_variables], 1.0)
    for v, before, factor in zip(variables, start, (0.95, 0.95, 0.975, None), strict=False):
        # Adam's first step is the rate times the sign of the gradient: here of the decay, which is coupled.
        expected = before * factor if factor else before - 1e-3 * np.sign(before)
        np.testing.assert_allclose(v.numpy(), expected, atol=1e-6 if factor else 1e-4)


def test_the_leader_alone_is_deployed_and_is_the_plain_network(batch):
    method = make_method(NAME)
    assert method.students == ("leader",)
    method.compile(keras.optimizers.SGD(0.05), steps_per_epoch=1)
    method.step((tf.constant(batch[0]), tf.constant(batch[1])))
    deployed = models.deploy(method.peers["leader"])
    np.testing.assert_allclose(deployed(batch[0]), method(batch[0])["leader"]["logits"], atol=1e-5)
    assert not [layer.name for layer in deployed.layers if "fusion" in layer.name or "transform" in layer.name]
    assert count(deployed.weights) == count(NETWORK(seed=0, name="alone").weights)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_peers": 1}, "at least 2 common students"),
        ({"attention_shift": "paper"}, "'released' or 'raw'"),
        ({"base_rate": 0}, "must be positive"),
    ],
)
def test_bad_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        make_method(NAME, **options)


def test_a_loss_scale_is_refused_before_anything_is_built():
    keras.config.set_dtype_policy("mixed_float16")
    try:
        with pytest.raises(ValueError, match="mixed_float16 is not supported with several optimizers"):
            make_method(NAME)
    finally:
        keras.config.set_dtype_policy("float32")


def test_resumed_with_both_optimizers_it_goes_on_as_if_nothing_had_happened(batch, tmp_path):
    def cohort(seed):
        method = make_method(NAME, seed=seed)
        method.compile(keras.optimizers.SGD(0.1, momentum=0.9), steps_per_epoch=2)
        return method, Checkpoints(tmp_path, method)

    data = (tf.constant(batch[0]), tf.constant(batch[1]))
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
