"""What a figure depends on beside the code."""

import importlib.metadata
import os
import platform

import tensorflow as tf


def environment():
    """Returns a dict: versions of Python and the packages, processor cores, threads (0: TensorFlow's choice), device.

    The load average, of the last minute, tells how quiet the machine was when the benchmark began.
    """
    packages = ("odtf", "tensorflow", "keras", "ai-edge-litert")
    return {
        "python": platform.python_version(),
        **{package: importlib.metadata.version(package) for package in packages},
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "load_average": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "intra_op_threads": tf.config.threading.get_intra_op_parallelism_threads(),
        "inter_op_threads": tf.config.threading.get_inter_op_parallelism_threads(),
        "device": "GPU" if tf.config.list_physical_devices("GPU") else "CPU",
    }
