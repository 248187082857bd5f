"""MediaPipe's ImageSegmenter as the proof that an app can use a file."""

import numpy as np

from odtf.errors import VerificationError
from odtf.quiet import quiet
from odtf.tasks.clients import MediaPipe

# MediaPipe computes in LiteRT, and its confidence is that output, which one step of rounding may part.
_TOLERANCE = 1 / 256


class ImageSegmenter(MediaPipe):
    """The API that gives the class of every pixel; it reads the names of the classes from the file's metadata."""

    def prove(self, content, images, targets, info):
        from odtf.tflite.runner import Runner  # Training needs the task, not LiteRT.

        labels, categories, confidences = self.segment(content, images)
        expected = Runner(content).predict(images)
        names = [str(name) for name in info.names]
        if labels != names:
            raise VerificationError(f"MediaPipe reads the labels {', '.join(names)}. Received: {', '.join(labels)}.")
        if confidences.shape != expected.shape:
            raise VerificationError(
                f"MediaPipe returned confidences of the shape {confidences.shape}; {expected.shape} was expected."
            )
        difference = float(np.abs(confidences - expected).max())
        if difference > _TOLERANCE * max(1.0, float(np.abs(expected).max())):
            raise VerificationError(
                f"MediaPipe's confidences differ from LiteRT's by {difference:.3g}; at most {_TOLERANCE:.3g} was "
                "expected."
            )
        # Equal scores have no order of their own: either class is the largest.
        own = np.take_along_axis(expected, categories[..., np.newaxis].astype(np.int64), axis=-1)[..., 0]
        agreement = float(np.mean(own == expected.max(-1)))
        if agreement < 1.0:
            raise VerificationError(
                f"MediaPipe gives {agreement:.4%} of the pixels the class that LiteRT gives; all were expected."
            )
        return {"agreement": agreement, "max_difference": difference}

    def segment(self, file, images):
        """Returns what the library says of images of one size.

        Args:
            file: bytes of a TFLite file with metadata, which gives scores.
            images: uint8 `[n, height, width, 1 or 3]`, of any size.

        Returns:
            The labels, a list of str; the category masks, uint8 `[n, height, width]`; the confidence masks, float32
            `[n, height, width, classes]`. Both are in the size of the images.
        """
        with quiet():
            from mediapipe.tasks.python import BaseOptions, vision

            options = vision.ImageSegmenterOptions(
                base_options=BaseOptions(model_asset_buffer=file),
                output_category_mask=True,
                output_confidence_masks=True,
            )
            categories, confidences = [], []
            with vision.ImageSegmenter.create_from_options(options) as segmenter:
                labels = list(segmenter.labels)
                for image in np.asarray(images):
                    found = segmenter.segment(self.picture(image))
                    # Views of the library's memory, which the next picture takes.
                    categories.append(_plane(found.category_mask).copy())
                    confidences.append(np.stack([_plane(mask) for mask in found.confidence_masks], axis=-1))
        return labels, np.stack(categories), np.stack(confidences)


def _plane(mask):
    values = mask.numpy_view()
    return values.reshape(values.shape[:2])
