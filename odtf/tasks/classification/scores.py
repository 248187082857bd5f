"""Scores of any classifier's file as probabilities of the classes of the data."""

import numpy as np

from odtf.errors import UserError
from odtf.tasks.study import Reader
from odtf.tflite import flatbuffer

# What may stand between the operator that makes the scores and the output: a slice leaves a background class away.
_PASSING = ("QUANTIZE", "DEQUANTIZE", "RESHAPE", "SQUEEZE", "EXPAND_DIMS", "CAST", "SLICE", "STRIDED_SLICE", "GATHER")
_SMALLEST = 1e-7
# Images of noise, and how far sums of probabilities may be from 1: 8-bit ones are rounded.
_PROBED = 4
_ROUNDING = 0.02


class Probabilities(Reader):
    """Makes probabilities of the scores of a file with one output, `[1, classes]`.

    Args:
        file: `odtf.evaluation.ImageFile`.
        info: `odtf.data.Info` of the data, whose names are the classes.
        against: whether the file is compared with another, for which the following are said: what this one ends in
            says its last operator, and it may have no background class where the other does.
        scores: "logits" or "probabilities"; None: probabilities where softmax or a sigmoid makes them, or where the
            outputs are no less than 0 with the sum 1 whatever the image, as of a softmax in several operators; else
            logits.
        label_offset: int, the output of the first class; 1 where output 0 is a background class.

    Attributes:
        facts: "classes", how many the file tells apart (2 where its one score is the second class's), "scores", and
            "among", how many of the classes are those of the data, where the file knows more.
        columns: int array `[classes]`, which output is which class of the data.

    Raises:
        UserError: if the file is no classifier, or does not tell as many classes apart.
    """

    def __init__(self, file, info, *, against=False, scores=None, label_offset=0):
        shape = [int(size) for size in file.output["shape"]]
        if int(np.prod(shape)) != shape[-1]:
            raise UserError(f"A classifier gives [1, classes] scores. Received: {shape} in {file.path}.")
        self._single, num_outputs = shape[-1] == 1, max(shape[-1], 2)
        self._file = file
        self.scores = _kind_of_scores(file) if against or scores is None else scores
        if against and num_outputs == len(info.names):
            label_offset = 0
        self.columns = _columns(file, num_outputs, info.names, label_offset)
        self.facts = {"classes": num_outputs, "scores": self.scores}
        if num_outputs > len(info.names) + 1:
            self.facts["among"] = len(info.names)

    def __call__(self, answers):
        """Returns float64 probabilities `[n, classes]` in the order of the data, every row with the sum 1.

        A probability of zero in the file counts as half a step of its output, or 1e-7, so that its logarithm exists.
        """
        scores = answers.reshape(len(answers), -1)
        if self.scores == "logits":
            scores = np.concatenate([np.zeros_like(scores), scores], axis=1) if self._single else scores
            scores = np.exp(scores - scores.max(axis=1, keepdims=True))
        else:
            scores = np.concatenate([1.0 - scores, scores], axis=1) if self._single else scores
            scale = self._file.output["quantization"][0]
            scores = np.maximum(scores, scale / 2 if scale else _SMALLEST)
        whole = (scores / scores.sum(axis=1, keepdims=True))[:, self.columns]
        # Without a background class, or all those that the data do not have, the rest is no whole any more.
        return whole / whole.sum(axis=1, keepdims=True)


def _columns(file, num_outputs, names, label_offset):
    """By name where the file has labels and the data's are among them, in whatever order; else by position."""
    names = [str(name) for name in names]
    spare = num_outputs - len(names)
    known = file.names if file.names and len(file.names) == num_outputs else ()
    if list(known) == names:
        return np.arange(num_outputs)
    if set(names) <= set(known):
        if twice := [name for name in names if known.count(name) > 1]:
            raise UserError(
                "Outputs are found by their labels, which must be one for each class of the data. Received: "
                f"{known.count(twice[0])} outputs called {twice[0]!r} in {file.path}."
            )
        return np.array([known.index(name) for name in names])
    if spare != label_offset:
        hint = " One more may be a background class: --label_offset=1 passes over output 0." if spare == 1 else ""
        if known and spare > 1:
            missing = next(name for name in names if name not in known)
            hint = f" Those of the data may be some of them, by their labels; {missing!r} is none."
        raise UserError(
            f"A file for these data tells {len(names) + label_offset} classes apart.{hint} "
            f"Received: {file.path} with {num_outputs}."
        )
    return np.arange(len(names)) + label_offset


def _kind_of_scores(file):
    """ "probabilities" where a softmax or a sigmoid makes the output, or where outputs are such; else "logits"."""
    if flatbuffer.last_operator(file.content, _PASSING) in ("SOFTMAX", "LOGISTIC"):
        return "probabilities"
    noise = np.random.default_rng(0).integers(0, 256, (_PROBED, *file.image_size, file.channels), np.uint8)
    answers = file.answers(noise).reshape(_PROBED, -1)
    whole = np.all(answers >= 0.0) and np.allclose(answers.sum(axis=1), 1.0, atol=_ROUNDING)
    return "probabilities" if answers.shape[1] > 1 and whole else "logits"
