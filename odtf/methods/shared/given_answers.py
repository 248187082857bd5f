"""A teacher whose answers come with the images of a batch, and who is not there itself."""


class GivenAnswers:
    """What such a teacher answers; batches have a dict of "images" and "answers" in place of the images.

    Args:
        answer_shape: shape of one answer: (classes,) in classification.
    """

    def __init__(self, answer_shape):
        self.answer_shape = tuple(answer_shape)
