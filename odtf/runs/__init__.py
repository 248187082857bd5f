"""Runs: trained, read again, and what of one goes into another. A workdir's report.json has its reader and writer here.

Importing this package imports no TensorFlow; what needs it is imported when it is asked for.
"""

from odtf.run_records import earlier_report, read_config, read_report
from odtf.runs.claims import check_claim, claim
from odtf.runs.finished_run import Run
from odtf.runs.teachers_and_starts import load_start, load_teacher, own_names, teacher_digest
from odtf.runs.training_run import train

__all__ = [
    "Run",
    "check_claim",
    "claim",
    "earlier_report",
    "load_start",
    "load_teacher",
    "own_names",
    "read_config",
    "read_report",
    "teacher_digest",
    "train",
]
