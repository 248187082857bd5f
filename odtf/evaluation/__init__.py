"""Evaluation of any TFLite file that takes an image, on any data, by its task: see `evaluator.evaluate`."""
