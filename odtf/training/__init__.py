"""Training: from a config to a report. Import the module you need; `config` does not import TensorFlow."""
