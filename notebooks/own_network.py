# %% [markdown]
# # A network of your own, made small
#
# A Keras network that is trained already teaches a cheaper form of itself, which starts from its weights, learns with
# the rounding of int8, and becomes a verified file for a microcontroller.

# %%
import importlib.util
import os
import subprocess
import sys

# What to install: a wheel, a folder with a checkout of odtf (by default the one that this notebook lies in), or an
# address such as git+https://HOST/PATH.git.
SOURCE = os.environ.get("ODTF_SOURCE", "..")
if importlib.util.find_spec("odtf") is None:
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", SOURCE, "matplotlib"], check=True)

SMALL = os.environ.get("ODTF_BUDGET") == "small"  # A minute instead of some minutes: for tests of this notebook.

# %% [markdown]
# ## The network
#
# Any Keras 3 model with one image and one output. This one is trained here; yours is a .keras file. A Rescaling or
# Normalization at its beginning says which pixels it takes.

# %%
from odtf.quiet import import_tensorflow

import_tensorflow()  # Before Keras does it, with greetings that would stand here in red.

import keras
from IPython import display
from keras import layers
from sklearn.datasets import load_digits

keras.utils.set_random_seed(0)
digits = load_digits()
images, labels = digits.images[..., None] * (255 / 16), digits.target

image = keras.Input((8, 8, 1))
x = layers.Rescaling(1 / 255)(image)
for width, stride in ((32, 1), (64, 2), (64, 1)):
    x = layers.Conv2D(width, 3, stride, padding="same", use_bias=False)(x)
    x = layers.ReLU()(layers.BatchNormalization()(x))
network = keras.Model(image, layers.Dense(10)(layers.GlobalAveragePooling2D()(x)))
loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
network.compile("adam", loss, metrics=["accuracy"])
network.fit(images[:1200], labels[:1200], epochs=2 if SMALL else 15, verbose=0)
network.save("mine.keras")
print(f"{network.count_params():,} parameters")

# %% [markdown]
# ## Cheaper
#
# `cheapen` replaces convolutions by cheap ones; weights travel where they fit, and every change says what it did.

# %%
import odtf

cheaper = odtf.models.cheapen(network, "depthwise")
for name, one in (("before", network), ("after", cheaper)):
    cost = odtf.models.cost(one)
    print(f"{name}: {cost.params:,} parameters, {cost.macs:,} multiply-accumulates an image")

# %% [markdown]
# ## Distil, with the rounding of int8 in training
#
# The same in a config: the network by its file, the kind of convolution, the trained network as the teacher.

# %%
from odtf import workflow

config = workflow.config(
    "digits",
    {
        "network": {"name": "mine.keras", "cheap": "depthwise", "init": "mine.keras"},
        "method": {"name": "OfflineDistillation", "teacher": {"file": "mine.keras"}},
        "quantization.aware": True,
        "epochs": 4 if SMALL else 20,
        "schedule.learning_rate": 0.05,
    },
)
workdir = "runs/own_network"
shown = display.display(display_id=True)
run = workflow.train(config, workdir, after_epoch=lambda epoch: shown.update(workflow.curves(workdir)))

# %% [markdown]
# ## A file for a microcontroller
#
# No calibration: the ranges of all values were learned. Beside the file lie its C array and its model card.

# %%
path = workflow.export(run, "soc")
row = run.report["exports"][-1]
print(f"{path}: {row['bytes']:,} bytes, test accuracy {row['test_top1']:.1%}, agreement {row['agreement']:.1%}")
sorted(file.name for file in path.parent.iterdir())

# %% [markdown]
# The file takes 8-bit images and gives a number for each class:

# %%
workflow.predict(path, run.dataset.splits["test"].take([0, 1, 2])[0])
