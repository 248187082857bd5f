"""Mobile libraries that prove a file: they read it as an app would, on this machine."""

from importlib.util import find_spec

import numpy as np


class Client:
    """A library that apps use.

    Attributes:
        name: its module, and the word for the proof in reports.
        title: its name, for people.
        install: command that installs it.
        examples: how many images it is given; it proves the interface, not the accuracy.
    """

    name = ""
    title = ""
    install = ""
    examples = 16

    def available(self):
        """Whether the library is installed; it may still not load, for want of a system library."""
        return find_spec(self.name) is not None

    def prove(self, content, images, targets, info):
        """Gives a file to the library and compares what comes back with LiteRT's answers.

        Args:
            content: the file's bytes.
            images: uint8 `[n, height, width, 1 or 3]`.
            targets: the task's targets of the images.
            info: `odtf.data.Info` of the data.

        Returns:
            dict of figures.

        Raises:
            VerificationError: if the library cannot use the file, or reads something else in it.
            ImportError, OSError: if the library does not load.
        """
        raise NotImplementedError


class MediaPipe(Client):
    """Google's library of vision tasks, the one that its Android SDK has."""

    name = "mediapipe"
    title = "MediaPipe"
    install = "pip install mediapipe"

    @staticmethod
    def picture(image):
        """Returns an image, uint8 `[height, width, 1 or 3]`, as MediaPipe takes it."""
        import mediapipe

        rgb = np.ascontiguousarray(np.broadcast_to(image, (*image.shape[:2], 3)))
        return mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=rgb)
