"""Export: a deployed student as a verified TFLite file, and what a device makes of it."""

from odtf.export.convert import convert, convert_saved, fold_preprocessing
from odtf.export.files import publish, save_student
from odtf.export.flatbuffer import operators
from odtf.export.lean import lean
from odtf.export.publication import publish_student
from odtf.export.rules import VerificationError
from odtf.export.runner import Runner, measure
from odtf.export.student import convert_calibrated, export_student
from odtf.export.targets import PHONE, QUANTIZATIONS, SOC, TARGETS, Target, find_target
from odtf.export.vela import compile_with_vela
from odtf.export.verify import verify

__all__ = [
    "PHONE",
    "QUANTIZATIONS",
    "SOC",
    "TARGETS",
    "Runner",
    "Target",
    "VerificationError",
    "compile_with_vela",
    "convert",
    "convert_calibrated",
    "convert_saved",
    "export_student",
    "find_target",
    "fold_preprocessing",
    "lean",
    "measure",
    "operators",
    "publish",
    "publish_student",
    "save_student",
    "verify",
]
