"""A workdir knows its data: what is recorded, what every command compares, and what it says where they differ."""

import dataclasses
import json
import shutil

import numpy as np
import pytest

from odtf import data, run_exports, runs, sealed
from odtf.errors import UserError
from odtf.export import several
from odtf.finetune.origins import PeerOfRun
from odtf.training import data_record, strategy
from tests.data.conftest import write_images
from tests.training.test_experiment import small

pytestmark = pytest.mark.usefixtures("eagerly")  # Few steps of each network.
FRUIT = ("apple", "banana", "cherry")


def config_of(photos, **changes):
    config = small(epochs=1, batch_size=8)
    config.data.name = f"folder:{photos}"
    for key, value in changes.items():
        config.data[key] = value
    return config


def train(photos, workdir, **changes):
    return runs.train(config_of(photos, **changes), workdir, strategy.make_placement())


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A folder with `photos` and the `run` that was trained on them."""
    root = tmp_path_factory.mktemp("finished")
    write_images(root / "photos", classes=FRUIT, size=(8, 8))
    train(root / "photos", root / "run")
    return root


@pytest.fixture
def run(finished, tmp_path):
    """(photos, workdir) of a copy whose data may be changed; the config names the copied photos."""
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    move(tmp_path / "run", finished, tmp_path)
    return tmp_path / "photos", tmp_path / "run"


def move(workdir, before, after):
    """Has the config of a run name photos at another place."""
    path = workdir / "config.json"
    record = json.loads(path.read_text().replace(str(before), str(after)))
    del record[sealed.DIGEST]
    sealed.write(path, record)


def files_of(workdir):
    return {path: path.read_bytes() for path in workdir.rglob("*") if path.is_file()}


def rename(photos):
    (photos / "apple").rename(photos / "red_apple")


def add_a_class(photos):
    shutil.copytree(photos / "apple", photos / "plum")


def double(photos):
    for path in list(photos.rglob("*.png")):
        shutil.copy(path, path.with_name(f"again-{path.name}"))


def test_the_record_has_names_sizes_and_files(finished):
    record = data_record.read(finished / "run")
    dataset = runs.Run(finished / "run").dataset
    assert record["names"] == list(FRUIT)
    assert record["image_shape"] == [8, 8, 3]
    assert tuple(record["mean"]) == dataset.mean and tuple(record["std"]) == dataset.std
    splits = record["splits"]
    assert {part: split["images"] for part, split in splits.items()} == {"train": 21, "validation": 3, "test": 6}
    whole = sum(path.stat().st_size for path in (finished / "photos").rglob("*.png"))
    assert sum(split["bytes"] for split in splits.values()) == whole
    assert len({split["files"] for split in splits.values()}) == 3


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        (rename, r"learned the classes apple, banana, cherry, in this order.*Received: banana, cherry, red_apple: "
         r"without apple and with red_apple, which"),
        (add_a_class, r"learned the classes apple, banana, cherry.*cherry, plum: with plum, which the run does not"),
    ],
)  # fmt: skip
def test_other_classes_are_refused_by_whatever_opens_the_workdir(change, wanted, run):
    photos, workdir = run
    change(photos)
    before = files_of(workdir)
    opening = (
        lambda: train(photos, workdir),
        lambda: run_exports.export_workdir(workdir, "phone"),
        lambda: run_exports.export_everywhere(workdir),
        lambda: PeerOfRun(workdir).dataset,
        lambda: runs.Run(workdir).network(),
    )
    for command in opening:
        with pytest.raises(UserError, match=wanted):
            command()
    assert files_of(workdir) == before


def test_another_order_of_the_same_names_is_refused():
    record = {"names": ["a", "b", "c"]}
    data_record.check_names("w", record, ("a", "b", "c"))
    with pytest.raises(UserError, match=r"the classes a, b, c, .*Received: a, c, b: another order, 'c' as number 1 wh"):
        data_record.check_names("w", record, ("a", "c", "b"))


def test_training_goes_on_with_the_same_images_alone(run):
    photos, workdir = run
    double(photos)
    before = files_of(workdir)
    wanted = r"splits would be others.*Received: train: images 21 -> 42, files \w{8} -> \w{8}, bytes .*; val.*; t"
    with pytest.raises(UserError, match=wanted):
        train(photos, workdir)
    with pytest.raises(UserError, match=wanted):
        PeerOfRun(workdir).dataset  # noqa: B018 (a property)
    assert files_of(workdir) == before
    (workdir / "report.json").unlink()  # As of a run that was stopped.
    with pytest.raises(UserError, match=wanted):
        train(photos, workdir)
    assert not (workdir / "report.json").exists()


def test_an_image_of_another_name_or_size_is_another_image(run):
    photos, workdir = run
    path = photos / "apple" / "03.png"
    path.rename(path.with_name("03a.png"))
    with pytest.raises(UserError, match=r"Received: \w+: files \w{8} -> \w{8}\."):
        train(photos, workdir)
    path.with_name("03a.png").rename(path)
    with open(path, "ab") as file:
        file.write(b"more")
    with pytest.raises(UserError, match=r"Received: \w+: bytes \d+ -> \d+\."):
        train(photos, workdir)


def test_photos_may_be_moved(run, tmp_path):
    photos, workdir = run
    photos.rename(tmp_path / "elsewhere")
    move(workdir, photos, tmp_path / "elsewhere")
    assert runs.Run(workdir).data_changes == []
    train(tmp_path / "elsewhere", workdir)


def test_an_export_says_that_other_images_calibrate_and_takes_what_the_run_recorded(run, monkeypatch, capsys):
    photos, workdir = run
    given, record = [], data_record.read(workdir)

    def export_student(network, dataset, folder, *, target, **options):
        given.append(dataset)
        row = {"target": target.name, "quantization": "int8", "path": str(folder / "student_int8.tflite")}
        figures = {"bytes": 1, "test_top1": 0.5, "agreement": 1.0, "latency_us_p50": 1.0}
        return {**row, **figures, "notes": ["vela is missing"]}

    monkeypatch.setattr(several, "export_student", export_student)
    assert run_exports.export_workdir(workdir, "phone")["exports"][-1]["notes"] == ["vela is missing"]
    assert capsys.readouterr().out == ""
    double(photos)
    for path in (photos / "apple").glob("again-*"):
        path.write_bytes((photos / "banana" / "00.png").read_bytes())
    report = run_exports.export_workdir(workdir, "phone")
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    assert "no longer those that the run" in out and "train: images 21 -> 42" in out
    (row,) = report["exports"]
    assert row["notes"][0] == "vela is missing" and "no longer those" in row["notes"][1]
    now = data.load(f"folder:{photos}")
    assert now.mean != given[0].mean  # The networks were trained with those of the images that were there.
    for dataset in given:
        assert (dataset.names, dataset.mean, dataset.std) == (FRUIT, tuple(record["mean"]), tuple(record["std"]))


def test_a_workdir_without_a_record_is_read_with_a_line(run, capsys):
    photos, workdir = run
    (workdir / "data.json").unlink()
    double(photos)
    line = f"note: {workdir} has no data.json: whether the classes, their order and the images of its data are still "
    line += "those that it learned from cannot be checked\n"
    assert runs.Run(workdir).data_changes == []
    assert capsys.readouterr().out == line
    train(photos, workdir)
    assert capsys.readouterr().out.startswith(line)
    assert not (workdir / "data.json").exists()  # What is true now need not have been true then.


def test_before_the_first_checkpoint_nothing_was_learned(run):
    """Killed at once, a run has no split that could change."""
    photos, workdir = run
    for made in ("checkpoints", "chosen"):
        shutil.rmtree(workdir / made)
    (workdir / "report.json").unlink()
    assert not data_record.is_begun(workdir)
    double(photos)
    train(photos, workdir)
    assert data_record.read(workdir)["splits"]["train"]["images"] == 42


@pytest.mark.parametrize("damage", [lambda text: text.replace("21,", "22,"), lambda text: text[:50], lambda _: "[1]"])
def test_a_damaged_record_is_named(damage, run):
    path = run[1] / "data.json"
    path.write_text(damage(path.read_text()))
    with pytest.raises(UserError, match=rf"^{path} is damaged: "):
        runs.Run(run[1]).dataset  # noqa: B018 (a property)


def test_a_teacher_whose_classes_have_another_order_is_refused(run):
    info = runs.Run(run[1]).dataset.info
    assert runs.load_teacher(run[1], info).name
    with pytest.raises(UserError, match=r"teacher_workdir must .*learned the classes apple, banana, cherry.*her order"):
        runs.load_teacher(run[1], dataclasses.replace(info, names=("banana", "apple", "cherry")))


def test_images_that_join_are_recorded_too(finished, tmp_path):
    write_images(tmp_path / "more", classes=FRUIT, size=(8, 8), seed=1)
    domains = ({"name": f"folder:{tmp_path / 'more'}"},)
    train(finished / "photos", tmp_path / "run", domains=domains)
    (domain,) = data_record.read(tmp_path / "run")["domains"]
    assert domain["images"] == 30 and len(domain["files"]) == 64
    (tmp_path / "more" / "apple" / "00.png").unlink()
    with pytest.raises(UserError, match=r"Received: folder:\S+more: images 30 -> 29, files"):
        train(finished / "photos", tmp_path / "run", domains=domains)


def test_the_record_does_not_depend_on_where_images_are_held(finished):
    kept, streamed = (data.load(f"folder:{finished / 'photos'}", memory_budget_mb=n) for n in (64, 0))
    assert streamed.splits["train"].store.streaming and not kept.splits["train"].store.streaming
    assert kept.records == streamed.records


def own(targets):
    """A source of arrays that says nothing of them but how many they are."""
    images = np.random.default_rng().integers(0, 255, (40, 6, 5, 3), "uint8")
    return FRUIT, {"train": (images, np.arange(40) % 3)}


class Store:
    """A store of the user's own, which has no `record`."""

    image_shape, streaming, known = (6, 5, 3), False, False

    def __len__(self):
        return 5


def test_what_ones_own_source_does_not_say_is_not_checked():
    one, other = (data_record.of(data.load(own)) for _ in range(2))
    assert data_record.changes(one, other) == []
    assert data.Split(Store()).record() == {"images": 5}
    changed = json.loads(json.dumps(other))
    changed["splits"]["train"] = {"images": 5}
    assert data_record.changes(one, changed) == ["train: images 28 -> 5"]
