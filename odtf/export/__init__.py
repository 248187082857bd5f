"""Export: a deployed student as a verified TFLite file, and what a device makes of it."""

from odtf.errors import VerificationError
from odtf.export.conversion import convert, convert_saved, fold_preprocessing
from odtf.export.foreign_model import ForeignModel, read_model
from odtf.export.int8_model import int8_file
from odtf.export.output import NotStock, publish, save_student
from odtf.export.publication import publish_student
from odtf.export.several import every_target, export_each
from odtf.export.soundness import check_weights
from odtf.export.student import convert_calibrated, export_student
from odtf.export.verification import verify
from odtf.export.web_library import add_web_library
from odtf.targets import QUANTIZATIONS, TARGETS, Target, find_target
from odtf.tflite.flatbuffer import operators
from odtf.tflite.lean import lean
from odtf.tflite.runner import Runner, measure
from odtf.tflite.vela import compile_with_vela

SOC, PHONE = TARGETS["soc"], TARGETS["phone"]

__all__ = [
    "PHONE",
    "QUANTIZATIONS",
    "SOC",
    "TARGETS",
    "ForeignModel",
    "NotStock",
    "Runner",
    "Target",
    "VerificationError",
    "add_web_library",
    "check_weights",
    "compile_with_vela",
    "convert",
    "convert_calibrated",
    "convert_saved",
    "every_target",
    "export_each",
    "export_student",
    "find_target",
    "fold_preprocessing",
    "int8_file",
    "lean",
    "measure",
    "operators",
    "publish",
    "publish_student",
    "read_model",
    "save_student",
    "verify",
]
