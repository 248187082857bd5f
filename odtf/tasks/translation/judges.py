"""Networks that judge pictures: a classifier by its features, a segmenter by its classes. They stay as they are."""

import functools

import keras
import numpy as np
from keras import ops

from odtf import own_code, paths
from odtf.errors import UserError
from odtf.models import fid_inception, network_files

# A pixel that was a whole number stays one, although it went through [-1, 1].
_SLACK = 2.0**-8
_PTH = (".pth", ".pt")


class Judge:
    """A network, given by name, that takes generated pictures as pixels and tells something of them.

    It is loaded when it is first called, or by `open`: outside of a step's graph, before training.

    Args:
        name: path of a .keras file, of a .tflite file with raw pixels for input, or of the workdir of a finished run,
            whose student.keras is taken; or "zoo:NAME", a classifier that comes with odtf; or, for features, of the
            FID's Inception weights (.pth), see `odtf.models.fid_inception`; or FILE.py:NAME or package.module:NAME of a
            function of float32 pixels `[batch, height, width, channels]`, whole numbers from 0 to 255.
        tap: what a .keras file is asked for: "embedding", what its last layer with weights takes, or "logits", its
            answer. Another file, or a function, gives its answer.

    Attributes:
        title: str, its name without folders and suffix.

    Raises:
        ValueError: if the name is no text.
    """

    def __init__(self, name, tap):
        if not isinstance(name, str) or not name:
            raise ValueError(f"A network that judges pictures is given by its path or name. Received: {name!r}.")
        self.name, self._tap, self._function = name, tap, None
        if own_code.is_own(name):
            self.title = name.rpartition(":")[2]
        else:
            self.title = paths.at(name.removeprefix(network_files.ZOO)).stem

    @functools.cached_property
    def is_of_fid(self):
        """Whether a Fréchet distance of its features is the FID: it is the file of the original Inception weights."""
        return paths.at(self.name).suffix in _PTH and fid_inception.is_original(self.name)

    def open(self):
        """Loads it, once.

        Raises:
            UserError: if there is no such network, or none for pictures.
        """
        if self._function is None:
            self._function = self._load()

    def __call__(self, images):
        """Returns what it says of images in [-1, 1] `[batch, height, width, channels]`, float32 `[batch, ...]`.

        Values are truncated to whole pixels, as the code of the Fréchet distance does that the field uses.
        """
        self.open()
        levels = ops.floor(127.5 * (ops.cast(images, "float32") + 1.0) + _SLACK)
        return ops.cast(self._function(ops.clip(levels, 0.0, 255.0)), "float32")

    def _load(self):
        if own_code.is_own(self.name):
            return own_code.find(self.name, "a network that judges pictures")
        path = network_files.path_of(self.name)
        if path.is_dir():
            path = path / "student.keras"
        if not path.is_file():
            raise UserError(
                "Pictures are judged by a .keras or .tflite file, the FID's Inception weights (.pth), or a run whose "
                f"student was exported. Received: {path}, which is no file."
            )
        if path.suffix in _PTH:
            return _of_inception(path)
        if path.suffix == ".tflite":
            return _of_tflite(path)
        pixels = network_files.pixels_of(self.name if network_files.is_of_zoo(self.name) else path)
        return _of_keras(path, pixels, self._tap)


def _of_keras(path, pixels, tap):
    from odtf.models import from_keras
    from odtf.models.keras_file import load

    model = load(path)
    if isinstance(model.output, dict) and "logits" in model.output:  # One of odtf's, with its taps.
        model = keras.Model(model.input, model.output["logits"])
    # The images that come are pixels / 255: what the file records, or its Rescaling, makes of them what it takes.
    try:
        options = {"pixels": pixels, "normalization": (0.0, 1.0), "weights": "keep"}
        if len(getattr(model.output, "shape", ())) == 4:  # A segmenter's scores, which are no classifier's.
            options["answer"] = "logits"
        network = from_keras(model, **options)(seed=0, name="judge")
    except ValueError as error:
        raise UserError(f"Pictures are judged by a network of one image: {error}") from error
    if tap not in network.output:
        raise UserError(f"The network must have the tap {tap!r}. Received: {', '.join(network.output)} of {path}.")
    network = keras.Model(network.input, network.output[tap])
    network.trainable = False
    height, width, channels = network.input_shape[1:]

    def judge(levels):
        return network(_fitted(levels, height, width, channels) / 255.0, training=False)

    return judge


def _of_inception(path):
    network, size = fid_inception.fid_inception(path), fid_inception.SIZE

    def judge(levels):
        return network(_fitted(levels, size, size, 3) / 127.5 - 1.0, training=False)

    return judge


def _of_tflite(path):
    import tensorflow as tf

    from odtf.tflite import trial
    from odtf.tflite.runner import Runner

    content = path.read_bytes()
    trial.check(content, str(path))
    try:
        runner = Runner(content)
    except ValueError as error:
        raise UserError(f"A TFLite file of one image and one output judges pictures: {error} ({path})") from error
    height, width, channels = (int(side) for side in runner.input["shape"][1:])
    shape = tuple(int(side) for side in runner.output["shape"][1:])

    def predict(pixels):
        return np.float32(runner.predict(pixels)) if len(pixels) else np.zeros((0, *shape), np.float32)

    def judge(levels):
        pixels = tf.cast(tf.round(_fitted(levels, height, width, channels)), tf.uint8)
        answers = tf.numpy_function(predict, [pixels], tf.float32)
        return tf.ensure_shape(answers, (levels.shape[0], *shape))

    return judge


def _fitted(levels, height, width, channels):
    """Pixels in a network's size and number of channels; bilinear, with half-pixel centres, not antialiased."""
    if levels.shape[-1] == 1 and channels == 3:
        levels = ops.repeat(levels, 3, axis=-1)
    if levels.shape[-1] != channels:
        raise UserError(
            f"The network that judges pictures takes {channels} channels. Received: pictures of {levels.shape[-1]}."
        )
    if tuple(levels.shape[1:3]) == (height, width):
        return levels
    return ops.image.resize(levels, (height, width), interpolation="bilinear", antialias=False)
