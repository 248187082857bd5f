# %% [markdown]
# # Which method helps, and how sure is it?
#
# Each method is held against the same network trained alone, on the same data and seeds. On Colab the runs lie on your
# Drive: when the runtime is lost, open the notebook again and run all cells; what is finished is read, what was
# interrupted goes on.

# %%
import importlib.util
import os
import pathlib
import subprocess
import sys

# What to install: a wheel, a folder with a checkout of odtf (by default the one that this notebook lies in), or an
# address such as git+https://HOST/PATH.git.
SOURCE = os.environ.get("ODTF_SOURCE", "..")
if importlib.util.find_spec("odtf") is None:
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", SOURCE, "matplotlib"], check=True)

os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")  # Every run is a process of its own; they share a GPU.
SMALL = os.environ.get("ODTF_BUDGET") == "small"  # A minute instead of some minutes: for tests of this notebook.

# %% [markdown]
# ## Where the runs go

# %%
workdir = pathlib.Path("runs/experiment")
if "google.colab" in sys.modules:
    from google.colab import drive

    drive.mount("/content/drive")
    workdir = pathlib.Path("/content/drive/MyDrive/odtf/experiment")

# %% [markdown]
# ## The comparison
#
# A GPU is used if there is one; odtf's tests run on CPUs alone. `changes` apply to every config alike.

# %%
from odtf import workflow

if SMALL:
    configs, seeds = ["digits_dml:epochs=1"], 1
    changes = {"data.max_train_examples": 256}
else:
    configs, seeds = ["digits:epochs=20,peers=2", "digits_dml:epochs=20"], 3
    changes = {}
comparison = workflow.compare(configs, workdir, seeds=seeds, changes=changes)

# %% [markdown]
# ## What came out
#
# A gain whose interval includes zero shows nothing yet: more seeds, or more epochs, would.

# %%
comparison

# %%
comparison.plot()

# %% [markdown]
# The same as JSON, Markdown and plots:

# %%
print(comparison.path)
