"""TFMOT, imported so that it changes nothing else in the process. Every file here takes it from this one."""

import os

import keras  # noqa: F401 (TFMOT sets TF_USE_LEGACY_KERAS, which must not reach Keras' own import)

_BEFORE = os.environ.get("TF_USE_LEGACY_KERAS")

import tensorflow_model_optimization as tfmot  # noqa: E402

if _BEFORE is None:
    # Nor the processes that this one starts.
    os.environ.pop("TF_USE_LEGACY_KERAS", None)
from tensorflow_model_optimization.python.core.quantization.keras import quant_ops  # noqa: E402
from tensorflow_model_optimization.python.core.quantization.keras.collab_opts.cluster_preserve import (  # noqa: E402
    cluster_preserve_quantize_registry as cluster_preserve,
)
from tensorflow_model_optimization.python.core.quantization.keras.collab_opts.prune_preserve import (  # noqa: E402
    prune_preserve_quantize_registry as prune_preserve,
)
from tensorflow_model_optimization.python.core.quantization.keras.default_8bit.default_8bit_quantizers import (  # noqa: E402
    Default8BitConvWeightsQuantizer,
)
from tensorflow_model_optimization.python.core.sparsity.keras.pruning_impl import Pruning  # noqa: E402

__all__ = ["Default8BitConvWeightsQuantizer", "Pruning", "cluster_preserve", "prune_preserve", "quant_ops", "tfmot"]
