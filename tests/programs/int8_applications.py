"""Trains networks of keras.applications with the rounding of int8 for a few steps, and compares the file with Keras.

    python tests/programs/int8_applications.py [NAME ...]

Networks begin at random weights, 96x96x3, 10 classes, with their own preprocessing and softmax. A row is kept once it
is finished, in docs/results/int8_applications.jsonl; the table beside it is written anew after each. 1 to 5 minutes a
row on two cores. The share of equal answers is of the logits, before the softmax, over 256 images.
"""

import json
import pathlib
import subprocess
import sys

import numpy as np
from absl import app, flags

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

RESULTS = ROOT / "docs" / "results" / "int8_applications.jsonl"
NAMES = (
    *("MobileNetV3Small", "MobileNet", "MobileNetV2", "EfficientNetB0", "ConvNeXtTiny", "VGG16", "ResNet50"),
    *("DenseNet121", "Xception", "EfficientNetV2B0", "NASNetMobile", "InceptionV3"),
)
SIZE = flags.DEFINE_integer("size", 96, "Height and width of the images.")
IMAGES = flags.DEFINE_integer("images", 256, "How many images are compared.")
KEEP = flags.DEFINE_bool("keep", True, "Whether rows are kept and a table written.")


def photographs(count, size, seed=0):
    """Returns float32 pixels 0..255 `[count, size, size, 3]`: patches of colour with noise on them."""
    generator = np.random.default_rng(seed)
    patches = generator.integers(0, 256, (count, size // 8, size // 8, 3)).repeat(8, 1).repeat(8, 2)
    return np.clip(patches + generator.integers(-20, 21, patches.shape), 0, 255).astype("float32")


def trained(name, size):
    """Returns a network that was trained with rounding for a few steps, and the images it was trained on.

    Statistics of batch normalisation move fast, so that the few steps find them.
    """
    import keras

    from odtf import quantization

    keras.utils.set_random_seed(0)
    model = getattr(keras.applications, name)(weights=None, input_shape=(size, size, 3), classes=10)
    normalizes = any(isinstance(x, (keras.layers.Rescaling, keras.layers.Normalization)) for x in model.layers)
    aware = quantization.quantization_aware(
        model, momentum=0.5, input_range=(0, 255) if normalizes else quantization.pixel_range(0.5, 0.5)
    )
    for layer in aware._flatten_layers():
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.5
    pixels = photographs(64, size)
    images = pixels if normalizes else pixels / 127.5 - 1.0
    aware.compile(keras.optimizers.SGD(1e-3), "sparse_categorical_crossentropy", jit_compile=False)
    labels = np.random.default_rng(1).integers(0, 10, len(images))
    aware.fit(images, labels, batch_size=8, epochs=1, verbose=0)
    return aware, normalizes


def compared(name, size, count):
    """Returns the row of a network: a dict from a column's name to its value."""
    import keras

    from odtf import quantization
    from odtf.export import int8_file
    from odtf.tflite import flatbuffer
    from odtf.tflite.runner import Runner

    aware, normalizes = trained(name, size)
    pixels = photographs(count, size, seed=2)
    images = pixels if normalizes else pixels / np.float32(127.5) - 1
    before = keras.Model(aware.input, aware.layers[-1].input)  # The last layer is the softmax.
    with_softmax, logits = int8_file(aware), Runner(int8_file(before))
    expected = np.concatenate([before(images[i : i + 32], training=False) for i in range(0, count, 32)])
    scale = logits.output["quantization"][0]
    levels = np.abs(logits.predict(images) - expected) / scale
    operators = flatbuffer.operators(with_softmax)
    return {
        "network": name,
        "parameters": aware.count_params(),
        "in float": ", ".join(sorted(_kinds_in_float(aware))) or "none",
        "bytes": len(with_softmax),
        "equal": round(float(np.mean(levels < 0.5)), 4),
        "within one level": round(float(np.mean(levels < 1.5)), 4),
        "levels in use": round(float(np.ptp(expected) / scale)),
        "same class": round(float(np.mean(expected.argmax(1) == logits.predict(images).argmax(1))), 4),
        "operators": operators,
        "quantised": sum(isinstance(x, quantization.Range) for x in aware._flatten_layers()),
    }


def _kinds_in_float(aware):
    from odtf.quantization import FloatIsland

    kinds = [type(layer.layer).__name__ for layer in aware.layers if isinstance(layer, FloatIsland)]
    return {f"{kinds.count(kind)} {kind}" for kind in kinds}


def write_table(rows):
    """Writes docs/results/int8_applications.md."""
    columns = ("network", "parameters", "in float", "bytes", "equal", "within one level", "same class", "levels in use")
    lines = [
        "# Networks of keras.applications trained with the rounding of int8",
        "",
        "`python tests/programs/int8_applications.py`: 96x96x3, random weights, 8 steps, 256 images. What is compared",
        "is the logits of the int8 file and of Keras' forward pass in training form; all files end in their softmax.",
        "",
        "| " + " | ".join(columns) + " | operators |",
        "|" + "---|" * (len(columns) + 1),
    ]
    for row in rows:
        cells = [f"{row[column]:,}" if isinstance(row[column], int) else str(row[column]) for column in columns]
        operators = ", ".join(f"{kind} {count}" for kind, count in row["operators"].items())
        lines.append("| " + " | ".join(cells) + f" | {operators} |")
    RESULTS.with_suffix(".md").write_text("\n".join(lines) + "\n", "utf-8")


def main(argv):
    """Prints the rows that are asked for, each from a process of its own, whose memory ends with it."""
    names = argv[1:] or NAMES
    rows = [json.loads(line) for line in RESULTS.read_text("utf-8").splitlines()] if RESULTS.exists() else []
    if len(names) > 1:
        for name in names:
            if name not in {row["network"] for row in rows}:
                subprocess.run([sys.executable, __file__, name, f"--size={SIZE.value}", f"--images={IMAGES.value}"])
        return
    from odtf.quiet import import_tensorflow

    import_tensorflow()
    row = compared(names[0], SIZE.value, IMAGES.value)
    print(json.dumps(row), flush=True)
    if KEEP.value:
        rows = [other for other in rows if other["network"] != row["network"]] + [row]
        RESULTS.parent.mkdir(parents=True, exist_ok=True)
        RESULTS.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
        write_table(sorted(rows, key=lambda row: row["network"]))


if __name__ == "__main__":
    app.run(main)
