"""A microcontroller with TFLite Micro."""

import dataclasses

from odtf.targets import operator_sets, soc

TARGET = dataclasses.replace(
    soc.TARGET,
    name="micro",
    title="a microcontroller, with TFLite Micro's kernels",
    operators=operator_sets.MICRO,
)
