"""The pipeline is a pure function of (seed, step), over any number of replicas."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from odtf import data
from tests.data.conftest import image_ids, make_dataset

AUGMENT = {"pad": 2, "flip": True, "cutout": 2}


def pipeline(dataset=None, batch_size=8, seed=3, augment=None, num_views=1):
    dataset = dataset or make_dataset()
    return data.TrainPipeline(dataset, batch_size=batch_size, seed=seed, augment=augment, num_views=num_views)


def first(dataset, count):
    return [tuple(t.numpy() for t in batch) for batch in itertools.islice(dataset, count)]


def assert_equal(got, want):
    for one, other in zip(got, want, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("num_views", [1, 2])
def test_a_step_can_be_made_again(num_views):
    a, b = (pipeline(augment=AUGMENT, num_views=num_views) for _ in range(2))
    assert_equal(a.batch(7), a.batch(7))
    assert_equal(a.batch(7), b.batch(7))
    assert not np.array_equal(a.batch(7)[0], a.batch(8)[0])
    assert not np.array_equal(a.batch(7)[0], pipeline(augment=AUGMENT, num_views=num_views, seed=4).batch(7)[0])


def test_a_later_start_goes_on_where_the_steps_are():
    """Across an epoch's end as well: 5 steps an epoch."""
    made = pipeline(augment=AUGMENT)
    whole = first(made.dataset(0), 12)
    for got, want in zip(first(made.dataset(start_step=4), 8), whole[4:], strict=True):
        assert_equal(got, want)
    for step in (0, 4, 5, 11):
        assert_equal(made.batch(step), whole[step])


def test_every_epoch_is_another_permutation():
    made = pipeline()
    batches = first(made.dataset(), 3 * made.steps_per_epoch)
    epochs = np.concatenate([image_ids(images) for images, _ in batches]).reshape(3, 40)
    assert made.steps_per_epoch == 5
    for epoch in epochs:
        assert sorted(epoch) == list(range(40))
    assert len({tuple(epoch) for epoch in epochs}) == 3
    assert all(list(epoch) != sorted(epoch) for epoch in epochs)


def test_what_does_not_fill_a_batch_is_left_for_another_epoch():
    made = pipeline(batch_size=12)
    ids = np.concatenate([image_ids(images) for images, _ in first(made.dataset(), 3)])
    assert made.steps_per_epoch == 3
    assert len(set(ids)) == 36


def test_labels_belong_to_their_images():
    images, labels = pipeline(batch_size=40).batch(0)
    np.testing.assert_array_equal(labels, image_ids(images) % 3)
    assert labels.dtype == tf.int32 and images.dtype == tf.float32


@pytest.mark.parametrize("num_views", [1, 3])
def test_shards_are_together_the_global_batch(num_views):
    made = pipeline(augment=AUGMENT, num_views=num_views)
    for step in (0, 6):
        shards = [made.batch(step, replica, 4) for replica in range(4)]
        assert all(len(labels) == 2 for _, labels in shards)
        joined = [np.concatenate(parts) for parts in zip(*shards, strict=True)]
        assert_equal(joined, made.batch(step))


def test_shards_do_not_overlap():
    made = pipeline()
    shards = [set(image_ids(made.batch(2, replica, 4)[0])) for replica in range(4)]
    assert len(set.union(*shards)) == sum(map(len, shards)) == 8


def test_a_process_feeds_its_own_replicas_in_their_order():
    made = pipeline(augment=AUGMENT)
    got = first(made.dataset(start_step=1, replicas=(2, 3), num_replicas=4), 4)
    for batch, (step, replica) in zip(got, [(1, 2), (1, 3), (2, 2), (2, 3)], strict=True):
        assert_equal(batch, made.batch(step, replica, 4))


def test_views_of_an_image_differ():
    dataset = make_dataset(count=64)
    images, labels = pipeline(dataset, batch_size=64, augment={"pad": 2, "flip": True}, num_views=2).batch(0)
    assert images.shape == (64, 2, 6, 5, 3) and labels.shape == (64,)
    same = np.mean([np.array_equal(a, b) for a, b in images.numpy()])
    # 50 treatments: two independent ones agree on one image in fifty.
    assert same < 0.15


def test_views_without_augmentation_are_the_image():
    images, _ = pipeline(num_views=2).batch(0)
    np.testing.assert_array_equal(images[:, 0], images[:, 1])
    np.testing.assert_array_equal(images[:, 0], pipeline().batch(0)[0])


def test_crops_and_flips_are_even():
    """Each of 3 x 3 crops and both directions about equally often (1,800 draws, 5 sigma)."""
    size = 1800
    store = data.Split(
        data.MemoryStore(np.arange(25, dtype=np.uint8).reshape(1, 5, 5, 1).repeat(size, 0), {"label": [0] * size})
    )
    dataset = data.ImageDataset("made", ("a", "b"), (5, 5, 1), (0.0,), (1 / 255,), {"train": store})
    images, _ = pipeline(dataset, batch_size=size, augment={"pad": 1, "flip": True}).batch(0)
    seen, counts = np.unique(np.rint(images.numpy()).reshape(size, -1), axis=0, return_counts=True)
    assert len(seen) == 18
    assert np.all(np.abs(counts - 100) < 50)


def test_every_step_augments_anew():
    """One image, seen in 30 steps: 50 treatments."""
    made = pipeline(make_dataset(count=1), batch_size=1, augment={"pad": 2, "flip": True})
    assert len({images.tobytes() for images, _ in first(made.dataset(), 30)}) > 10


def test_the_same_batches_under_a_distribution_strategy(mirrored):
    made = pipeline(augment=AUGMENT)
    batches = iter(
        mirrored.distribute_datasets_from_function(lambda _: made.dataset(2, replicas=(0, 1), num_replicas=2))
    )
    for step in (2, 3):
        images, labels = next(batches)
        got = [np.concatenate([p.numpy() for p in mirrored.experimental_local_results(t)]) for t in (images, labels)]
        assert_equal(got, made.batch(step))


def test_evaluation_sees_every_image_once_and_in_order():
    dataset = make_dataset(count=11)
    split = dataset.splits["train"]
    for replicas in ((0, 1), (0,), (1,)):
        batches = first(data.eval_dataset(split, dataset, batch_size=4, replicas=replicas, num_replicas=2), 99)
        assert len(batches) == 3 * len(replicas)
        assert all(len(labels) == 2 for _, labels, _ in batches)
    batches = first(data.eval_dataset("train", dataset, batch_size=4, replicas=(0, 1), num_replicas=2), 99)
    images, labels, weights = (np.concatenate(parts) for parts in zip(*batches, strict=True))
    np.testing.assert_array_equal(weights, [1] * 11 + [0])
    np.testing.assert_array_equal(image_ids(images[:11]), np.arange(11))
    np.testing.assert_array_equal(labels[:11], split.targets)
    assert weights.dtype == np.float32


def test_evaluation_normalises_as_training_does():
    dataset = make_dataset(mean=(0.1, 0.2, 0.3), std=(0.5, 0.6, 0.7))
    images, _, _ = next(iter(data.eval_dataset("train", dataset, batch_size=40)))
    want = (dataset.splits["train"].images / 255.0 - dataset.mean) / dataset.std
    np.testing.assert_allclose(images, want, atol=1e-5)


def test_graphs_do_not_embed_the_images():
    made = pipeline(make_dataset(count=2000, shape=(16, 16, 3)), augment=AUGMENT)
    graph = tf.function(lambda step: made._make(step, 0, 8)).get_concrete_function(tf.TensorSpec((), tf.int64))
    assert len(graph.graph.as_graph_def().SerializeToString()) < 100_000
