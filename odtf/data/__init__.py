"""Images and their targets: sources, splits, and a training pipeline that is a pure function of (seed, step)."""

from odtf.data.augment import Augmentation
from odtf.data.batches import eval_dataset
from odtf.data.class_tables import Names
from odtf.data.dataset import ImageDataset, Info, Split, calibration_images
from odtf.data.domains import Domain, load_domain
from odtf.data.graph_calls import user_error_from
from odtf.data.loading import load
from odtf.data.picture_pairs import LABELS
from odtf.data.pipeline import TrainPipeline
from odtf.data.samples import Target
from odtf.data.sources import download, framing_options
from odtf.data.sources.memory import from_arrays
from odtf.data.stored_answers import StoredAnswers
from odtf.data.stores import FileStore, MemoryStore
from odtf.data.unpaired import COUNTED, Unpaired

__all__ = [
    "COUNTED",
    "LABELS",
    "Augmentation",
    "Domain",
    "FileStore",
    "ImageDataset",
    "Info",
    "MemoryStore",
    "Names",
    "Split",
    "StoredAnswers",
    "Target",
    "TrainPipeline",
    "Unpaired",
    "calibration_images",
    "download",
    "eval_dataset",
    "framing_options",
    "from_arrays",
    "load",
    "load_domain",
    "user_error_from",
]
