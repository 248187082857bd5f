"""MediaPipe's ImageEmbedder as the proof that an app can use a file."""

import numpy as np

from odtf.errors import VerificationError
from odtf.quiet import quiet
from odtf.tasks.clients import MediaPipe

# Of the largest value of an embedding; more than the rounding of one step of an int8 output.
_TOLERANCE = 0.01
_COSINE_TOLERANCE = 1e-3


class ImageEmbedder(MediaPipe):
    """The API that turns an image into a vector, and says how alike two of them are."""

    def prove(self, content, images, targets, info):
        from odtf.tflite.runner import Runner  # Training needs the task, not LiteRT.

        given, cosine = self.embed(content, images)
        expected = Runner(content).predict(images).reshape(len(images), -1)
        if given.shape != expected.shape:
            raise VerificationError(
                f"MediaPipe returned embeddings of {given.shape[-1]} values; {expected.shape[-1]} were expected."
            )
        difference, largest = (float(np.abs(x).max()) for x in (given - expected, expected))
        if difference > _TOLERANCE * largest:
            raise VerificationError(
                f"MediaPipe's embeddings differ from LiteRT's by {difference:.3g}; at most {_TOLERANCE * largest:.3g} "
                "was expected."
            )
        first, second = expected[0], expected[-1]
        wanted = float(first @ second / (np.linalg.norm(first) * np.linalg.norm(second)))
        if abs(cosine - wanted) > _COSINE_TOLERANCE:
            raise VerificationError(
                f"MediaPipe says that two pictures have the cosine {cosine:.4f}; {wanted:.4f} was expected."
            )
        return {"max_difference": difference, "cosine_of_two": cosine, "cosine_by_litert": wanted}

    def embed(self, file, images):
        """Returns the embeddings of images, float32 `[n, features]`, and the cosine of the first and the last.

        Args:
            file: bytes of a TFLite file with metadata.
            images: uint8 `[n, height, width, 1 or 3]`.
        """
        with quiet():
            from mediapipe.tasks.python import BaseOptions, vision

            options = vision.ImageEmbedderOptions(base_options=BaseOptions(model_asset_buffer=file))
            with vision.ImageEmbedder.create_from_options(options) as embedder:
                found = [embedder.embed(self.picture(image)).embeddings[0] for image in np.asarray(images)]
                cosine = vision.ImageEmbedder.cosine_similarity(found[0], found[-1])
        return np.stack([np.asarray(one.embedding, np.float32) for one in found]), float(cosine)
