"""Benchmarks: what the cheap layers and the training step cost, and what exported files do on this machine.

Import the module you need: `training` or `edge`; `setup` does not import TensorFlow.
"""
