"""What a fine-tuning is asked to do, and what of it is right. Nothing here imports TensorFlow."""

import dataclasses
import json
import re

from odtf import paths, sealed
from odtf.errors import UserError
from odtf.files import make_directory

# The stages of each mode, in order.
MODES = {
    "qat": ("quantize",),
    "prune": ("prune",),
    "cluster": ("cluster",),
    "pqat": ("prune", "quantize"),
    "cqat": ("cluster", "quantize"),
}
TEACHERS = ("cohort", "ensemble", "none")


@dataclasses.dataclass(frozen=True)
class Settings:
    """All that decides the result of a fine-tuning, beside the run it starts from.

    Attributes:
        mode: one of `MODES`.
        peer: name of the peer; None for the run's student.
        target: what the file is for, as in `odtf.export`.
        epochs: of each stage.
        learning_rate: of the first step, falling to 0 along a cosine in each stage; None for a tenth of the run's.
        teacher: "cohort" (its online teacher, or where it has none its ensemble), "ensemble" or "none".
        temperature: of the distillation.
        alpha: share of the distillation in the loss; the labels have the rest.
        sparsity: share of zeros that pruning ends with.
        sparsity_pattern: "unstructured", "M:N" (M zeros in N neighbouring inputs, as 2:4) or "block:HxW".
        pruning_begin: when zeros begin to grow, as a share of the stage.
        pruning_end: when they are as many as wanted.
        clusters: different values that a kernel may have.
    """

    mode: str
    peer: str | None = None
    target: str = "soc"
    epochs: int = 5
    learning_rate: float | None = None
    teacher: str = "cohort"
    temperature: float = 4.0
    alpha: float = 0.5
    sparsity: float = 0.5
    sparsity_pattern: str = "unstructured"
    pruning_begin: float = 0.0
    pruning_end: float = 0.5
    clusters: int = 16


def check(settings):
    """Raises UserError if a value is wrong, as far as that shows without data."""
    s = settings
    rules = (
        ("mode", s.mode in MODES, f"one of {', '.join(MODES)}"),
        ("teacher", s.teacher in TEACHERS, f"one of {', '.join(TEACHERS)}"),
        ("epochs", s.epochs >= 1, "at least 1"),
        ("learning_rate", s.learning_rate is None or 0 < s.learning_rate < float("inf"), "positive"),
        ("temperature", 0 < s.temperature < float("inf"), "positive"),
        ("alpha", 0 <= s.alpha <= 1, "in [0, 1]"),
        ("sparsity", 0 < s.sparsity < 1, "between 0 and 1, both excluded"),
        ("pruning_begin", 0 <= s.pruning_begin < 1, "a share of the stage in [0, 1)"),
        ("pruning_end", s.pruning_begin < s.pruning_end <= 1, "a share of the stage after pruning_begin, at most 1"),
        ("clusters", 2 <= s.clusters <= 256, "from 2 to 256"),
    )
    for name, right, wanted in rules:
        if not right:
            raise UserError(f"--{name} must be {wanted}. Received: {getattr(s, name)!r}.")
    parse_pattern(s.sparsity_pattern)


def parse_pattern(text):
    """Returns what TFMOT's pruning takes: {}, {"sparsity_m_by_n": (2, 4)} or {"block_size": (1, 4)}.

    Raises:
        UserError: if the text means no pattern.
    """
    if text == "unstructured":
        return {}
    if found := re.fullmatch(r"(\d+):(\d+)", text):
        m, n = map(int, found.groups())
        if 0 < m < n:
            return {"sparsity_m_by_n": (m, n)}
    if found := re.fullmatch(r"block:(\d+)x(\d+)", text):
        height, width = map(int, found.groups())
        if min(height, width) >= 1 and height * width > 1:
            return {"block_size": (height, width)}
    raise UserError(
        "--sparsity_pattern must be unstructured, M:N with M zeros in N (as 2:4) or block:HEIGHTxWIDTH (as block:1x4). "
        f"Received: {text!r}."
    )


def check_claim(directory, settings, base):
    """Shows that a fine-tuning may go on in a directory: nothing is there yet, or the same.

    Args:
        directory: of this mode.
        settings: `Settings`.
        base: mapping that names what is fine-tuned; a student that was trained anew is another.

    Raises:
        UserError: naming what differs.
    """
    path = paths.at(directory) / "config.json"
    if not path.exists():
        return
    old = sealed.read(path, {}, f"the directory {directory} removed, fine-tuning starts anew")
    new = _record(settings, base)
    changes = [f"{key}: {old.get(key)} -> {new.get(key)}" for key in sorted(old | new) if old.get(key) != new.get(key)]
    if changes:
        raise UserError(
            f"{directory} holds a fine-tuning with other flags; those, or the directory removed, would be right. "
            f"Received: {'; '.join(changes)}."
        )


def claim(directory, settings, base):
    """Makes a directory this fine-tuning's own: writes config.json into it; raises as `check_claim`."""
    check_claim(directory, settings, base)
    sealed.write(make_directory(directory) / "config.json", _record(settings, base))


def _record(settings, base):
    record = {**dataclasses.asdict(settings), "base": base}
    # One fine-tuning may be exported for several targets.
    del record["target"]
    return json.loads(json.dumps(record))
