"""Arm's Ethos-U65, which has twice the units of an Ethos-U55 and reads its weights from DRAM."""

import dataclasses

from odtf.targets import ethos_u55

TARGET = dataclasses.replace(
    ethos_u55.TARGET,
    name="ethos-u65",
    title="an Arm Ethos-U65 with 256 MACs a cycle, through Vela and TFLite Micro",
    accelerator="ethos-u65-256",
)
