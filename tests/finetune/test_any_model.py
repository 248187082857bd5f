"""A Keras model that knows nothing of odtf, fine-tuned by the real command and by the function behind it."""

import json

import keras
import numpy as np
import pytest
from keras import layers

from odtf import export
from odtf.errors import UserError
from odtf.finetune import compression
from odtf.finetune.finetuning import finetune_model
from odtf.finetune.settings import Settings
from tests.own.keras_files import BAD, ORDER, SAID, digits, make_bare, make_scaled, write_bad, write_labels


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    bare = make_bare()
    bare.save(folder / "bare.keras")
    make_scaled(bare).save(folder / "scaled.keras")
    write_labels(folder)
    write_bad(folder)
    image = keras.Input((8, 8, 1))
    swish = layers.Conv2D(4, 3, activation="linear")(image)
    x = layers.Dense(10)(layers.Flatten()(layers.Activation("swish", name="swish")(layers.PReLU(name="leak")(swish))))
    keras.Model(image, x).save(folder / "prelu.keras")
    return folder


@pytest.fixture(scope="module")
def output(tmp_path_factory):
    return tmp_path_factory.mktemp("tuned")


def content_of(row, output):
    return (output / row["file"]["path"]).read_bytes()


def test_the_command_makes_a_verified_file_and_goes_on_where_it_stood(zygote, folder, output):
    flags = (f"--model={folder}/scaled.keras", "--data=digits", f"--labels={folder}/labels.txt", "--mode=qat")
    status, out, err = zygote.run("odtf-finetune", *flags, "--epochs=1", f"--output={output}")
    assert status == 0, err
    assert "scaled, taught by: itself before. Chosen on validation: quantize of epoch 1." in out
    assert sorted(path.name for path in output.iterdir()) == ["finetuned.json", "post-training", "qat"]
    ((row,), task) = (json.loads((output / "finetuned.json").read_text())[key] for key in ("finetuned", "task"))
    assert task["metric"] == "top1" and (row["mode"], row["peer"], row["target"]) == ("qat", "scaled", "soc")
    content = content_of(row, output)
    images, labels = digits("test")
    found = export.Runner(content).predict(images).argmax(-1)
    assert row["file"]["test_top1"] == pytest.approx(np.mean(found == 9 - labels)) and row["file"]["test_top1"] > 0.9
    assert abs(row["file"]["test_top1"] - row["tuned"]["test_top1"]) < 0.01 and row["float"]["test_top1"] > 0.9
    ops = export.operators(content)
    assert not ops.keys() & {"MUL", "ADD", "SUB"} and ops["CONV_2D"] == 2, "scaling and norms are folded"
    # The same for another target: nothing is trained again, and the order of classes is in what it says.
    again = finetune_model(
        folder / "scaled.keras", "digits", output, Settings("qat", epochs=1, target="phone"), labels=ORDER
    )
    assert again["tuned"] == row["tuned"] and again["stages"] == row["stages"]
    assert len(json.loads((output / "finetuned.json").read_text())["finetuned"]) == 2
    with pytest.raises(UserError, match=r"with other flags; .*digest"):
        finetune_model(folder / "bare.keras", "digits", output, Settings("qat", epochs=1), **SAID)
    path = output / "finetuned.json"
    path.write_text(path.read_text().replace('"mode": "qat"', '"mode": "qau"'))  # Rows are read again.
    with pytest.raises(UserError, match=r"finetuned\.json is damaged: .*; without it, fine-tunings begin it anew"):
        finetune_model(folder / "scaled.keras", "digits", output, Settings("qat", epochs=1), labels=ORDER)


def test_zeros_stay_in_the_file(folder, tmp_path):
    settings = Settings("pqat", epochs=1, sparsity_pattern="block:1x2", pruning_end=1.0, teacher="none")
    row = finetune_model(folder / "bare.keras", "digits", tmp_path, settings, batch_size=64, **SAID)
    assert row["teacher"] is None and [stage["name"] for stage in row["stages"]] == ["prune", "quantize"]
    (dense,) = (
        k for name, k, _ in compression.kernels((tmp_path / row["file"]["path"]).read_bytes()) if "FULLY" in name
    )
    assert np.mean(dense == 0) == pytest.approx(0.5, abs=0.05)
    assert row["post_training"]["sparsity"] < 0.2 < row["file"]["sparsity"]


@pytest.mark.parametrize(
    ("name", "changes", "words"),
    [
        *((name, {}, words) for name, words in BAD.items()),
        ("prelu", {}, ("TFMOT cannot take this network", "'leak' of type PReLU")),
        ("bare", {"labels": None}, ("order of its classes must be said",)),
        ("bare", {"pixels": None}, ("range of its pixels must be said",)),
        ("bare", {"batch_size": 2000}, ("batch_size must not exceed the training split",)),
        ("bare", {"peer": "peer_0"}, ("leave peer out",)),
        ("bare", {"target": "watch"}, ("No such export target",)),
        ("bare", {"mode": "prune", "sparsity_pattern": "500:1000"}, ("no kernel for this pattern",)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_tuned_is_refused_in_one_line_and_nothing_is_written(name, changes, words, folder, tmp_path):
    chosen = {key: changes[key] for key in ("mode", "peer", "target", "sparsity_pattern") if key in changes}
    given = {**SAID, **{key: value for key, value in changes.items() if key not in chosen}}
    settings = Settings(**{"mode": "qat", **chosen})
    with pytest.raises(UserError) as caught:
        finetune_model(folder / f"{name}.keras", "digits", tmp_path / "out", settings, **given)
    line = str(caught.value)
    assert "\n" not in line and all(part in line for part in words), line
    assert not (tmp_path / "out").exists()
