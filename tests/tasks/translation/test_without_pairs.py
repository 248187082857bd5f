"""A method of one's own on two sets without pairs: what its batches hold, and how it is judged."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from odtf import data
from odtf.methods import Method
from odtf.tasks import Translation
from tests.tasks.translation.test_frechet import oracle

TASK = Translation(paired=False, features=f"{__file__}:few_numbers")


def few_numbers(pixels):
    """Grey levels of four places."""
    return keras.ops.reshape(pixels[:, 8::16, 8::16], (-1, 4)) / 255.0


class MeanColour(Method):
    """Brings the mean colour of what a generator makes to that of pictures of the other set."""

    def __init__(self, networks, **common):
        super().__init__(**common)
        self.peers = {"peer_0": networks(seed=self.seed, name="peer_0")}

    def loss_terms(self, targets, outputs):
        wanted = keras.ops.mean(self.task.real(targets), axis=(1, 2, 3))
        return {"colour": keras.ops.square(keras.ops.mean(outputs["peer_0"]["image"], axis=(1, 2, 3)) - wanted)}


def network(*, seed, name):
    image = keras.Input((32, 32, 1), name="image")
    start = keras.initializers.HeNormal(seed=seed)
    x = keras.layers.Conv2D(1, 3, padding="same", activation="tanh", kernel_initializer=start)(image)
    return keras.Model(image, {"image": x}, name=name)


@pytest.fixture(scope="module")
def dataset():
    options = {"targets": TASK.targets, "normalization": TASK.normalization}
    dataset = data.load("digit_pictures", max_train_examples=64, **options)
    TASK.observe(dataset)
    return dataset


def test_it_trains_and_is_judged_by_its_features(dataset):
    method = MeanColour(network, task=TASK)
    method.compile(keras.optimizers.Adam(0.01), steps_per_epoch=4)
    pipeline = data.TrainPipeline(dataset, batch_size=16, seed=0, augment={"flip": True})
    images, targets = pipeline.batch(0)
    assert images.shape == targets["picture"].shape == (16, 32, 32, 1) and targets["counted"].shape == (16, 2)
    step, iterator = method.step_function, iter(pipeline.dataset())
    losses = [float(step(iterator)["loss"]) for _ in range(30)]
    assert np.mean(losses[-5:]) < 0.8 * np.mean(losses[:5])
    values = method.measure(data.eval_dataset("test", dataset, batch_size=50))
    assert set(values) >= {"peer_0/frechet_few_numbers"} and method.selection == "frechet_few_numbers"
    images, targets = dataset.splits["test"].take(np.arange(120))
    made = method.peers["peer_0"](images / np.float32(127.5) - 1.0)["image"].numpy()
    levels = np.floor(127.5 * (made + 1.0) + 2**-8)
    expected = oracle(few_numbers(tf.cast(targets["picture"], tf.float32)), few_numbers(levels))
    assert values["peer_0/frechet_few_numbers"] == pytest.approx(expected, rel=1e-3)


def test_a_picture_shows_one_of_the_other_set(dataset):
    from matplotlib import pyplot

    images, targets = dataset.splits["test"].take(np.arange(3))
    figure = TASK.draw(pyplot, dataset.info, images, targets, {"student": images / 127.5 - 1.0})
    assert [axis.get_title() for axis in figure.axes[:3]] == ["image", "one of the other set", "student"]
    assert len(figure.axes) == 9
    pyplot.close(figure)
