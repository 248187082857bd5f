"""Prints the bytes of int8 files as the converter makes them and as they are published, for untrained networks.

    python tests/programs/lean_sizes.py

Images of 32x32x3, 10 classes, the target soc.
"""

import pathlib
import sys

import flatbuffers
import numpy as np
from absl import app

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))

NETWORKS = {
    "ResNet-8": {"name": "resnet8"},
    "ResNet-8 grouped, g = 4": {"name": "resnet8", "conv": "group", "groups": 4},
    "ResNet-8 1x3": {"name": "resnet8", "conv": "line"},
    "OD-cheap depthwise, depth 8": {"name": "od_cheap_resnet", "depth": 8, "conv": "depthwise"},
    "OD-cheap depthwise, depth 20": {"name": "od_cheap_resnet", "depth": 20, "conv": "depthwise"},
    "OD-cheap shift, depth 20": {"name": "od_cheap_resnet", "depth": 20, "conv": "shift"},
}


def sizes(spec):
    """Returns (bytes as converted, bytes as published) of a network."""
    from odtf import export, models
    from odtf.data import Info
    from odtf.tasks import Classification
    from odtf.tflite import flatbuffer

    generator = np.random.default_rng(0)
    network = models.build(spec, (32, 32, 3), 10, seed=0, name="student")
    # Random moving statistics, since biases of zero are equal and would be stored once.
    for _ in range(2):
        network(generator.normal(size=(8, 32, 32, 3)).astype("float32"), training=True)
    task, info = Classification(), Info("noise", (32, 32, 3), tuple("0123456789"))
    model = export.fold_preprocessing(models.deploy(network), (0.5,) * 3, (0.25,) * 3, export.SOC, "int8", task)
    images = generator.integers(0, 256, (4, 32, 32, 3), np.uint8)
    content = export.convert(model, images, export.SOC, "int8", task.answer(info, export.SOC, "int8"))
    sharing = flatbuffer.SharingBuilder
    try:
        flatbuffer.SharingBuilder = flatbuffers.Builder
        converted = flatbuffer.pack(flatbuffer.unpack(content))
    finally:
        flatbuffer.SharingBuilder = sharing
    return len(converted), len(export.lean(content))


def main(argv):
    """Prints the table."""
    del argv
    from odtf.quiet import import_tensorflow

    import_tensorflow()
    from odtf.tables import table

    rows = [("network", "converted", "published", "saved")]
    for name, spec in NETWORKS.items():
        before, after = sizes(spec)
        rows.append((name, f"{before:,}", f"{after:,}", f"{1 - after / before:.1%}"))
    print(table(rows))


if __name__ == "__main__":
    app.run(main)
