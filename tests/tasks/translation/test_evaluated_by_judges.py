"""Files judged by networks: odtf-evaluate with the features of a network, a segmenter, and sets without pairs."""

import json

import keras
import numpy as np
import pytest
from PIL import Image

from odtf import data
from odtf.tasks import Translation
from tests.converting import convert
from tests.tasks.translation.test_frechet import oracle


def few_numbers(pixels):
    """Features: grey levels of four places."""
    return keras.ops.reshape(pixels[:, 8::16, 8::16, :1], (-1, 4)) / 255.0


def red_or_not(pixels):
    """A segmenter: the first class where there is less red than half, else the second."""
    return keras.ops.concatenate([127.5 - pixels[..., :1], pixels[..., :1] - 127.5], axis=-1)


def painter(folder, channels, gain):
    """Writes a file whose image is the tanh of its input times a number; returns its path."""
    image = keras.Input((32, 32, channels), batch_size=1)
    painted = keras.layers.Activation("tanh")(keras.layers.Rescaling(gain)(image))
    return str(convert(keras.Model(image, painted), folder))


def evaluated(zygote, tmp_path, path, *flags):
    out = tmp_path / "found.json"
    flags = "--task=translation", "--pixels=-1..1", f"--json={out}", *flags
    status, said, err = zygote.run("odtf-evaluate", path, *flags)
    assert status == 0, err
    return json.loads(out.read_text()), said


def test_sets_without_pairs_are_judged_by_features_alone(zygote, tmp_path):
    path = painter(tmp_path, 1, 0.5)
    flags = "--data=digit_pictures", "--nopaired", f"--features={__file__}:few_numbers"
    found, said = evaluated(zygote, tmp_path, path, *flags)
    task = Translation(paired=False, features=f"{__file__}:few_numbers")
    dataset = data.load("digit_pictures", targets=task.targets)
    split = dataset.splits["test"]
    images, targets = split.take(np.arange(len(split)))
    levels = np.floor(127.5 * (np.tanh(0.5 * (images / np.float32(127.5) - 1.0)) + 1.0) + 2**-8)
    parts = zip(targets["counted"].T > 0, (levels, np.float32(targets["picture"])), strict=True)
    made, real = (np.asarray(few_numbers(pixels[rows])) for rows, pixels in parts)
    assert found["frechet_few_numbers"] == pytest.approx(oracle(real, made), rel=1e-3)
    assert "psnr" not in found and "Fréchet distance by few_numbers" in said


@pytest.fixture
def streets(tmp_path):
    """Maps whose left part is red, and pictures that are the maps themselves."""
    root = tmp_path / "maps"
    for part, count in (("train", 3), ("test", 4)):
        for i in range(count):
            colors = np.zeros((32, 32, 3), np.uint8)
            colors[:, : 6 + 4 * i] = (250, 0, 0)
            for side in "AB":
                folder = root / f"{part}{side}"
                folder.mkdir(parents=True, exist_ok=True)
                Image.fromarray(colors).save(folder / f"{i}.png")
    (root / "classes.txt").write_text("sky 0 0 0\nroad 250 0 0\n")
    return root


def test_a_segmenter_judges_what_was_painted_of_a_map(zygote, tmp_path, streets):
    own = f"--features={__file__}:few_numbers", f"--segmenter={__file__}:red_or_not"
    for gain, right in ((2.0, True), (-2.0, False)):
        path = painter(tmp_path, 3, gain)
        found, _ = evaluated(zygote, tmp_path, path, f"--data=folder:{streets}", *own)
        assert found["miou_red_or_not"] == pytest.approx(1.0 if right else 0.0)
        assert (found["psnr"] > 25.0) == right and found["frechet_few_numbers"] >= 0.0


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--task=translation", "--nopaired"), "--task=translation: Without pairs images are judged by features"),
        (("--features=x.keras",), "The task 'classification' has no flag --features. Received: --features=x.keras."),
        (("--task=translation", "--features=x.keras"), "x.keras, which is no file"),
    ],
)
def test_judges_that_are_wrong(flags, message, zygote, tmp_path):
    path = painter(tmp_path, 1, 0.5)
    status, _, err = zygote.run("odtf-evaluate", path, "--data=digit_pictures", "--pixels=-1..1", *flags)
    assert status == 2 and message in err and len(err.strip().splitlines()) == 1
