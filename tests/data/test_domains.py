"""Images of further domains in the batches: how many of which, when, with or without labels; on any replica."""

import itertools

import numpy as np
import pytest
from PIL import Image

from odtf import data
from odtf.errors import UserError
from tests.data.conftest import CLASSES, image_ids, make_dataset, write_images

VOID = 255
MASK = {"mask": data.Target(None, "uint8", "nearest", VOID)}


def scenes(count, first=0, mask=1, shape=(6, 8, 3)):
    """A data set in memory; the first pixel of image i is (first + i, ...), and its mask is all of one class."""
    images = np.zeros((count, *shape), np.uint8)
    images[:, 0, 0, :] = first + np.arange(count)[:, np.newaxis]
    store = data.MemoryStore(images, {"mask": np.full((count, *shape[:2]), mask)}, MASK)
    return data.ImageDataset("made", CLASSES, shape, (0.0,) * 3, (1.0 / 255.0,) * 3, {"train": data.Split(store)}, ())


def write(root, count, first, size=(6, 8)):
    """Images alone; those of image i are all of the value first + i."""
    root.mkdir(parents=True)
    for i in range(count):
        Image.fromarray(np.full((*size, 3), first + i, np.uint8)).save(root / f"{i:03d}.png")
    return f"folder:{root}"


def pipeline(dataset, domains, batch_size=4, seed=3, **options):
    return data.TrainPipeline(dataset, batch_size=batch_size, seed=seed, domains=domains, **options)


def batches(made, start, count, replica=0, replicas=1):
    return list(itertools.islice(made.dataset(start, (replica,), replicas), count))


def drawn(made, start, count):
    """Which images, and whether the masks of each count, of some steps."""
    return [(image_ids(images), np.asarray(masks).max((1, 2))) for images, masks in batches(made, start, count)]


@pytest.mark.parametrize("budget", [0, 100])
def test_images_of_all_domains_are_shuffled_together(tmp_path, budget):
    """In a pass each is drawn once; those without labels get the value that counts for nothing."""
    dataset = scenes(8)
    near = data.load_domain(dataset, write(tmp_path / "near", 10, 100), labels=False, images=9, memory_budget_mb=budget)
    far = data.load_domain(dataset, write(tmp_path / "far", 3, 200), labels=False, memory_budget_mb=budget)
    assert near.split.store.streaming == (budget == 0)
    made = pipeline(dataset, [near, far])
    assert made.steps_per_epoch == 2
    # 8 + 9 + 3 images are 5 batches.
    found, orders = drawn(made, 0, 10), []
    for steps in (found[:5], found[5:]):
        ids, masks = (np.concatenate(each) for each in zip(*steps, strict=True))
        assert sorted(ids[ids < 100]) == list(range(8)) and sorted(ids[ids >= 200]) == [200, 201, 202]
        assert len(set(ids)) == 20
        np.testing.assert_array_equal(masks, np.where(ids < 100, 1, VOID))
        assert any(0 < (some < 100).sum() < 4 for some, _ in steps)
        orders.append(tuple(ids))
    assert orders[0] != orders[1]
    assert "9 images" in near.describe() and "without labels" in near.describe()


def test_domains_join_in_their_epochs_alone(tmp_path):
    """Four steps of 12 images, four of 16, and then the 8 alone as if nothing had ever joined them."""
    dataset = scenes(8)
    first = data.load_domain(dataset, write(tmp_path / "a", 4, 100), labels=False, epochs=(0, 2))
    later = data.load_domain(dataset, write(tmp_path / "b", 8, 200), labels=False, epochs=(2, 4))
    made = pipeline(dataset, [first, later])
    ids = [set(found) for found, _ in drawn(made, 0, 8)]
    own = set(range(8))
    assert set.union(*ids[:3]) == own | set(range(100, 104))
    assert set.union(*ids[4:]) == own | set(range(200, 208))
    for got, want in zip(batches(made, 8, 4), batches(pipeline(dataset, []), 8, 4), strict=True):
        np.testing.assert_array_equal(got[0], want[0])
        np.testing.assert_array_equal(got[1], want[1])


@pytest.mark.parametrize(("num_views", "budget"), [(1, 100), (2, 0)])
def test_shards_are_together_the_global_batch(tmp_path, num_views, budget):
    """Also across the epochs in which a domain joins; a later start goes on where the steps are."""
    dataset, name = scenes(8), write(tmp_path / "near", 5, 100)
    near = data.load_domain(dataset, name, labels=False, epochs=(1, 3), memory_budget_mb=budget)
    made = pipeline(dataset, [near], augment={"flip": True, "pad": 1, "color": 0.1}, num_views=num_views)
    whole = batches(made, 0, 8)
    halves = zip(*(batches(made, 0, 8, replica, 2) for replica in (0, 1)), strict=True)
    for (images, masks), ((one, its), (other, others)) in zip(whole, halves, strict=True):
        np.testing.assert_array_equal(np.concatenate([one, other]), images)
        np.testing.assert_array_equal(np.concatenate([its, others]), masks)
    for (got, _), (want, _) in zip(batches(made, 3, 5), whole[3:], strict=True):
        np.testing.assert_array_equal(got, want)


def test_labels_of_a_domain_count_where_it_has_them(tmp_path):
    dataset = data.load(f"folder:{write_images(tmp_path / 'near')}", mean=(0.0,) * 3, std=(1.0 / 255.0,) * 3)
    other = f"folder:{write_images(tmp_path / 'far', per_class=4, seed=1)}"
    domain = data.load_domain(dataset, other, images=6)
    images, labels = domain.split.take(np.arange(6))
    known = {image.tobytes(): label for image, label in zip(images, labels, strict=True)}
    (images, labels), *_ = batches(pipeline(dataset, [domain], batch_size=len(dataset.splits["train"])), 0, 1)
    pixels = [np.rint(image).astype(np.uint8).tobytes() for image in images.numpy()]
    found = [known[image] == label for image, label in zip(pixels, labels.numpy(), strict=True) if image in known]
    assert len(known) == 6 and found and all(found)


@pytest.mark.parametrize("place", ["", "images", "train", "train/images", "train/ash", "JPEGImages"])
def test_a_folder_of_images_alone_may_have_any_layout(tmp_path, place):
    write(tmp_path / "set" / place, 3, 10)
    if place == "images":
        write(tmp_path / "set" / "labels", 3, 50)
    if place.startswith("train"):
        write(tmp_path / "set" / "test", 3, 50)
    domain = data.load_domain(scenes(4), f"folder:{tmp_path / 'set'}", labels=False)
    found, values = domain.split.store._store.read(domain.split.rows)
    assert sorted(found[:, 0, 0, 0]) == [10, 11, 12] and values == {}


def test_images_get_the_size_of_those_that_they_join(tmp_path):
    domain = data.load_domain(scenes(4), write(tmp_path / "large", 2, 10, size=(12, 16)), labels=False)
    assert domain.split.store.image_shape == (6, 8, 3)


def test_a_source_with_labels_is_one_without(tmp_path):
    dataset = data.load("digit_scenes", targets=MASK)
    domain = data.load_domain(dataset, "digit_scenes", labels=False, images=5)
    _, masks = domain.split.store.gather(np.arange(5))
    assert np.all(masks["mask"] == VOID) and masks["mask"].shape == (5, 48, 48)


@pytest.mark.parametrize(
    ("dataset", "name", "options", "message"),
    [
        (make_dataset, "folder:{near}", {"labels": False}, "labels=True would be right"),
        (make_dataset, "digits", {}, "size"),
        (lambda: make_dataset(shape=(8, 8, 3)), "digits", {}, "channels of made, 3"),
        (lambda: make_dataset(shape=(8, 8, 1)), "digits", {}, "the names of made, ash, birch, cedar"),
        (lambda: scenes(4), "folder:{near}/none", {"labels": False}, "cannot be read"),
        (lambda: scenes(4), "folder:{empty}", {"labels": False}, "no images"),
        (lambda: scenes(4), "folder:{near}", {"labels": False, "images": 0}, "images must be an integer"),
        (lambda: scenes(4), "folder:{near}", {"labels": False, "epochs": (3, 3)}, "epochs must be an integer"),
        (lambda: scenes(4), "folder:{near}", {"labels": False, "epochs": 3}, "a pair"),
    ],
)
def test_bad_domains(tmp_path, dataset, name, options, message):
    write(tmp_path / "near", 2, 0)
    (tmp_path / "empty").mkdir()
    name = name.format(near=tmp_path / "near", empty=tmp_path / "empty")
    with pytest.raises(UserError, match=message):
        data.load_domain(dataset(), name, **options)
