"""Judging an embedder: its metrics, and pictures of what it finds."""

import numpy as np

from odtf.data.splits import subset
from odtf.errors import UserError
from odtf.metrics.ranking import nearest
from odtf.sections import Figure, Section
from odtf.tasks.retrieval import neighbours
from odtf.tasks.study import Reader, Study

_QUERIES = 8
_NEIGHBOURS = 8


class Vectors(Reader):
    """Takes the answers of a file as embeddings `[n, features]`.

    Args:
        file: `odtf.evaluation.ImageFile`.

    Raises:
        UserError: if the file gives more than a vector for an image.
    """

    def __init__(self, file):
        shape = [int(size) for size in file.output["shape"]]
        if int(np.prod(shape)) != shape[-1]:
            raise UserError(f"An embedder gives one vector, [1, features]. Received: {shape} in {file.path}.")
        self.facts = {"features": shape[-1]}

    def __call__(self, answers):
        return answers.reshape(len(answers), -1)


class RetrievalStudy(Study):
    """The metrics of one or two embedders, and for some queries what the file finds nearest to them by the cosine.

    Args:
        task: `Retrieval`.
        info: `odtf.data.Info` of the data.
    """

    def write(self, result, path):
        """Writes some queries with their nearest neighbours as CSV and, where matplotlib is installed, a picture."""
        lists, images = self._found()
        return neighbours.write(lists, images, result, path)

    def sections(self, result):
        lists, images = self._found()
        if images is None:
            return super().sections(result)
        caption = "Some queries, and what is nearest to them: framed green where it shows the same class, else red."
        figure = Figure(caption, neighbours.draw, (lists, images, result), has_photos=True)
        return [*super().sections(result), Section("Searches", (figure,))]

    def _found(self):
        """Returns some queries with their nearest neighbours, and the images of both or None."""
        (database,) = self.references
        queries, items = (self._total(role, self.metrics) for role in ("file", f"file, {database}"))
        embeddings, labels = queries["embeddings/embedding"], queries["embeddings/label"]
        chosen = subset(len(labels), _QUERIES, 0)
        found = nearest(embeddings[chosen], items["embeddings/embedding"], "cosine", _NEIGHBOURS)
        names = np.array([str(name) for name in self.info.names])
        lists = neighbours.Lists(chosen, names[labels[chosen]], found, names[items["embeddings/label"][found]])
        if self.pictures is None:
            return lists, None
        return lists, (self.pictures(None, chosen), [self.pictures(database, row) for row in found])
