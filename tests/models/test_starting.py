"""Networks that start from trained weights: what they take, what stays their own, and what is refused."""

import keras
import numpy as np
import pytest

from odtf import models
from odtf.errors import UserError

SPEC = {"name": "od_cheap_resnet", "depth": 8, "width": 8}


def network(seed=0, classes=10, shape=(8, 8, 3), spec=SPEC):
    return models.build(spec, shape, classes, seed=seed, name="peer_0")


def trained(seed=1, **options):
    """A network none of whose weights is what a layer starts with, moving statistics included."""
    model, random = network(seed=seed, **options), np.random.default_rng(seed)
    for v in model.weights:
        v.assign(random.uniform(0.5, 1.5, v.shape))
    return model


def arrays(model):
    return {v.path: v.numpy() for v in model.weights}


def count(model, layer=None):
    return sum(v.numpy().size for v in model.weights if layer in (None, v.path.partition("/")[0]))


def test_another_number_of_classes_keeps_its_own_head_and_takes_all_else():
    source, fresh, own = trained(classes=100), arrays(network(seed=3)), network(seed=3)
    started = models.start(own, source)
    for path, value in arrays(own).items():
        wanted = fresh[path] if path.startswith("logits/") else arrays(source)[path]
        np.testing.assert_array_equal(value, wanted, err_msg=path)
    assert started.new == {"logits": count(own, "logits")}
    assert started.left == {"logits": count(source, "logits")}
    assert sum(started.taken.values()) == count(own) - count(own, "logits")
    assert list(started.taken) == [layer.name for layer in own.layers if layer.weights][:-1]
    assert str(started).startswith("from peer_0: ") and "new: logits (330)" in str(started)


@pytest.mark.parametrize("head, taken", [(None, True), (True, True), (False, False)])
def test_a_head_that_fits_is_taken_unless_it_is_not_wanted(head, taken):
    source, own = trained(), network(seed=3)
    models.start(own, source, head=head)
    assert np.array_equal(arrays(own)["logits/kernel"], arrays(source)["logits/kernel"]) == taken


def test_a_head_that_does_not_fit_is_refused_where_it_is_demanded():
    with pytest.raises(ValueError, match=r"head=True takes the head as it is.*Received: logits"):
        models.start(network(), trained(classes=7), head=True)


@pytest.mark.parametrize("theirs, ours", [(3, 1), (1, 3)])
def test_a_stem_takes_grey_images_for_colour_and_the_other_way(theirs, ours):
    """A grey image answers as the same image in three equal colours."""
    source, own = trained(shape=(8, 8, theirs)), network(shape=(8, 8, ours))
    started = models.start(own, source)
    grey = np.random.default_rng(0).normal(size=(2, 8, 8, 1)).astype("float32")
    one, other = (
        model(np.repeat(grey, model.input.shape[-1], axis=-1), training=False)["stage3"] for model in (source, own)
    )
    np.testing.assert_allclose(one, other, rtol=1e-4)
    assert list(started.changed) == ["stem"] and "changed: stem" in str(started)


@pytest.mark.parametrize(
    "spec, message",
    [
        ({**SPEC, "width": 4}, r"stem has stem/kernel of the shape \(3, 3, 3, 4\). Received: the shape \(3, 3, 3, 8\)"),
        ({**SPEC, "depth": 14}, r"stage1_block2_spatial1 has .* Received: no such layer"),
        ({**SPEC, "conv": "shift"}, r"All layers of the start but its head .* stage1_block1_spatial1 in peer_0"),
        ({"name": "plain_cnn", "widths": (4, 8)}, r"Received: no such layer in peer_0"),
    ],
)
def test_a_layer_that_does_not_fit_is_named_and_nothing_has_changed(spec, message):
    own = network(spec=spec)
    before = arrays(own)
    with pytest.raises(ValueError, match=message):
        models.start(own, trained())
    for path, value in arrays(own).items():
        np.testing.assert_array_equal(value, before[path])


def test_layers_are_matched_by_name_and_never_by_order():
    source, own = trained(), network()
    values = arrays(source)
    models.start(own, dict(reversed(values.items())))
    for path, value in arrays(own).items():
        np.testing.assert_array_equal(value, values[path])


def test_weights_that_are_no_numbers_are_refused():
    values = arrays(trained())
    values["stem/kernel"][0, 0, 0, 0] = np.nan
    with pytest.raises(ValueError, match=r"finite.*stem/kernel"):
        models.start(network(), values)


def test_a_file_is_a_start(tmp_path):
    source, own = trained(classes=4), network()
    source.save(tmp_path / "start.keras")
    started = models.start(own, str(tmp_path / "start.keras"))
    np.testing.assert_array_equal(arrays(own)["stem/kernel"], arrays(source)["stem/kernel"])
    assert started.source.endswith("start.keras")


@pytest.mark.parametrize(
    "source, message",
    [
        ("zoo:nobody", "The zoo has .*'nobody'"),
        ("nothing.keras", "nothing.keras"),
        ("runs/nothing", "A start is zoo:NAME"),
        ("weights.h5", "A start is zoo:NAME"),
        ("imagenet", "networks of keras.applications alone.*'peer_0'"),
    ],
)
def test_a_source_that_is_none_is_refused_in_one_line(source, message):
    with pytest.raises(UserError, match=message):
        models.start(network(), source)


def test_imagenet_is_what_keras_fetches(tmp_path, monkeypatch):
    """The file that Keras would fetch is one made here."""
    make = keras.applications.MobileNetV2
    fetched = make(weights=None)
    for v in fetched.weights[:8]:
        v.assign(np.full(v.shape, 0.25, "float32"))
    fetched.save_weights(tmp_path / "m.weights.h5")
    from keras.src.applications import mobilenet_v2

    monkeypatch.setattr(mobilenet_v2.file_utils, "get_file", lambda *_, **__: str(tmp_path / "m.weights.h5"))
    own = make(weights=None, input_shape=(32, 32, 3), classes=5)
    started = models.start(own, "imagenet:MobileNetV2")
    assert list(started.new) == ["predictions"] and list(started.left) == ["predictions"]
    assert (own.get_layer("Conv1").kernel.numpy() == 0.25).all()
