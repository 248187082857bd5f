"""MediaPipe's ImageClassifier as the proof that an app can use a file."""

import numpy as np

from odtf.errors import VerificationError
from odtf.quiet import quiet
from odtf.tasks.clients import MediaPipe

_AGREEMENT = 0.9


class ImageClassifier(MediaPipe):
    """The API that names an image's class; it reads the names of the classes from the file's metadata."""

    def prove(self, content, images, targets, info):
        from odtf.tflite.runner import Runner  # Training needs the task, not LiteRT.

        names = [str(name) for name in info.names]
        given = self.classify(content, images)
        unknown = [name for name, _ in given if name not in names]
        if unknown:
            raise VerificationError(f"MediaPipe returned the label {unknown[0]!r}, which the data set does not have.")
        expected = [names[index] for index in Runner(content).predict(images).argmax(-1)]
        agreement = float(np.mean([name == other for (name, _), other in zip(given, expected, strict=True)]))
        if agreement < _AGREEMENT:
            raise VerificationError(
                f"MediaPipe returned the label that LiteRT gives in {agreement:.0%} of the cases; at least "
                f"{_AGREEMENT:.0%} were expected."
            )
        right = sum(name == names[label] for (name, _), label in zip(given, targets, strict=True))
        return {"agreement": agreement, "right": right}

    def classify(self, file, images):
        """Returns the best label and its score for each image, a list of (label, score).

        Args:
            file: bytes of a TFLite file with metadata.
            images: uint8 `[n, height, width, 1 or 3]`.
        """
        with quiet():
            from mediapipe.tasks.python import BaseOptions, vision

            options = vision.ImageClassifierOptions(base_options=BaseOptions(model_asset_buffer=file), max_results=1)
            answers = []
            with vision.ImageClassifier.create_from_options(options) as classifier:
                for image in np.asarray(images):
                    best = classifier.classify(self.picture(image)).classifications[0].categories[0]
                    answers.append((best.category_name, best.score))
        return answers
