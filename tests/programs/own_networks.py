"""Every method with networks that are not odtf's: trained a step an epoch, stopped, resumed, exported, or refused.

    python -m tests.programs.own_networks
    python -m tests.programs.own_networks --methods=Solo,ONE --networks=Sequential,Subclassed

Prints a Markdown table: the test accuracy means nothing after two steps; that each cell got to its end does.
"""

import argparse
import contextlib
import functools
import pathlib
import tempfile

import keras
import numpy as np
from keras import layers
from PIL import Image
from sklearn.datasets import load_digits

from odtf import methods, own_code, run_exports, runs, stopping
from odtf.errors import UserError
from odtf.training import preparation, strategy
from odtf.training.config import default_config, free

SIZE = 32
CODE = """
import keras
from keras import layers

from odtf import models


class Subclassed(keras.Model):
    def __init__(self, classes=10, **kwargs):
        super().__init__(**kwargs)
        self.classes = classes
        self.conv, self.pool = layers.Conv2D(8, 3, 2, activation="relu"), layers.GlobalAveragePooling2D()
        self.answer = layers.Dense(classes)

    def call(self, images):
        return self.answer(self.pool(self.conv(images)))

    def get_config(self):
        return {"classes": self.classes}


def subclassed(input_shape, head, *, seed, name):
    model = Subclassed(head)
    model(keras.ops.zeros((1, *input_shape)))
    return models.from_keras(model, head)(seed=seed, name=name)
"""


def sequential():
    """As tutorials write it: activations inside of layers, dropout, a softmax."""
    return keras.Sequential(
        [
            keras.Input((SIZE, SIZE, 3)),
            *(layers.Conv2D(8, 3, activation="relu", padding="same"), layers.MaxPooling2D()),
            *(layers.Conv2D(12, 3, activation="relu", padding="same"), layers.MaxPooling2D()),
            *(layers.Conv2D(16, 3, activation="relu", padding="same"), layers.GlobalAveragePooling2D()),
            *(layers.Dropout(0.2), layers.Dense(10, activation="softmax")),
        ]
    )


def rescaling():
    """A functional model that scales its pixels, with a sum and batch normalisation."""
    image = keras.Input((SIZE, SIZE, 3))
    x = layers.Rescaling(1 / 127.5, offset=-1)(image)
    for width in (8, 12, 16):
        x = layers.Conv2D(width, 3, strides=2, padding="same", use_bias=False)(x)
        x = layers.ReLU()(layers.BatchNormalization()(x))
        x = x + layers.Conv2D(width, 3, padding="same")(x)
    return keras.Model(image, layers.Dense(10)(layers.GlobalAveragePooling2D()(x)))


def draw_digits(folder):
    """Writes a hundred digits, enlarged and in colour, as the folder of a data set."""
    digits = load_digits()
    for label in range(10):
        (folder / str(label)).mkdir(parents=True)
        for i, image in enumerate(digits.images[digits.target == label][:12]):
            picture = Image.fromarray(np.uint8(image * 15)).resize((SIZE, SIZE)).convert("RGB")
            picture.save(folder / str(label) / f"{i}.png")


def specifications(folder):
    """Returns what a config says of each network, by its name in the table."""
    sequential().save(folder / "sequential.keras")
    rescaling().save(folder / "rescaling.keras")
    (folder / "subclassed.py").write_text(CODE)
    return {
        "MobileNetV3Small": {"name": "keras.applications:MobileNetV3Small", "alpha": 0.35, "minimalistic": True},
        "Sequential": {"name": str(folder / "sequential.keras")},
        "Rescaling": {"name": str(folder / "rescaling.keras")},
        "Subclassed": {"name": f"{folder}/subclassed.py:subclassed"},
    }


def options(method, network):
    """Returns what the least cohort of a method needs beside its name."""
    taught = {"teacher_network": network, "teacher_epochs": 1}
    few = {"num_peers": 2}
    return {
        "Solo": {},
        "OfflineDistillation": taught,
        "AttentionTransfer": taught,
        "FitNets": taught,
        "InDistill": {**taught, "layers": ("stage2",), "layer_epochs": (1,)},
        "DGKD": {"teacher_network": network, "step_epochs": (1, 1)},
        "TAKD": {"teacher_network": network, "step_epochs": (1, 1)},
        "Pacemaker": {"teacher_network": network, "pacemaker_network": network, "step_epochs": (1,)},
        "PKT": {**taught, "labels_weight": 1.0},
        "SwitOKD": {"teacher_network": network},
        "SpiritDistillation": {**taught, "cut": "stage1", "imitation_epochs": 1, "statistics_epochs": 0},
        "OnlineMultiGranularity": {"wide_network": network, "deep_network": network},
        "OnlineEnsemble": {**few, "cut": "stage1"},
        "OKDDip": {"num_peers": 3},
    }.get(method, few)


def make_config(method, network, folder):
    """Returns a config of a few steps on digits as pictures in a folder."""
    config = default_config()
    config.data.name = f"folder:{folder}"
    config.batch_size, config.epochs, config.schedule.learning_rate = 64, 3, 0.01
    config.export.calibration_examples = 32
    config.network, config.method = free(network), free({"name": method, **options(method, network)})
    return config


def cell(method, network, workdir, pictures):
    """Returns what came of a method with a network, in a few words."""
    config, allowed = make_config(method, network, pictures), tuple(own_code.names_in(network))
    placement = strategy.make_placement("one", [])
    try:
        prepared = preparation.prepare(config, workdir, placement, functools.partial(runs.load_teacher))
        runs.claim(workdir, config)
        prepared._requests.asked = True
        with contextlib.suppress(stopping.Stopped):
            prepared.run()
        assert prepared.checkpoints.last_step() == 1
        runs.train(config, workdir, placement, allowed)
        report = run_exports.export_workdir(workdir, "soc", "int8", allow_code=allowed)
    except UserError as error:
        return f"refused: {' '.join(str(error).split()).removeprefix('config.method: ')}"
    (row,) = report["exports"]
    return f"trained, resumed, exported ({row['bytes']:,} bytes, agreement {row['agreement']:.0%})"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--methods", default=",".join(methods.available()))
    parser.add_argument("--networks", default="MobileNetV3Small,Sequential,Rescaling,Subclassed")
    chosen = parser.parse_args()
    networks = chosen.networks.split(",")
    print(f"| method | {' | '.join(networks)} |\n|---|{'---|' * len(networks)}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        made = specifications(folder)
        draw_digits(folder / "pictures")
        for method in chosen.methods.split(","):
            cells = [cell(method, made[name], folder / f"{method}-{name}", folder / "pictures") for name in networks]
            keras.utils.clear_session(free_memory=True)
            print(f"| {method} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
