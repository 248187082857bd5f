"""Files of models by Keras alone: good ones that tell digits apart, and bad ones, each with what is said of it."""

import pathlib
import zipfile

import keras
import numpy as np
from keras import layers

from odtf import data

# Of the outputs of all models here: not that of the data.
ORDER = [str(digit) for digit in reversed(range(10))]
SAID = {"labels": ORDER, "pixels": "-1..1"}


def body(x):
    x = layers.Conv2D(8, 3, padding="same", use_bias=False)(x)
    x = layers.Activation("relu")(layers.BatchNormalization(momentum=0.8)(x))
    x = layers.Conv2D(16, 3, strides=2, padding="same", activation="relu")(x)
    return layers.Dense(10, name="answer")(layers.Flatten()(x))


def learned(model, images, epochs=6):
    model.compile(keras.optimizers.Adam(0.01), keras.losses.SparseCategoricalCrossentropy(), metrics=["accuracy"])
    model.fit(images, 9 - digits()[1], batch_size=64, epochs=epochs, verbose=0)
    return model


def digits(split="train"):
    part = data.load("digits").splits[split]
    return part.take(np.arange(len(part)))


def make_bare():
    """A model of pixels -1..1 with a softmax."""
    keras.utils.set_random_seed(0)
    image = keras.Input((8, 8, 1))
    return learned(keras.Model(image, layers.Softmax()(body(image)), name="bare"), digits()[0] / 127.5 - 1)


def make_scaled(bare):
    """The same for pixels 0..255."""
    image = keras.Input((8, 8, 1))
    return keras.Model(image, bare(layers.Rescaling(1 / 127.5, -1)(image)), name="scaled")


def write_labels(folder):
    """Writes text files of labels, a good one and bad ones."""
    (folder / "labels.txt").write_text("\n".join(ORDER) + "\n")
    (folder / "nine.txt").write_text("\n".join(ORDER[:-1]) + "\n")
    (folder / "gap.txt").write_text("\n".join([*ORDER[:3], "", *ORDER[3:]]) + "\n")


def _harm(x):
    # Keras calls it when the model is made, too; that is not where the test of loading stands.
    if pathlib.Path("somebody.py").exists():
        pathlib.Path("HARM").touch()
    return x


# The file -> words of the refusal.
BAD = {
    "no_size": ("one fixed size", "Received: (None, None, 1)"),
    "two_inputs": ("one image and gives one output", "2 inputs"),
    "two_outputs": ("one image and gives one output", "2 outputs"),
    "half": ("float32 weights", "float16"),
    "lambda": ("no other code is run for it", "Lambda of keras.layers", "'plus'"),
    "foreign": ("no other code is run for it", "of somebody.layers"),
    "cut": ("must be a .keras file",),
    "record": ("record odtf.json",),
    "sigmoid": ("with sigmoid at its end",),
    "three": ("tells 3 classes apart", "10 classes"),
    "colours": ("(8, 8, 3)", "(8, 8, 1) from digits"),
}


def write_bad(folder):
    """Writes the files of `BAD`; the folder has bare.keras."""

    def model(name, inputs, x):
        keras.Model(inputs, x).save(folder / f"{name}.keras")

    image = keras.Input((8, 8, 1))
    free = keras.Input((None, None, 1))
    model("no_size", free, layers.Dense(10)(layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3)(free))))
    other = keras.Input((8, 8, 1))
    model("two_inputs", [image, other], body(layers.Add()([image, other])))
    model("two_outputs", image, [body(image), layers.Flatten()(image)])
    model("lambda", image, body(layers.Lambda(_harm, name="plus")(image)))
    model("sigmoid", image, layers.Dense(10, activation="sigmoid")(layers.Flatten()(image)))
    model("three", image, layers.Dense(3)(layers.Flatten()(image)))
    colours = keras.Input((8, 8, 3))
    model("colours", colours, body(colours))
    half = keras.Input((8, 8, 1), dtype="float16")
    model("half", half, layers.Dense(10, dtype="float16")(layers.Flatten(dtype="float16")(half)))
    whole = (folder / "bare.keras").read_bytes()
    (folder / "cut.keras").write_bytes(whole[: len(whole) // 2])
    with zipfile.ZipFile(folder / "bare.keras") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    foreign = members["config.json"].replace(b'"module": "keras.layers"', b'"module": "somebody.layers"', 1)
    assert foreign != members["config.json"]
    for name, changed in (("foreign", {"config.json": foreign}), ("record", {"odtf.json": b'{"names": 3}'})):
        with zipfile.ZipFile(folder / f"{name}.keras", "w") as archive:
            for member, content in {**members, **changed}.items():
                archive.writestr(member, content)
