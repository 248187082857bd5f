"""A teacher's answers that are stored: what they are equal to, how they are resumed and read, and what is refused."""

import functools
import json
import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf

from odtf import data, methods, models, paths, runs, stopping
from odtf.data import splits, stored_answers
from odtf.data.answer_arrays import AnswerArrays, pixel_sums
from odtf.errors import UserError
from odtf.methods.shared.given_answers import GivenAnswers
from odtf.training import cohorts, config_data, data_record, storing, strategy
from odtf.training.config import default_config, free
from tests.methods.tiny import least

AUGMENT = {"pad": 1, "flip": True}
MANY = {**AUGMENT, "cutout": 3, "scale": (0.8, 1.25), "rotate": 10.0, "color": 0.2}
IMAGES = 24


def config_of(augment=AUGMENT, seed=0, **method):
    config = default_config()
    config.seed, config.batch_size, config.epochs = seed, 8, 2
    config.deterministic = True
    config.data.name, config.data.max_train_examples = "digits", IMAGES
    config.data.validation_fraction = 0.02
    config.data.mean, config.data.std = (0.3,), (0.4,)
    config.data.augment = free(augment)
    config.network = free({"name": "plain_cnn", "widths": (4, 8)})
    config.export.targets = ()
    if method:
        config.method = free({"name": "OfflineDistillation", **method})
    return config


def store(teachers, directory, augment=AUGMENT, number=0, seed=0):
    lines = []
    options = {"number": number, "log": lines.append}
    return storing.store(config_of(augment, seed), directory, teachers, load, runs.teacher_digest, **options)


def load(said, info):
    return runs.load_teacher({**said, "pixels": "given"}, info)


@pytest.fixture(scope="module")
def teachers(tmp_path_factory):
    """Files of two networks, and the networks."""
    folder, made = tmp_path_factory.mktemp("teachers"), {}
    for seed in (1, 2):
        network = least(seed=seed, name="teacher")
        model = keras.Model(network.input, network.output["logits"])
        model.save(folder / f"{seed}.keras")
        made[str(folder / f"{seed}.keras")] = model
    return made


@pytest.fixture(scope="module")
def stored(teachers, tmp_path_factory):
    """The answers of the first teacher to all 18 views."""
    return store(list(teachers)[:1], tmp_path_factory.mktemp("answers") / "one")


def pipeline(answers, augment=AUGMENT, seed=0, **changes):
    config = config_of(augment, seed)
    for key, value in changes.items():
        config.data[key] = value
    return config_data.make_pipeline(config, config_data.load_dataset(config), answers=answers)


# What they are ------------------------------------------------------------------------------------------------------


def test_answers_are_the_forward_pass_on_the_same_views(stored, teachers):
    model = next(iter(teachers.values()))
    with_answers, without = pipeline(stored), pipeline(None)
    assert stored.record["views"] == {"kind": "all", "count": 18}
    for step in range(2 * without.steps_per_epoch):
        batch, labels = with_answers.batch(step)
        images, other_labels = without.batch(step)
        # The same run, but for what its teacher costs.
        np.testing.assert_array_equal(batch["images"], images)
        np.testing.assert_array_equal(labels, other_labels)
        expected = model(images).numpy()
        np.testing.assert_allclose(batch["answers"], expected, rtol=2**-10, atol=1e-5)
        # Of another view they are others.
        assert np.abs(batch["answers"] - model(images[:, ::-1])).max() > 0.01


def test_drawn_views_of_any_augmentation_are_seen_again(teachers, tmp_path):
    (path, model), *_ = teachers.items()
    answers = store([path], tmp_path, MANY, number=3)
    made, seen = pipeline(answers, MANY), {}
    for step in range(12 * made.steps_per_epoch):
        batch, _ = made.batch(step)
        np.testing.assert_allclose(batch["answers"], model(batch["images"]), rtol=2**-10, atol=1e-4)
        for image, answer in zip(batch["images"].numpy(), batch["answers"].numpy(), strict=True):
            seen[image.tobytes()] = answer
    assert 2 * IMAGES < len(seen) <= 3 * IMAGES


def test_another_seed_splits_the_same_images_otherwise(stored, teachers):
    """The answers belong to the source's own numbers: a part of another split has some of the images."""
    model = next(iter(teachers.values()))
    numbers = set(np.load(stored.directory / "index.npy"))
    config = config_of(seed=3)
    train = config_data.load_dataset(config).splits["train"]
    assert not set(train.keys) <= numbers
    with pytest.raises(UserError, match=r"must be to all training images, 24 .*without data.max_train_examples"):
        pipeline(stored, seed=3)
    fewer = pipeline(stored, max_train_examples=IMAGES // 2)
    batch, _ = fewer.batch(0)
    np.testing.assert_allclose(batch["answers"], model(batch["images"]), rtol=2**-10, atol=1e-5)


def test_images_keep_the_numbers_of_their_source_in_memory():
    def read_one(row):
        return np.full((2, 2, 1), row, np.uint8), {"label": row % 2}

    files = data.FileStore(10, (2, 2, 1), read_one)
    memory = data.Split(files.in_memory(np.array([1, 4, 7, 9])), [2, 0])
    assert memory.keys.tolist() == [7, 1]
    assert memory.images[:, 0, 0, 0].tolist() == [7, 1]
    assert data.Split(files, [3, 5]).keys.tolist() == [3, 5]


def test_the_mean_of_several_teachers(stored, teachers, tmp_path):
    mean = store(list(teachers), tmp_path / "mean")
    one, other = teachers.values()
    batch, _ = pipeline(mean).batch(0)
    expected = (one(batch["images"]) + other(batch["images"])) / 2
    np.testing.assert_allclose(batch["answers"], expected, rtol=2**-10, atol=1e-5)
    assert len(mean.record["teachers"]) == 2
    with pytest.raises(UserError, match=r"has other answers.*others by teachers"):
        store(list(teachers)[:1], tmp_path / "mean")


def stop_at(number, monkeypatch):
    """Asks to stop when it may be heeded for the `number`-th time; returns what was said then, a list that grows."""
    heed, said = stopping.Requests.heed, []

    def stops_once(self, text):
        said.append(text)
        self.asked |= len(said) == number
        heed(self, text)

    monkeypatch.setattr(stopping.Requests, "heed", stops_once)
    return said


def test_what_was_stopped_goes_on(stored, teachers, tmp_path, monkeypatch):
    monkeypatch.setattr(splits, "chunk", lambda most, shape: 10)
    calls = stop_at(2, monkeypatch)
    with pytest.raises(stopping.Stopped, match="stopped at 20 of "):
        store(list(teachers)[:1], tmp_path)
    assert not stored_answers.are_in(tmp_path)
    found = store(list(teachers)[:1], tmp_path)
    assert len(calls) == -(-found.record["images"] // 10)
    logits, whole = (np.load(each.directory / "logits.npy") for each in (found, stored))
    np.testing.assert_allclose(logits.astype("float32"), whole.astype("float32"), rtol=2**-9, atol=1e-4)
    assert store(list(teachers)[:1], tmp_path).digest == found.digest
    assert len(calls) == -(-found.record["images"] // 10)  # It is there: nothing was computed.


def test_a_damaged_record_of_what_is_done_begins_anew(stored, teachers, tmp_path, monkeypatch):
    """A larger number in it would leave images without answers, of which nobody would hear."""
    monkeypatch.setattr(splits, "chunk", lambda most, shape: 10)
    stop_at(2, monkeypatch)
    with pytest.raises(stopping.Stopped, match="stopped at 20 of "):
        store(list(teachers)[:1], tmp_path)
    path = tmp_path / "progress.json"
    path.write_text(path.read_text().replace('"done": 20', '"done": 90'))
    lines = []
    options = {"number": 0, "log": lines.append}
    found = storing.store(config_of(), tmp_path, list(teachers)[:1], load, runs.teacher_digest, **options)
    assert "progress.json is damaged" in lines[0] and "all answers are computed anew" in lines[0]
    logits, whole = (np.load(each.directory / "logits.npy") for each in (found, stored))
    np.testing.assert_allclose(logits.astype("float32"), whole.astype("float32"), rtol=2**-9, atol=1e-4)


# Another framework --------------------------------------------------------------------------------------------------


def arrays_of(model):
    """What another framework would write: views made by hand, in numpy."""
    dataset = config_data.load_dataset(config_of())
    split = storing.training_images(dataset)
    images = np.pad(split.images, ((0, 0), (1, 1), (1, 1), (0, 0)))
    views = []
    for row in range(3):
        for column in range(3):
            for flipped in (0, 1):
                view = images[:, row : row + 8, column : column + 8]
                view = view[:, :, ::-1] if flipped else view
                views.append(model(((view / 255.0 - 0.3) / 0.4).astype("float32")).numpy())
    order = np.random.default_rng(0).permutation(len(split))
    logits = np.stack(views, axis=1)[order]
    return {"logits": logits, "index": split.keys[order], "pixel_sums": pixel_sums(split)[order], **AUGMENT}


@pytest.fixture(scope="module")
def arrays(teachers):
    return arrays_of(next(iter(teachers.values())))


def test_arrays_of_another_framework_are_those_of_the_same_teacher(stored, arrays, tmp_path):
    names = config_data.load_dataset(config_of()).names
    turned = arrays["logits"][..., ::-1]
    np.savez(tmp_path / "a.npz", **{**arrays, "logits": turned}, names=names[::-1])
    found = store([str(tmp_path / "a.npz")], tmp_path / "answers")
    logits, own = (np.load(each.directory / "logits.npy").astype("float32") for each in (found, stored))
    np.testing.assert_allclose(logits, own, rtol=2**-9, atol=1e-4)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"index": None}, "it has the arrays logits, index, pixel_sums.*without 'index'"),
        ({"extra": np.zeros(3)}, "with 'extra'"),
        ({"index": 5}, "index must have the source's number of every.*each once"),
        ({"pixel_sums": 0}, "pixel_sums must be the sums .* the first of number"),
        ({"pad": 2}, "views, by pad, flip and pad_mode, must be"),
        ({"pad_mode": "reflect"}, "views, by pad, flip and pad_mode, must be"),
        ({"names": np.array(["0", "1"])}, "names must name each of 10 answers once"),
    ],
)
def test_arrays_that_do_not_fit(changes, message, arrays, tmp_path):
    made = {key: np.full_like(arrays[key], value) if key in ("index", "pixel_sums") and value is not None else value
            for key, value in changes.items()}  # fmt: skip
    written = {key: value for key, value in {**arrays, **made}.items() if value is not None}
    np.savez(tmp_path / "a.npz", **written)
    with pytest.raises(UserError, match=message):
        store([str(tmp_path / "a.npz")], tmp_path / "answers")


@pytest.mark.parametrize("shape", [(), (3,), (4, 5, 3)])
def test_arrays_may_have_answers_of_any_shape(shape, tmp_path):
    """Numbers, scores of classes, and scores at every place of a map."""
    split = storing.training_images(config_data.load_dataset(config_of()))
    logits = np.random.default_rng(0).normal(size=(len(split), *shape)).astype("float32")
    np.savez(tmp_path / "a.npz", logits=logits, index=split.keys, pixel_sums=pixel_sums(split))
    found = AnswerArrays(tmp_path / "a.npz", split, (), data.Augmentation())
    assert found.answer_shape == shape
    np.testing.assert_array_equal(found.answers(2, 5, 0), logits[2:5])


def test_infinite_and_too_large_answers_are_refused(arrays, tmp_path):
    for value in (np.nan, 7e4):
        np.savez(tmp_path / "a.npz", **{**arrays, "logits": np.full_like(arrays["logits"], value)})
        with pytest.raises(UserError, match="finite numbers that float16 holds, at most 65504"):
            store([str(tmp_path / "a.npz")], tmp_path / f"answers-{value}")


# What is refused ----------------------------------------------------------------------------------------------------


def test_other_views_are_refused(stored):
    with pytest.raises(UserError, match=r"to the views of .*Received: \{'pad': 2, 'flip': True\}"):
        pipeline(stored, {"pad": 2, "flip": True})


def test_an_infinite_augmentation_needs_a_number_of_views(teachers, tmp_path):
    with pytest.raises(UserError, match=r"--views=NUMBER.*cutout"):
        store(list(teachers)[:1], tmp_path, MANY)


@pytest.mark.parametrize("name", ["logits.npy", "index.npy", "pixels.npy", "answers.json"])
def test_a_changed_file_is_refused(name, stored, tmp_path):
    shutil.copytree(stored.directory, tmp_path / "copy")
    content = bytearray((tmp_path / "copy" / name).read_bytes())
    content[-20 if name != "answers.json" else content.index(b"digits")] ^= 1
    (tmp_path / "copy" / name).write_bytes(content)
    with pytest.raises(UserError, match=f"{name} (has changed since it was stored|is damaged)"):
        pipeline(data.StoredAnswers(tmp_path / "copy"))


def test_other_images_are_refused(stored):
    config = config_of()
    dataset = config_data.load_dataset(config)
    split = dataset.splits["train"]
    store_of = split.store
    images, values = store_of.read(np.arange(len(store_of)))
    images = images.copy()
    images[split.rows[4], 3, 3] ^= 1
    dataset.splits["train"] = data.Split(data.MemoryStore(images, values, store_of.targets), split.rows)
    with pytest.raises(UserError, match=rf"1 of 24 with other pixels, the first of them number {split.rows[4]} "):
        config_data.make_pipeline(config, dataset, answers=stored)
    dataset.splits["train"] = split
    dataset.names = dataset.names[::-1]
    with pytest.raises(UserError, match=r"answers in .* are of the classes 0, 1"):
        config_data.make_pipeline(config, dataset, answers=stored)


def test_a_method_of_features_refuses_them(stored, tmp_path):
    config = config_of(teacher=str(stored.directory))
    config.method = free({"name": "PKT", "teacher": str(stored.directory), "labels_weight": 1.0})
    with pytest.raises(UserError, match="PKT learns from more than a teacher's answers"):
        runs.train(config, tmp_path, strategy.make_placement())


# Training -----------------------------------------------------------------------------------------------------------


def log_of(workdir):
    return [json.loads(line) for line in (workdir / "log.jsonl").read_text().splitlines()]


def train(workdir, **method):
    report = runs.train(config_of(**method), workdir, strategy.make_placement())
    return report, log_of(workdir)


def test_a_run_is_the_same_with_the_teacher_itself(stored, teachers, tmp_path):
    path = next(iter(teachers))
    report, lines = train(tmp_path / "stored", teacher=str(stored.directory))
    _, others = train(tmp_path / "itself", teacher={"file": path, "pixels": "given"})
    assert [line["step"] for line in lines] == [line["step"] for line in others]
    for one, other in zip(lines, others, strict=True):
        for key in ("loss", "peer_0/distillation", "peer_0/top1", "teacher/top1"):
            if key in one and key in other:
                assert one[key] == pytest.approx(other[key], rel=5e-3, abs=5e-3)
    assert any("peer_0/distillation" in line for line in lines)
    # Held-out images have no stored answers.
    assert report["teacher"] is None
    assert data_record.read(tmp_path / "stored")["answers"] == stored.digest
    assert runs.Run(tmp_path / "stored").network().name == "peer_0"


def test_a_run_goes_on_with_the_same_answers_alone(stored, teachers, tmp_path, monkeypatch):
    whole, _ = train(tmp_path / "whole", teacher=str(stored.directory))
    shutil.copytree(stored.directory, tmp_path / "answers")
    stop_at(4, monkeypatch)
    method = {"teacher": str(tmp_path / "answers")}
    with pytest.raises(stopping.Stopped):
        train(tmp_path / "run", **method)
    shutil.rmtree(tmp_path / "answers")
    store(list(teachers)[1:], tmp_path / "answers")
    with pytest.raises(UserError, match=r"stored answers [0-9a-f]{8} -> [0-9a-f]{8}"):
        train(tmp_path / "run", **method)
    shutil.rmtree(tmp_path / "answers")
    shutil.copytree(stored.directory, tmp_path / "answers")
    resumed, _ = train(tmp_path / "run", **method)
    assert resumed["student"]["test_top1"] == whole["student"]["test_top1"]
    weights = [np.load(next((tmp_path / name / "chosen").glob("*.npz"))) for name in ("run", "whole")]
    for name in weights[0].files:
        np.testing.assert_array_equal(weights[0][name], weights[1][name])


def test_a_cohort_is_saved_with_what_it_takes(stored, tmp_path):
    network = functools.partial(models.plain_cnn, (8, 8, 1), 10, widths=(4, 8))
    method = methods.OfflineDistillation(network, GivenAnswers((10,)))
    method.compile(keras.optimizers.SGD(0.1), steps_per_epoch=3)
    batch, labels = pipeline(stored).batch(0)
    loss = method.evaluate(batch, labels, verbose=0, return_dict=True)["loss"]
    method.save(tmp_path / "cohort.keras")
    again = keras.models.load_model(tmp_path / "cohort.keras")
    assert again.stored_shape == (10,)
    assert again.evaluate(batch, labels, verbose=0, return_dict=True)["loss"] == pytest.approx(loss, rel=1e-5)
    with pytest.raises(ValueError, match="A stored teacher answers beside the images"):
        method.evaluate(batch["images"], labels, verbose=0)
    with pytest.raises(ValueError, match=r"\(10,\) of peer_0, \(9,\) of the stored teacher"):
        methods.OfflineDistillation(network, GivenAnswers((9,)))


def test_bfloat16_leaves_the_answers_as_they_are(stored):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        info = config_data.load_dataset(config_of()).info
        method = cohorts.make_method(config_of(teacher=str(stored.directory)), info, runs.load_teacher)
    finally:
        keras.config.set_dtype_policy(before)
    batch, _ = pipeline(stored).batch(0)
    answers = method(batch, training=True)["teacher"]["logits"]
    np.testing.assert_array_equal(answers, batch["answers"])


def test_two_replicas_see_the_shares_of_one(stored, mirrored):
    made = pipeline(stored)
    whole, _ = made.batch(3)
    shares = [made.batch(3, replica, 2)[0] for replica in (0, 1)]
    for key in ("images", "answers"):
        np.testing.assert_array_equal(np.concatenate([share[key] for share in shares]), whole[key])
    logs = []
    for scope in (tf.distribute.get_strategy(), mirrored):
        placement = strategy.Placement(scope)
        with scope.scope():
            config = config_of(teacher=str(stored.directory))
            info = config_data.load_dataset(config).info
            method = cohorts.make_method(config, info, runs.load_teacher, synchronized=True)
            method.compile(keras.optimizers.SGD(0.1), steps_per_epoch=3)
        batches = placement.distribute(lambda replicas, count: made.dataset(0, replicas=replicas, num_replicas=count))
        step, iterator = method.step_function, iter(batches)
        logs.append([{key: float(value) for key, value in step(iterator).items()} for _ in range(2)])
    for one, two in zip(*logs, strict=True):
        assert one == pytest.approx(two, rel=1e-4, abs=1e-4)
        assert {"teacher/top1", "peer_0/distillation"} <= set(one)


def test_answers_on_a_store_are_those_on_a_disk(teachers, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(splits, "chunk", lambda most, shape: 10)
    place = paths.at("ram://test_storing/answers")
    with monkeypatch.context() as patch:
        stop_at(2, patch)
        with pytest.raises(stopping.Stopped, match="stopped at 20 of "):
            store(list(teachers)[:1], str(place))
    assert not stored_answers.are_in(str(place))
    found, on_disk = (store(list(teachers)[:1], where) for where in (str(place), tmp_path / "disk"))
    assert found.record == on_disk.record
    assert sorted(path.name for path in place.iterdir()) == sorted([*found.record["sha256"], "answers.json"])
    assert list((tmp_path / "cache" / "odtf" / "answers").iterdir()) == []
    tf.nest.map_structure(np.testing.assert_array_equal, *(pipeline(answers).batch(0) for answers in (found, on_disk)))
    assert len(list((tmp_path / "cache" / "odtf" / "files").iterdir())) == len(found.record["sha256"])
    assert runs.load_teacher(str(place)).digest == on_disk.digest
    (place / "index.npy").write_bytes(b"another")
    with pytest.raises(UserError, match=r"^ram://test_storing/answers/index\.npy has changed since it was stored"):
        pipeline(data.StoredAnswers(str(place)))
    place.parent.rmtree()
