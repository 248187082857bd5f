"""Packs a finished run of configs/start.py into the zoo: odtf/zoo/NAME.keras and its card, NAME.json.

    python tests/programs/zoo.py --workdir=DIR --name=depthwise

The start is the network after the last epoch, since what such a run validates on it has learned from. The file is read
again and must hold what was trained, in at most 400 kB.
"""

import hashlib
import io
import json
import pathlib
import sys
import tempfile
import zipfile

import numpy as np
from absl import app, flags

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

_WORKDIR = flags.DEFINE_string("workdir", None, "A finished run of configs/start.py.", required=True)
_NAME = flags.DEFINE_string("name", None, "What the start is to be called.", required=True)
_OUTPUT = flags.DEFINE_string("output", str(ROOT / "odtf" / "zoo"), "Where it goes.")

MAX_BYTES = 400_000
SOURCE = (
    "CIFAR-100, all 50,000 training images (Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009)"
)
TERMS = "Apache-2.0, as odtf; the data have no formal licence, and ask that their report be cited."


def last_network(workdir):
    """Returns the one network of a run as it was after the last epoch, and the run's report."""
    from odtf import runs
    from odtf.training import preparation, strategy

    config, report = runs.read_config(workdir), runs.read_report(workdir)
    prepared = preparation.prepare(
        config, workdir, strategy.make_placement(), runs.load_teacher, load_start=runs.load_start
    )
    step = prepared.checkpoints.restore()["step"]
    if step != prepared.total_steps:
        raise SystemExit(f"{workdir} is at step {step} of {prepared.total_steps}")
    return prepared.method.peers["peer_0"], report


def packed(network):
    """Returns the bytes of a network's .keras file, compressed: a small network's config is half of it."""
    from odtf.models import keras_file
    from odtf.models.trained_weights import arrays_of

    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "network.keras"
        network.save(path)
        content = io.BytesIO()
        with zipfile.ZipFile(path) as source, zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as target:
            for member in source.namelist():
                target.writestr(zipfile.ZipInfo(member), source.read(member), zipfile.ZIP_DEFLATED, 9)
        path.write_bytes(content.getvalue())
        found, wanted = arrays_of(keras_file.load(path)), arrays_of(network)
    assert list(found) == list(wanted) and all(np.array_equal(found[key], wanted[key]) for key in wanted)
    return content.getvalue()


def commands(workdir):
    """Returns the commands that a run and those before it were made with, from the first to the last."""
    from odtf import runs

    config = runs.read_config(workdir)
    network = config.network.to_dict()
    conv, start = network["conv"], network.get("init")
    size = (config.data.image_size or (32, 32))[0]
    arguments = f"form={conv},size={size},epochs={config.epochs},rate={config.schedule.learning_rate:g}"
    before = commands(start) if start else []
    place = f"RUN_{len(before) + 1}"
    if start:
        arguments += f",start=RUN_{len(before)}"
    return [
        *before,
        f"odtf-train --config=configs/start.py:{arguments} --workdir={place} --config.data.data_dir=DATA",
    ]


def main(argv):
    """Packs one."""
    del argv
    network, report = last_network(_WORKDIR.value)
    content = packed(network)
    if len(content) > MAX_BYTES:
        raise SystemExit(f"{_NAME.value} has {len(content):,} bytes; at most {MAX_BYTES:,} are allowed")
    row, metric = report["peers"][0], report["task"]["metric"]
    spec = {key: value for key, value in row["network"].items() if key != "init"}
    height, width, channels = network.input.shape[1:]
    card = {
        "title": f"{spec['name']} with {spec['conv']} convolutions, trained on CIFAR-100",
        "network": spec,
        "images": [height, width, channels],
        "normalisation": {"mean": report["config"]["data"]["mean"], "std": report["config"]["data"]["std"]},
        "parameters": row["params"],
        "quality": f"{row[f'last_test_{metric}']:.2%} {report['task']['title']} on CIFAR-100's test images",
        "data": SOURCE,
        "terms": TERMS,
        "commands": commands(_WORKDIR.value),
        "sha256": hashlib.sha256(content).hexdigest(),
        "bytes": len(content),
    }
    folder = pathlib.Path(_OUTPUT.value)
    (folder / f"{_NAME.value}.keras").write_bytes(content)
    (folder / f"{_NAME.value}.json").write_text(json.dumps(card, indent=2) + "\n", "utf-8")
    print(json.dumps(card, indent=2))


if __name__ == "__main__":
    app.run(main)
