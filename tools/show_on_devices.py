"""Shows what the devices' own tools make of a finished run: Vela for its soc file, MediaPipe for its phone file.

    python tools/show_on_devices.py --workdir=runs/digits [--images=8]

Needs the extras soc and phone. Prints Vela's cycles and memory with the operators left on the CPU, and the labels that
MediaPipe's ImageClassifier gives to test images beside the true ones.
"""

import json
import pathlib
import sys

import numpy as np
from absl import app, flags

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

_WORKDIR = flags.DEFINE_string("workdir", None, "A finished run with exports for soc and phone.", required=True)
_IMAGES = flags.DEFINE_integer("images", 8, "How many test images MediaPipe classifies.")


def main(argv):
    """Runs both tools; exit status 1 if an operator stays on the CPU or a label name is unknown."""
    del argv
    from odtf import cli

    cli.import_tensorflow()
    from odtf.export import compile_with_vela
    from odtf.training import build

    workdir = pathlib.Path(_WORKDIR.value)
    dataset = build.load_dataset(build.read_config(workdir))
    exports = {row["target"]: row for row in json.loads((workdir / "report.json").read_text("utf-8"))["exports"]}
    compiled = compile_with_vela(workdir / exports["soc"]["path"])
    print(json.dumps(compiled))

    import mediapipe
    from mediapipe.tasks.python import BaseOptions, vision

    options = vision.ImageClassifierOptions(
        base_options=BaseOptions(model_asset_path=str(workdir / exports["phone"]["path"])), max_results=1
    )
    images, labels = dataset.splits["test"].take(np.arange(_IMAGES.value))
    right = 0
    with vision.ImageClassifier.create_from_options(options) as classifier:
        for image, label in zip(np.asarray(images), np.asarray(labels), strict=True):
            rgb = np.ascontiguousarray(np.broadcast_to(image, (*image.shape[:2], 3)))
            picture = mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=rgb)
            top = classifier.classify(picture).classifications[0].categories[0]
            print(f"{dataset.class_names[label]}: {top.category_name} ({top.score:.2f})")
            if top.category_name not in dataset.class_names:
                return 1
            right += top.category_name == dataset.class_names[label]
    print(f"{right} of {_IMAGES.value} right; operators on the CPU: {compiled['cpu_operators']}")
    return 1 if compiled["cpu_operators"] else 0


if __name__ == "__main__":
    app.run(main)
