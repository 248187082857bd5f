"""Arm's Ethos-U55, an NPU beside a microcontroller."""

import dataclasses

from odtf.targets import operator_sets, soc

TARGET = dataclasses.replace(
    soc.TARGET,
    name="ethos-u55",
    title="an Arm Ethos-U55 with 128 MACs a cycle, through Vela and TFLite Micro",
    operators=operator_sets.ETHOS_U,
    proofs=("micro", "vela"),
    accelerator="ethos-u55-128",
)
