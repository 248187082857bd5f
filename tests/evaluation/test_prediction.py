"""What a file says of pictures without labels: every one of them answered, or told why not."""

import csv
import io
import json

import keras
import numpy as np
import pytest
from PIL import Image

from odtf.errors import UserError
from odtf.evaluation import pixels, prediction
from odtf.evaluation.image_file import ImageFile
from odtf.tasks import Classification, Retrieval
from odtf.tflite.metadata import attach_resize
from tests.converting import convert

RED, BLUE = (250, 10, 0), (0, 10, 250)
SHADES = pixels.from_flags("0..1")


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """A network of centres that says which of two colours it sees more of."""
    image = keras.Input((4, 4, 3))
    dense = keras.layers.Dense(2)
    model = keras.Model(image, dense(keras.layers.GlobalAveragePooling2D()(image)))
    dense.set_weights([np.float32([[0, 9], [0, 0], [9, 0]]), np.zeros(2, np.float32)])
    folder = tmp_path_factory.mktemp("file")
    with open(convert(model, folder), "rb") as file:
        content = attach_resize(file.read(), "crop")
    (folder / "colors.tflite").write_bytes(content)
    return folder / "colors.tflite"


@pytest.fixture
def photos(tmp_path):
    root = tmp_path / "holiday"
    (root / "day 2").mkdir(parents=True)
    for name, colors in (("b.png", (BLUE, RED)), ("day 2/a.webp", (RED, BLUE))):
        image = np.empty((4, 12, 3), np.uint8)
        image[:], image[:, 4:8] = colors
        Image.fromarray(image).save(root / name, lossless=True)
    (root / "broken.jpg").write_bytes(b"no picture")
    (root / "notes.txt").write_text("no picture either")
    return root


def test_every_picture_gets_a_row(path, photos):
    result = prediction.predict(ImageFile(path, SHADES), photos, Classification(), names=["blue", "red"])
    broken, red, blue = sorted(result["images"], key=lambda row: (row.get("label") is not None, row["image"]))
    assert (red["image"], red["label"], blue["image"], blue["label"]) == ("b.png", "red", "day 2/a.webp", "blue")
    logits = np.float64([0, 9]) * 250 / 255
    share = 1 / (1 + np.exp(logits[0] - logits[1]))
    assert red["probability"] == pytest.approx(share, abs=1e-3) == red["scores"]["red"]
    assert list(red["scores"]) == ["red", "blue"] and sum(red["scores"].values()) == pytest.approx(1, abs=1e-5)
    assert broken["image"] == "broken.jpg" and broken["error"].startswith("Corrupt image: ")
    assert result["file"]["resize"] == "crop" and result["task"] == "classification"
    rows = list(csv.DictReader(io.StringIO(prediction.as_csv(result))))
    assert [row["label"] for row in rows] == [row.get("label", "") for row in result["images"]]
    assert list(rows[0]) == ["image", "label", "probability", "error"]
    shown = prediction.render(result)
    assert "red" in shown and "note: 1 cannot be read; the first: Corrupt image" in shown
    assert result["notes"] == ["passed over: 1 .txt"] and "note: passed over: 1 .txt" in shown


def test_outputs_without_names_are_numbered(path, photos):
    result = prediction.predict(ImageFile(path, SHADES), photos, Classification())
    assert {row.get("label") for row in result["images"]} == {"0", "1", None}


def test_the_command_writes_both(path, photos, zygote, tmp_path):
    labels = tmp_path / "labels.txt"
    labels.write_text("blue\nred\n")
    written = {kind: tmp_path / f"answers.{kind}" for kind in ("csv", "json")}
    arguments = [f"--{kind}={file}" for kind, file in written.items()]
    flags = str(path), f"--images={photos}", "--pixels=0..1", f"--labels={labels}"
    status, out, err = zygote.run("odtf-predict", *flags, *arguments)
    assert status == 0, err
    found = json.loads(written["json"].read_text())["images"]
    assert {row["image"]: row.get("label") for row in found}["b.png"] == "red"
    assert written["csv"].read_text().count("\n") == 1 + len(found) == 4
    assert "b.png" in out
    status, _, err = zygote.run("odtf-predict", str(path), f"--images={tmp_path}/none", "--pixels=0..1")
    assert status == 2 and "cannot be read" in err and err.count("\n") == 1


def test_what_is_refused(path, photos, tmp_path):
    file = ImageFile(path, SHADES)
    (tmp_path / "empty" / "day 1").mkdir(parents=True)
    (tmp_path / "empty" / "day 1" / "IMG.HEIC").touch()
    with pytest.raises(UserError, match=r"no pictures in the folder\. Received: .*empty with 1 \.heic \(HEIC is not"):
        prediction.predict(file, tmp_path / "empty", Classification())
    with pytest.raises(UserError, match=r"Received: the task 'retrieval'\.$"):
        prediction.predict(file, photos, Retrieval())
    for picture in ("b.png", "day 2/a.webp"):
        (photos / picture).unlink()
    with pytest.raises(UserError, match=r"^None of the 1 pictures can be read; of the first: Corrupt image"):
        prediction.predict(file, photos, Classification())
