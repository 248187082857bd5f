"""A cohort does what Keras documents of a model: a cohort of one network is a plain model, number by number."""

import numpy as np
import pytest
import tensorflow as tf

import odtf
from odtf import methods
from tests.methods import keras_rows
from tests.methods.conftest import few_peers, make_method, meaningful
from tests.methods.keras_rows import ROWS, VX, VY, W, X, Y, small


@pytest.mark.parametrize("name", ROWS)
def test_solo_is_a_plain_model(name):
    (expected, weights), (found, own) = keras_rows.results(name)
    for where, a, b in keras_rows.pairs([expected, weights], [found, own]):
        np.testing.assert_allclose(b, a, rtol=2e-5, atol=1e-5, err_msg=where)
    assert len(weights) == len(own)


def test_history_has_every_term_and_the_task_s_metric_as_the_mean_of_an_epoch():
    model = keras_rows.cohort(metrics=["accuracy"])
    history = model.fit(X, Y, batch_size=5, epochs=2, validation_data=(VX, VY), verbose=0).history
    assert history["peer_0/top1"] == history["accuracy"]
    assert history["val_peer_0/top1"] == pytest.approx(history["val_accuracy"])
    assert history["peer_0/supervised"] == history["loss"]
    assert history["val_peer_0/supervised"] == history["val_loss"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"loss": "mse"}, "The loss of a cohort is its method's.*Received: loss='mse'"),
        ({"loss_weights": [1.0]}, r"Received: loss_weights=\[1.0\]"),
        ({"jit_compile": True}, "On a CPU XLA makes.*Received: jit_compile=True"),
    ],
)
def test_what_compile_refuses(options, message):
    with pytest.raises(ValueError, match=message) as refusal:
        methods.Solo(small).compile("sgd", **options)
    assert len(str(refusal.value).splitlines()) == 1


def test_a_loss_in_second_place_is_refused():
    with pytest.raises(ValueError, match="Received: loss='mse'"):
        methods.Solo(small).compile("sgd", "mse")


def test_a_model_in_place_of_what_makes_it_is_refused():
    with pytest.raises(ValueError, match=r"Received: the keras.Model 'mine'"):
        methods.Solo(small(seed=0, name="mine"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((X, None), "Received: no targets"),
        ((X, np.zeros((12, 7), "float32")), r"over the 4 classes. Received: labels of shape \(None, 7\)"),
        ((X, np.zeros((12, 2, 2), "int32")), r"Received: labels of shape \(None, 2, 2\)"),
    ],
)
def test_bad_labels(arguments, message):
    with pytest.raises(ValueError, match=message):
        keras_rows.cohort().fit(*arguments, verbose=0)


def test_a_weight_is_of_an_example():
    with pytest.raises(ValueError, match="A weight is one number for each example"):
        keras_rows.cohort().fit(X, Y, sample_weight=np.ones((12, 3), "float32"), verbose=0)


@pytest.mark.parametrize("name", meaningful())
def test_every_method_has_a_loss_on_held_out_examples_that_counts_weights(name, batch, sgd):
    method = make_method(name, **few_peers(name))
    method.compile(sgd, steps_per_epoch=1, run_eagerly=True)
    images, labels = batch
    once = method.test_on_batch(images, labels, return_dict=True)
    twice = method.test_on_batch(images, labels, sample_weight=np.full(16, 2.0, "float32"), return_dict=True)
    terms = {key: value for key, value in once.items() if key != "loss" and not key.endswith("/top1")}
    assert once["loss"] == pytest.approx(sum(terms.values()), rel=1e-5)
    for term in ("loss", *terms):
        assert twice[term] == pytest.approx(2.0 * once[term], rel=1e-5), term
    assert {f"{peer}/top1" for peer in method.peers} <= set(once)
    found = method.measure(images, labels)
    assert {key: once[key] for key in found if key in once} == pytest.approx(
        {key: value for key, value in found.items() if key in once}
    )


def test_a_method_with_a_ramp_learns_from_fit_how_long_an_epoch_is():
    method = methods.CLILR(two_stages, num_peers=2)
    method.compile("sgd", run_eagerly=True)
    with pytest.raises(ValueError, match="steps_per_epoch=N"):
        method.train_on_batch(X, Y)
    method.fit(X, Y, batch_size=6, epochs=3, verbose=0)
    assert (method.steps_per_epoch, float(method.epoch)) == (2, 3.0)


def two_stages(*, seed, name):
    """A network with two stages, to be cut between them."""
    return odtf.models.plain_cnn((4, 4, 1), 4, widths=(4, 4), padding="symmetric", seed=seed, name=name)


def test_validation_within_fit_reaches_the_method(batch, sgd):
    method = make_method("KDCL", target="general")
    method.compile(sgd, run_eagerly=True)
    method.fit(*batch, batch_size=16, validation_data=batch, verbose=0)
    assert np.abs(method.ensemble_weights.numpy() - 0.5).max() > 1e-3


def test_a_step_is_traced_once(monkeypatch):
    """What a loop shows is made in its first step: made as variables of that step, all would be traced again."""
    traced = []
    for name in ("train_step", "test_step"):
        step = getattr(methods.Solo, name)

        def counted(self, data, name=name, step=step):
            traced.append(name)
            return step(self, data)

        monkeypatch.setattr(methods.Solo, name, counted)
    model = keras_rows.cohort()
    model.fit(X[:10], Y[:10], batch_size=5, epochs=2, validation_data=(X[:10], Y[:10]), verbose=0)
    assert sorted(traced) == ["test_step", "train_step"]


def test_two_replicas_show_what_one_shows(mirrored):
    histories = []
    for strategy in (tf.distribute.get_strategy(), mirrored):
        with strategy.scope():
            model = keras_rows.cohort(metrics=["accuracy"], normalized=False)
        data = tf.data.Dataset.from_tensor_slices((X[:12], Y[:12], W[:12])).batch(6)
        histories.append(model.fit(data, validation_data=data, verbose=0).history)
    for name, values in histories[0].items():
        assert histories[1][name] == pytest.approx(values, rel=1e-4), name


def test_predict_gives_the_student_or_what_is_named(batch):
    method = make_method("OnlineDistillationCheap", num_peers=2)
    images, outputs = batch[0], method(batch[0])
    np.testing.assert_allclose(method.predict(images, verbose=0), outputs["peer_0"]["logits"], atol=1e-5)
    named = method.predict(images, verbose=0, outputs=("peer_1/embedding", "teacher"))
    np.testing.assert_allclose(named["peer_1/embedding"], outputs["peer_1"]["embedding"], atol=1e-5)
    np.testing.assert_allclose(named["teacher"], outputs["teacher"]["logits"], atol=1e-5)
    one = method.predict(images, verbose=0, outputs="peer_1")
    np.testing.assert_allclose(one, outputs["peer_1"]["logits"], atol=1e-5)
    np.testing.assert_allclose(method.predict_on_batch(images), outputs["peer_0"]["logits"], atol=1e-5)
    with pytest.raises(ValueError, match=r"peer_1/logits.*Received: outputs='peer_7/logits'"):
        method.predict(images, verbose=0, outputs="peer_7/logits")


def test_summary_names_the_networks(capsys):
    method = make_method("DeepMutualLearning")
    method.summary()
    assert "peer_1" in capsys.readouterr().out
