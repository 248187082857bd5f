"""The student of a page: its answers are those of its network, on the images of the split."""

import types

import keras
import numpy as np
import pytest

from odtf import data, tasks
from odtf.page import judged
from odtf.sections import Confusion, Gallery, Table


@pytest.mark.parametrize(("split", "most"), [("test", 50), ("validation", 1_000)])
def test_the_answers_are_those_of_the_network_on_normalized_images(split, most):
    dataset = data.load("digits")
    inputs = keras.Input((8, 8, 1))
    network = keras.Model(inputs, keras.layers.Dense(10)(keras.layers.Flatten()(inputs)))
    task = tasks.make("classification")
    run = types.SimpleNamespace(task=task, dataset=dataset, network=lambda: network)
    first, confusion, *_, predictions = judged.sections(run, split, most)

    part = dataset.splits[split].part(most)
    images, labels = part.take(np.arange(len(part)))
    logits = np.asarray(network((images / np.float32(255) - dataset.mean) / np.float32(dataset.std)))
    answers = logits.argmax(-1)
    assert first.title == f"The student on {len(part)} images of the {split} split" and len(part) <= most
    assert isinstance(first.blocks[0], Table)
    assert f"{np.mean(answers == labels):.2%} ± " in dict(first.blocks[0].rows)["top-1"]
    (block,) = confusion.blocks
    assert isinstance(block, Confusion)
    expected = np.zeros((10, 10), int)
    np.add.at(expected, (labels, answers), 1)
    np.testing.assert_array_equal(block.counts, expected)
    for (row, column), gallery in block.galleries.items():
        inside = images[(labels == row) & (answers == column)]
        assert all(any(np.array_equal(image, one) for one in inside) for image in gallery.images)
    assert isinstance(predictions.blocks[0], Gallery)
    np.testing.assert_array_equal(predictions.blocks[0].images, images[:12])


def test_metrics_that_compare_with_another_split_get_it():
    dataset = data.load("digits", max_train_examples=200)
    inputs = keras.Input((8, 8, 1))
    network = keras.Model(inputs, keras.layers.Flatten()(inputs))
    task = tasks.make("retrieval")
    network = keras.Model(inputs, {task.output: network.output})
    run = types.SimpleNamespace(task=task, dataset=dataset, network=lambda: network)
    first, searches = judged.sections(run, "test", 40)
    assert 0.5 < float(dict(first.blocks[0].rows)["recall at 1 cosine"].rstrip("%")) / 100 <= 1
    (figure,) = searches.blocks
    lists, (queries, found), result = figure.arguments
    assert len(queries) == len(found) == 8 and found[0].shape[1:] == (8, 8, 1) and result["examples"] == 40
    assert figure.has_photos and lists.found.max() < 200
