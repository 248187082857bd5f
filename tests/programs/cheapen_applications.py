"""Prints what `cheapen` and `narrow` make of networks of keras.applications, with random weights.

    python tests/programs/cheapen_applications.py [NAME ...]

For each: the cheap network in five forms, with parameters, multiply-accumulates, how many convolutions were replaced
and which stayed and why; narrow networks at 1, 0.5 and 0.25 of the channels, and how far each is from the network with
the other channels set to zero; a step of online ensemble compression of three sizes that part at the first stage; and
the bytes of int8 files of the network at half its channels, cheap and not, with the share of their answers that agree
with the float network. Images of 32x32x3: scikit-learn's digits, enlarged.
"""

import contextlib
import functools
import pathlib
import sys

import numpy as np
from absl import app

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))

# Where each network parts, and the maps of three stages.
STAGES = {
    "MobileNetV3Small": (
        "expanded_conv_project_bn",
        "expanded_conv_2_add",
        "expanded_conv_7_add",
        "expanded_conv_10_add",
    ),
    "EfficientNetV2B0": ("block1a_project_activation", "block2b_add", "block4c_add", "top_activation"),
    "DenseNet121": ("pool2_pool", "pool3_pool", "pool4_pool", "relu"),
    "ResNet50": ("pool1_pool", "conv3_block4_out", "conv4_block6_out", "conv5_block3_out"),
}
FRACTIONS = (1.0, 0.5, 0.25)
WITHOUT_PREPROCESSING = ("MobileNetV3Small", "EfficientNetV2B0")


def application(name):
    """A network of keras.applications with logits, random in every weight and statistic."""
    import keras

    options = {"include_preprocessing": False} if name in WITHOUT_PREPROCESSING else {}
    make = getattr(keras.applications, name)
    model = make(weights=None, input_shape=(32, 32, 3), classes=10, classifier_activation=None, **options)
    random = np.random.default_rng(0)
    for variable in model.variables:
        if variable.name in ("gamma", "moving_variance"):
            variable.assign(random.uniform(0.5, 1.5, variable.shape))
        elif variable.name in ("beta", "moving_mean", "bias"):
            variable.assign(random.normal(0.0, 0.2, variable.shape))
    return model


def tapped(model, stages):
    """The network with named taps: its stages, and its answer."""
    import keras

    taps = {f"stage{index + 1}": model.get_layer(name).output for index, name in enumerate(stages)}
    return keras.Model(model.input, {**taps, "logits": model.output}, name=model.name)


def digits():
    """scikit-learn's digits at 32x32x3."""
    from odtf import data

    whole = data.load("digits", seed=0, validation_fraction=0.1)
    splits = {}
    for name, split in whole.splits.items():
        images = np.kron(split.images, np.ones((1, 4, 4, 3), np.uint8))
        splits[name] = data.dataset.Split(data.stores.MemoryStore(images, {"label": split.targets}))
    return data.ImageDataset("digits", whole.names, (32, 32, 3), whole.mean * 3, whole.std * 3, splits)


def show_cheap(model):
    from odtf import models
    from odtf.models.cheap_forms import FORMS

    for conv in FORMS:
        try:
            cheap, change = with_change(models.cheapen, model, conv)
        except ValueError as error:
            print(f"  cheapen {conv}: refused, {error}")
            continue
        kept = {}
        for name, reason in change.kept.items():
            kept.setdefault(reason, []).append(name)
        reasons = "; ".join(f"{len(names)} {reason}" for reason, names in kept.items())
        originals = {layer.name: layer for layer in model.layers}
        equal = all(
            np.array_equal(ours, theirs)
            for layer in cheap.layers
            if layer.name in originals
            for ours, theirs in zip(layer.get_weights(), originals[layer.name].get_weights(), strict=True)
        )
        print(
            f"  cheapen {conv}: {costs(change)}; replaced {len(change.changed)}, kept {len(change.kept)} ({reasons}); "
            f"all other arrays equal: {equal}",
            flush=True,
        )


def show_narrow(model, images):
    from odtf import models
    from tests.models.small_graphs import zeroed

    for fraction in FRACTIONS:
        narrow, change = with_change(models.narrow, model, fraction)
        found = narrow(images)
        if fraction == 1.0:
            print(f"  narrow 1.0: bit-equal: {np.array_equal(found, model(images))}")
            continue
        expected = zeroed(model, change.channels)(images)
        deviation, size = np.abs(expected - found).max(), np.abs(expected).max()
        print(
            f"  narrow {fraction}: {costs(change)}; narrower {len(change.changed)}, kept {', '.join(change.kept)}; "
            f"deviation {deviation:.1e} of answers up to {size:.1f}",
            flush=True,
        )


def with_change(function, *args):
    changes = []
    return function(*args, report=changes.append), changes[0]


def costs(change):
    before, after = change.before, change.after
    return f"params {before.params:,} -> {after.params:,}, MACs {before.macs:,} -> {after.macs:,}"


def show_ensemble(model, stages, dataset):
    """A step of OEM whose three students are the network at three fractions after the first of its stages."""
    import keras

    from odtf import methods, models

    cut, *maps = stages
    whole = tapped(model, maps)

    def student(fraction, *, seed, name):
        narrow = models.narrow(whole, fraction, after=cut)
        return keras.Model(narrow.input, narrow.output, name=name)

    cohort = methods.OnlineEnsemble([functools.partial(student, fraction) for fraction in FRACTIONS], cut=cut)
    cohort.compile(keras.optimizers.SGD(0.01), steps_per_epoch=1)
    images, labels = dataset.splits["train"].take(np.arange(16))
    logs = cohort.train_on_batch(normalized(images, dataset), labels.astype("int32"))
    sizes = ", ".join(f"{peer.count_params():,}" for peer in cohort.peers.values())
    figures = logs if isinstance(logs, dict) else {"loss": logs}
    loss = next(float(np.mean(value)) for key, value in figures.items() if key.endswith("loss"))
    print(f"  OEM: students of {sizes} parameters, one step, loss {loss:.3f}", flush=True)


def show_int8(model, dataset):
    from odtf import export, models
    from odtf.tasks import Classification

    images, _ = dataset.splits["test"].take(np.arange(64))
    made = {"half": models.narrow(model, 0.5)}
    with contextlib.suppress(ValueError):  # All its convolutions may be cheap already, as `show_cheap` says.
        made["half and depthwise"] = models.cheapen(made["half"])
    for title, network in made.items():
        network = tapped(network, ())
        content = export.convert_calibrated(
            models.deploy(network), dataset, export.SOC, "int8", Classification(), 64, 0
        )
        answers = export.Runner(content).predict(images)
        expected = network.predict(normalized(images, dataset), verbose=0)["logits"]
        agreement = np.mean(answers.argmax(-1) == expected.argmax(-1))
        print(f"  int8 of {title}: {len(content):,} bytes, {agreement:.0%} of answers agree", flush=True)


def normalized(images, dataset):
    return ((images / 255.0 - dataset.mean) / dataset.std).astype("float32")


def main(argv):
    import keras

    dataset = digits()
    images = normalized(dataset.splits["test"].take(np.arange(4))[0], dataset)
    for name in argv[1:] or STAGES:
        print(f"{name}, images of 32x32x3", flush=True)
        model = application(name)
        show_cheap(model)
        show_narrow(model, images)
        show_int8(model, dataset)
        show_ensemble(model, STAGES[name], dataset)
        keras.backend.clear_session()


if __name__ == "__main__":
    app.run(main)
