"""Programs for child processes that read one thing and print the sha256 of what they read.

What can be judged by another reader of the same bytes, Pillow, Keras or ONNX Runtime, is judged here.
"""

import contextlib
import hashlib
import json
import pathlib

import numpy as np

from odtf.commands import cli


class Wrong(Exception):
    """What was read is not what is there."""


def _told(*values):
    """Prints what `expected` of a case is compared with."""
    found = hashlib.sha256()
    for value in values:
        found.update(value.tobytes() if isinstance(value, np.ndarray) else json.dumps(value, sort_keys=True).encode())
    print(f"read {found.hexdigest()}")


def records():
    """The records of a workdir, and what is printed of them."""

    def main(argv):
        from odtf import runs
        from odtf.training import config
        from odtf.training.report import render

        run = runs.Run(argv[1])
        render(run.report)
        networks = [run.network_of(name) for name in run.peers]
        runs.check_claim(argv[1], run.config)
        _told(config.to_json(run.config), run.report, run.data_record, [str(network) for network in networks])

    cli.run(main, "")


def weights():
    """The weights of the student of a workdir."""

    def main(argv):
        from odtf import runs

        found = runs.Run(argv[1]).weights()
        _told(list(found), *found.values())

    cli.run(main, "")


def network():
    """The student of a workdir, its data and what it answers."""

    def main(argv):
        from odtf import runs

        run = runs.Run(argv[1])
        images, _ = run.dataset.splits["test"].take(np.arange(8))
        answers = run.network()(images.astype(np.float32) / 255.0, training=False)
        _told(np.asarray(answers["logits"]), list(run.data_changes), list(run.dataset.names))

    cli.run(main, "")


def labels():
    """The metadata of a TFLite file."""

    def main(argv):
        from odtf.tflite import metadata_reader

        _told(metadata_reader.read(pathlib.Path(argv[1]).read_bytes()))

    cli.run(main, "")


def folder():
    """All images of a folder, beside what Pillow makes of its files."""

    def main(argv):
        from odtf import data

        root, skip = pathlib.Path(argv[1]), argv[2] == "skip"
        dataset = data.load(f"folder:{root}", skip_corrupt=skip, memory_budget_mb=int(argv[3]))
        right = {array.tobytes() for array in _pictures(root)}
        for split in dataset.splits.values():
            images, labels = split.take(np.arange(len(split)))
            if any(image.tobytes() not in right for image in images) or max(labels) >= len(dataset.names):
                raise Wrong("an image is not what Pillow reads")
        print("read", sum(map(len, dataset.splits.values())))

    cli.run(main, "")


def _pictures(root):
    from PIL import Image

    for path in root.rglob("*"):
        if path.is_file():
            with contextlib.suppress(Exception), Image.open(path) as image:
                wide = image.mode.startswith("I")
                pixels = np.asarray(image)
                yield np.asarray(Image.fromarray((pixels >> 8).astype(np.uint8)) if wide else image.convert("RGB"))


def keras_file():
    """A .keras file, beside what Keras makes of it."""

    def main(argv):
        import keras

        from odtf.models import keras_file

        model = keras_file.load(argv[1])
        images = np.random.default_rng(0).uniform(0, 255, (2, *model.input_shape[1:])).astype(np.float32)
        answer = _flat(model(images, training=False))
        other = answer
        with contextlib.suppress(Exception):  # Keras may refuse what odtf takes: a file that was meant for another.
            other = _flat(keras.saving.load_model(argv[1], compile=False)(images, training=False))
        if not np.array_equal(other, answer, equal_nan=True):
            raise Wrong("the answers are not those of the model that Keras loads")
        _told(answer)

    cli.run(main, "")


def _flat(answers):
    import keras

    return np.concatenate([np.ravel(keras.ops.convert_to_numpy(value)) for value in keras.tree.flatten(answers)])


def onnx_file():
    """An ONNX file as a teacher, beside what ONNX Runtime answers."""

    def main(argv):
        import keras
        import onnxruntime

        from odtf import teachers
        from odtf.data import Info

        info = Info("made", (4, 4, 3), ("ash", "birch"), ((0.0,) * 3, (1 / 255.0,) * 3))
        teacher = teachers.load(argv[1], info, pixels="0..255", scores="logits")
        images = np.random.default_rng(0).uniform(0, 255, (2, 4, 4, 3)).astype(np.float32)
        answer = np.asarray(teacher(images)["logits"])
        session = onnxruntime.InferenceSession(argv[1], providers=["CPUExecutionProvider"])
        one, fed = session.get_inputs()[0], images
        channels_last = one.shape[-1] == 3
        height, width = one.shape[1:3] if channels_last else one.shape[2:]
        if isinstance(height, int) and isinstance(width, int):  # A teacher sees images at the size that it takes.
            fed = np.asarray(keras.layers.Resizing(height, width, dtype="float32")(images))
        fed = fed if channels_last else fed.transpose(0, 3, 1, 2)
        if not np.allclose(session.run(None, {one.name: fed})[0], answer, rtol=1e-4, atol=1e-3, equal_nan=True):
            raise Wrong("the answers are not ONNX Runtime's")
        _told(np.round(answer, 2))

    cli.run(main, "")


def tflite_file():
    """A TFLite file of images, beside what LiteRT answers."""

    def main(argv):
        from odtf.evaluation import pixels
        from odtf.evaluation.image_file import ImageFile
        from odtf.tflite.runner import interpreter_of

        file = ImageFile(argv[1], pixels.from_flags("0..255"))
        draw = np.random.default_rng(0)
        images = draw.integers(0, 256, (3, *file.image_size, file.channels)).astype(np.uint8)
        answers = file.answers(images)
        interpreter = interpreter_of(file.content)
        interpreter.allocate_tensors()
        (taken,), (given,) = interpreter.get_input_details(), interpreter.get_output_details()
        for image, answer in zip(file.pixels(images), answers, strict=True):
            if taken["dtype"] != np.float32:
                scale, zero = taken["quantization"]
                limits = np.iinfo(taken["dtype"])
                image = np.clip(np.round(image / np.float32(scale or 1.0)) + zero, limits.min, limits.max)
            interpreter.set_tensor(taken["index"], image[np.newaxis].astype(taken["dtype"]))
            interpreter.invoke()
            scale, zero = given["quantization"]
            right = (interpreter.get_tensor(given["index"])[0].astype(np.float32) - zero) * np.float32(scale or 1.0)
            if not np.allclose(right, answer, rtol=1e-5, atol=1e-6):
                raise Wrong("the answers are not LiteRT's")
        print("read")

    cli.run(main, "")


def litert():
    """What LiteRT answers on the first test images of the digits: the share that is right, as odtf-evaluate has it."""

    def main(argv):
        from ai_edge_litert.interpreter import Interpreter

        from odtf import data
        from odtf.tflite import metadata_reader

        result = json.loads(pathlib.Path(argv[2]).read_text())
        interpreter = Interpreter(model_path=argv[1], num_threads=1)
        interpreter.allocate_tensors()
        (taken,), (given,) = interpreter.get_input_details(), interpreter.get_output_details()
        size = [int(n) for n in taken["shape"][1:3]]
        part = data.load("digits").parts({"test": result["examples"]})["test"]
        normalization, names = metadata_reader.read(pathlib.Path(argv[1]).read_bytes())
        if size != [8, 8] or int(np.prod(given["shape"])) != 10 or names not in (None, list("0123456789")):
            print("not compared")
            return
        images, targets = part.take(np.arange(result["examples"]))
        images = np.repeat(images, taken["shape"][-1], axis=-1).astype(np.float32)
        if taken["dtype"] == np.float32 and normalization:
            images = (images - np.float32(normalization[0])) / np.float32(normalization[1])
        scale, zero = taken["quantization"]
        right = 0
        for image, target in zip(images, targets, strict=True):
            if taken["dtype"] != np.float32:
                limits = np.iinfo(taken["dtype"])
                # Metadata of a uint8 input are for floats: it takes the pixels themselves.
                raw = taken["dtype"] == np.uint8 and normalization
                image = image if raw else np.clip(np.round(image / scale) + zero, limits.min, limits.max)
            interpreter.set_tensor(taken["index"], image[np.newaxis].astype(taken["dtype"]))
            interpreter.invoke()
            right += int(np.argmax(interpreter.get_tensor(given["index"])) == target)
        if round(result["top1"] * len(images)) != right:
            raise Wrong(f"{result['top1'] * len(images):g} answers are right, {right} by LiteRT")
        print("read", right)

    cli.run(main, "")
