"""Retrieval: pictures found by their embeddings among those of a database."""

from __future__ import annotations

import pathlib
from typing import TYPE_CHECKING

from odtf.data import Target
from odtf.errors import UserError
from odtf.losses import check_temperature, conditional_divergence, supervised_contrastive
from odtf.metrics import CosineAgreement, MeanAveragePrecision, PrecisionAtK, RecallAtK
from odtf.metrics.ranking import DISTANCES
from odtf.models import heads
from odtf.tasks import classes
from odtf.tasks.exported import Answer
from odtf.tasks.retrieval.embedder import ImageEmbedder
from odtf.tasks.task import Task

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from odtf.data import Info
    from odtf.evaluation.image_file import ImageFile
    from odtf.losses.tensors import Targets, Tensor
    from odtf.metrics import Metric
    from odtf.models.annotations import Head
    from odtf.targets import Target as Device
    from odtf.tasks.study import Reader, Study


# The least mean cosine between the vectors of a file and of its network.
_LEAST_COSINE = {"float32": 0.999, "float16": 0.995, "int16x8": 0.995, "dynamic": 0.95, "int8": 0.9}


class Retrieval(Task):
    """Images in classes; a network answers with an embedding `[batch, features]`, a target is an integer.

    The metrics take the images of a split as queries, and the training split as the database in which others of their
    class are to be found: "map_cosine", which chooses, "precision_K" and "recall_K" of the first K, and the same by the
    Euclidean distance; see `odtf.metrics.ranking`.

    The supervised term is the supervised contrastive loss, the default of distillation the divergence of conditional
    probabilities (PKT). Both compare the images of a batch, of each replica's share of it, with each other: a student's
    embedding need not be as wide as its teacher's. Networks have the tap "embedding" in classification too, so that a
    teacher may have learned that task.

    Args:
        units: size of the embedding, by a linear layer behind the network; None: as the network pools its last stage.
        temperature: positive float, of the supervised contrastive loss.
        precision_at: int, at least 1, of how many first items the precision is.
        recall_at: int, at least 1, among how many first items one has to be relevant.
        database_examples: int, how many images the database has at most, a seeded choice; None: all.

    Raises:
        ValueError: if an argument is out of range.
    """

    name = "retrieval"
    output = "embedding"
    relational = True
    targets: Mapping[str, Target] = {"label": Target()}
    arguments_of_terms: Mapping[str, tuple[str, ...]] = {"supervised": ("temperature",)}
    agreement = CosineAgreement()
    client = ImageEmbedder()
    templates = pathlib.Path(__file__).parent / "templates"
    snippets: Mapping[str, str] = {"android": "embedder.md.j2", "page": "neighbours.html.j2"}

    def __init__(
        self,
        units: int | None = None,
        temperature: float = 0.1,
        precision_at: int = 100,
        recall_at: int = 1,
        database_examples: int | None = 10_000,
    ) -> None:
        for name, value in (("units", units), ("database_examples", database_examples)):
            if value is not None and (type(value) is not int or value < 1):
                raise ValueError(f"{name} must be None or an integer of at least 1. Received: {name}={value!r}.")
        self.units = units
        self.temperature = check_temperature(temperature)
        self.metrics: dict[str, Metric] = {}
        for distance in DISTANCES:
            of: dict[str, Any] = {"distance": distance, "reference_examples": database_examples}
            self.metrics |= {
                f"map_{distance}": MeanAveragePrecision(**of),
                f"precision_{precision_at}_{distance}": PrecisionAtK(precision_at, **of),
                f"recall_{recall_at}_{distance}": RecallAtK(recall_at, **of),
            }

    def head(self, info: Info) -> Head:
        return heads.Embedding(self.units)

    def supervised(self, targets: Targets, output: Tensor) -> Tensor:
        return supervised_contrastive(targets, output, self.temperature)

    def distil(self, teacher: Tensor, student: Tensor, temperature: float = 1.0) -> Tensor:
        return conditional_divergence(teacher, student)

    def reader(self, file: ImageFile, info: Info, against: bool = False) -> Reader:
        from odtf.tasks.retrieval.retrieval_study import Vectors

        return Vectors(file)

    def study(self, info: Info) -> Study:
        from odtf.tasks.retrieval.retrieval_study import RetrievalStudy

        return RetrievalStudy(self, info)

    def answer(self, info: Info, target: Device, quantization: str) -> Answer:
        return Answer("embedding", (1, None))

    def check(self, info: Info, shape: Sequence[int | None]) -> None:
        if len(shape) != 2:
            raise UserError(f"An embedding is a vector, [batch, features]. Received: {list(shape)} for {info.name}")

    def allowed_loss(self, metric: str, count: int, max_drop: float) -> float:
        # Both rank the same pictures: the noise of a split is not in the difference.
        return min(max_drop, 0.005)

    def least_agreement(self, quantization: str) -> float | None:
        return _LEAST_COSINE.get(quantization)

    def is_barely_trained(self, value: float, info: Info) -> bool:
        return classes.is_near_chance(value, len(info.names))

    def describe(self, info: Info) -> str:
        return f"Image embedder, learned from {len(info.names)} classes of {info.name}"

    def card(self, info: Info, target: Device) -> dict[str, Any]:
        return {
            "title": f"embeddings for {info.name}",
            "kind": "an image embedder",
            "end": "a vector by which pictures are compared",
            "output": "The output is the embedding: the more alike two pictures are, the larger the cosine of theirs.",
            "limits": [
                f"It learned what is alike from {len(info.names)} classes of {info.name}: pictures of others have "
                "embeddings too,\n  whose distances nothing here has judged.",
                "The figures are those of a search among training images; another database, larger or with other\n"
                "  pictures, has others. Embeddings of two networks cannot be compared, nor can those of two files of "
                "one.",
            ],
        }
