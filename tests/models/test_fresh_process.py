"""What was saved here loads there: deployed networks with Keras alone, layers with an import of the package."""

import subprocess
import sys

import keras
import numpy as np

from odtf import models
from tests.layers.cases import CASES
from tests.models.test_networks import SPECS, images, randomized

LOADER = """
import sys
import keras, numpy as np
folder, names = sys.argv[1], sys.argv[2:]
for name in names:
    if not name.startswith("deployed"):
        import odtf.layers
    model = keras.models.load_model(f"{folder}/{name}.keras")
    x = np.load(f"{folder}/{name}-x.npz")
    y = keras.tree.flatten(model([x[key] for key in x] if len(x) > 1 else x["arr_0"]))
    np.savez(f"{folder}/{name}-there.npz", *y)
    assert name.startswith("deployed") != any(module.split(".")[0] == "odtf" for module in sys.modules)
"""


def all_layers():
    """One model of every case's layer side by side, and their inputs."""
    tensors, outputs = [keras.Input(case.shape) for case in CASES], []
    for i, (case, x) in enumerate(zip(CASES, tensors, strict=True)):
        layer = case.built()
        copy = type(layer).from_config({**layer.get_config(), "name": f"layer{i}"})
        outputs.append(copy(x))
        copy.set_weights(layer.get_weights())
    return keras.Model(tensors, outputs), [case.inputs() for case in CASES]


def test_saved_models_compute_the_same_in_a_fresh_process(tmp_path):
    x = images((10, 12, 3))
    networks = [randomized(models.build(spec, x.shape[1:], 10, seed=i)) for i, spec in enumerate(SPECS)]
    saved = {f"deployed{i}": (models.deploy(network), [x]) for i, network in enumerate(networks)}
    saved |= {"layers": all_layers(), "network": (networks[-1], [x])}
    for name, (model, inputs) in saved.items():
        model.save(tmp_path / f"{name}.keras")
        np.savez(tmp_path / f"{name}-x.npz", *inputs)

    environment = {"CUDA_VISIBLE_DEVICES": "-1", "PYTHONPATH": ":".join(sys.path), "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, "-c", LOADER, str(tmp_path), *saved]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    for name, (model, inputs) in saved.items():
        here = keras.tree.flatten(model(inputs if len(inputs) > 1 else inputs[0]))
        there = np.load(tmp_path / f"{name}-there.npz")
        assert len(there) == len(here)
        for key, want in zip(there, here, strict=True):
            np.testing.assert_allclose(there[key], want, rtol=1e-5, atol=1e-5, err_msg=name)
