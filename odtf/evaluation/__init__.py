"""Evaluation of any image classifier that is a TFLite file, on any data: see `run.evaluate`."""
