"""Trains networks of keras.applications on CIFAR-10: accuracy in float, after training with rounding, and without it.

    python tests/programs/int8_accuracy.py --data_dir=PREPARED [NAME ...]

PREPARED is what ../shared/data/prepare.py writes. A row is kept once it is finished, in
docs/results/int8_accuracy.jsonl; the table beside it is written anew after each.
"""

import json
import pathlib
import sys
import tempfile

import numpy as np
from absl import app, flags

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

RESULTS = ROOT / "docs" / "results" / "int8_accuracy.jsonl"
NAMES = ("MobileNetV3Small", "EfficientNetV2B0", "MobileNetV2", "ConvNeXtTiny")
DATA = flags.DEFINE_string("data_dir", None, "Where TFDS finds cifar10.", required=True)
SIZE = flags.DEFINE_integer("size", 64, "Height and width to which the images are enlarged.")
IMAGES = flags.DEFINE_integer("images", 10_000, "How many training images are used.")
TEST = flags.DEFINE_integer("test_images", 10_000, "How many test images are used.")
EPOCHS = flags.DEFINE_integer("epochs", 20, "Epochs in float.")
AWARE_EPOCHS = flags.DEFINE_integer("aware_epochs", 4, "Epochs with rounding, from the float weights.")
RATE = flags.DEFINE_float("learning_rate", 1e-3, "Adam's at the beginning; a hundredth of it with rounding at the end.")
BATCH = flags.DEFINE_integer("batch_size", 64, "Batch size.")


def batches(images, labels, training):
    """Returns a tf.data set of float32 pixels and labels; flipped and shifted by up to an eighth in training."""
    import tensorflow as tf

    size = SIZE.value

    def enlarged(image, label):
        return tf.image.resize(tf.cast(image, tf.float32), (size, size)), label

    def moved(image, label):
        padded = tf.pad(image, [[size // 8] * 2, [size // 8] * 2, [0, 0]])
        return tf.image.random_flip_left_right(tf.image.random_crop(padded, image.shape)), label

    data = tf.data.Dataset.from_tensor_slices((images, labels))
    data = data.shuffle(len(images), seed=0).map(enlarged).map(moved) if training else data.map(enlarged)
    return data.batch(BATCH.value, drop_remainder=training).prefetch(2)


def fit(model, train, epochs, rate, callbacks=()):
    """Trains with a cosine of the learning rate."""
    import keras

    decay = keras.optimizers.schedules.CosineDecay(rate, epochs * len(train))
    model.compile(keras.optimizers.Adam(decay), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(train, epochs=epochs, verbose=2, callbacks=list(callbacks))


def file_accuracy(content, pixels, labels):
    """Returns the share of images that a TFLite file gets right."""
    from odtf.tflite.runner import Runner

    return float(np.mean(Runner(content).predict(pixels).argmax(1) == labels))


def calibrated(model, pixels):
    """Converts a float model into an int8 file whose ranges come from images."""
    import tensorflow as tf

    with tempfile.TemporaryDirectory() as folder:
        model.export(folder, verbose=False)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([image[None]] for image in pixels)
        converter.inference_input_type = converter.inference_output_type = tf.int8
        return converter.convert()


def with_pixels(name):
    """Returns a network that takes pixels 0..255, random."""
    import keras

    network = getattr(keras.applications, name)(weights=None, input_shape=(SIZE.value, SIZE.value, 3), classes=10)
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.9  # Their 0.99 and 0.999 are of runs of many thousand steps.
    if any(isinstance(x, (keras.layers.Rescaling, keras.layers.Normalization)) for x in network.layers):
        return network
    image = keras.Input((SIZE.value, SIZE.value, 3))
    return keras.Model(image, network(keras.layers.Rescaling(1 / 127.5, -1)(image)), name=name)


def trained(name, train, test, calibration):
    """Returns the row of a network: a dict from a column's name to its value."""
    import keras

    from odtf import quantization
    from odtf.export import int8_file

    keras.utils.set_random_seed(0)
    model = with_pixels(name)
    fit(model, train, EPOCHS.value, RATE.value)
    pixels, labels = (np.concatenate(parts) for parts in zip(*test.as_numpy_iterator(), strict=True))
    row = {"network": name, "parameters": model.count_params(), "float": model.evaluate(test, verbose=0)[1]}
    row["int8 after training"] = file_accuracy(calibrated(model, calibration), pixels, labels)
    aware = quantization.quantization_aware(model, input_range=(0, 255))
    schedule = quantization.ScheduleCallback(delay_epochs=0, freeze_batch_norm_epochs=1)
    fit(aware, train, AWARE_EPOCHS.value, RATE.value / 10, [schedule])
    row["int8 trained"] = file_accuracy(int8_file(aware), pixels, labels)
    row["Keras with rounding"] = aware.evaluate(test, verbose=0)[1]
    row |= {"images": IMAGES.value, "size": SIZE.value, "epochs": f"{EPOCHS.value} + {AWARE_EPOCHS.value}"}
    return {key: round(value, 4) if isinstance(value, float) else value for key, value in row.items()}


def main(argv):
    """Trains the networks that are asked for and have no row yet."""
    from odtf.quiet import import_tensorflow

    import_tensorflow()
    from odtf import data

    dataset = data.load("cifar10", data_dir=DATA.value, max_train_examples=IMAGES.value)
    splits = {
        name: dataset.splits[name].take(np.arange(min(limit, len(dataset.splits[name]))))
        for name, limit in (("train", IMAGES.value), ("test", TEST.value))
    }
    train = batches(splits["train"][0], splits["train"][1], training=True)
    test = batches(splits["test"][0], splits["test"][1], training=False)
    calibration = next(iter(batches(splits["train"][0][:256], splits["train"][1][:256], False).unbatch().batch(256)))[0]
    rows = [json.loads(line) for line in RESULTS.read_text("utf-8").splitlines()] if RESULTS.exists() else []
    for name in argv[1:] or NAMES:
        if name in {row["network"] for row in rows}:
            continue
        rows.append(trained(name, train, test, calibration.numpy()))
        print(json.dumps(rows[-1]), flush=True)
        RESULTS.parent.mkdir(parents=True, exist_ok=True)
        RESULTS.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
        write_table(rows)


def write_table(rows):
    """Writes docs/results/int8_accuracy.md."""
    columns = list(rows[0])
    lines = [
        "# Networks of keras.applications on CIFAR-10, in float and in int8",
        "",
        "Trained from random weights with Adam; then a file quantised after training, and one from further epochs with",
        "rounding, beside what Keras' forward pass with rounding gives. Few images and few epochs: the answers mean",
        "something, and are far from these networks' best. Share of the 10,000 test images, seed 0.",
        "",
        "    python tests/programs/int8_accuracy.py --data_dir=PREPARED --images=N --size=N --epochs=N \\",
        "        --aware_epochs=N",
        "",
        "| " + " | ".join(columns) + " |",
        "|" + "---|" * len(columns),
    ]
    lines += [
        "| " + " | ".join(f"{row[name]:,}" if isinstance(row[name], int) else str(row[name]) for name in columns) + " |"
        for row in rows
    ]
    RESULTS.with_suffix(".md").write_text("\n".join(lines) + "\n", "utf-8")


if __name__ == "__main__":
    app.run(main)
