# %% [markdown]
# # From images to a verified file in ten minutes
#
# Four small networks learn together, a teacher is built from them while they train, and the best one becomes a TFLite
# file for a phone. The images are scikit-learn's digits; your own photos take one other line.

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

ON_COLAB = "google.colab" in sys.modules
SMALL = os.environ.get("ODTF_BUDGET") == "small"  # A minute instead of some minutes: for tests of this notebook.

# %% [markdown]
# ## Train
#
# `config` has all that decides the result. For photos of your own, one folder a class, the name is
# `"folder:path=PHOTOS,size=32"`; images in memory are `odtf.data.from_arrays((images, labels))`, the value of
# `"data.name"`. The same call on the same folder goes on where it stopped; the stop button of the notebook saves first.

# %%
from IPython import display

from odtf import workflow

changes = {"epochs": 3, "data.max_train_examples": 400, "method.num_peers": 2} if SMALL else {"epochs": 20}
config = workflow.config("digits", {**changes, "export.calibration_examples": 64})
workdir = "runs/quickstart"

shown = display.display(display_id=True)
run = workflow.train(config, workdir, after_epoch=lambda epoch: shown.update(workflow.curves(workdir)))

# %% [markdown]
# Validation chose the student; the test images were read once, at the end.

# %%
student = run.report["student"]
print(f"{run.student}: {student['params']:,} parameters, test accuracy {student['test_top1']:.1%}")

# %% [markdown]
# ## A file for a phone
#
# The file appears only after it was run over the test images and its answers were compared with the network's.

# %%
path = workflow.export(run, "phone")
row = run.report["exports"][-1]
print(f"{path}: {row['bytes']:,} bytes, test accuracy {row['test_top1']:.1%}, agreement {row['agreement']:.1%}")

# %% [markdown]
# ## Ask the file
#
# For a picture, a folder of pictures or an array. Here: the first test images, written as a PNG file too.

# %%
import numpy as np
from PIL import Image

test = run.dataset.splits["test"]
images, labels = test.take(np.arange(8))
answers = workflow.predict(path, images)
for answer, label in zip(answers, labels, strict=True):
    print(f"shows {label}: the file says {answer['label']}, {answer['probability']:.0%}")

Image.fromarray(images[0, ..., 0]).save("one.png")
(answer,) = workflow.predict(path, "one.png")
answer

# %% [markdown]
# ## Everything on one page
#
# Curves, confusion matrix, what was measured of the file, and the settings. It needs no network and can be sent.

# %%
page = workflow.report(run)
print(page)

# %% [markdown]
# ## Take the file with you

# %%
if ON_COLAB:
    from google.colab import files

    files.download(str(path))
else:
    print(path.resolve())
