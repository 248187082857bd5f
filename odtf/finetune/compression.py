"""What a file is after fine-tuning: its zeros, its different values, its size when compressed, its speed."""

import gzip
import platform
import tempfile

import keras
import numpy as np
import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema

from odtf import export
from odtf.export.conversion import save
from odtf.quiet import quiet
from odtf.tflite import flatbuffer

# The operators that have a kernel, and the axis of its output channels.
_KERNELS = {"CONV_2D": 0, "DEPTHWISE_CONV_2D": 3, "FULLY_CONNECTED": 0}


def kernels(content):
    """The int8 kernels of a TFLite file, in the order of its operators.

    Args:
        content: the file's bytes.

    Returns:
        list of (operator's name, int8 array, axis of the output channels).
    """
    model = flatbuffer.look(content)
    graph, found = model.subgraphs[0], []
    for op in graph.operators:
        name = flatbuffer.operator_name(model, op)
        tensor = graph.tensors[op.inputs[1]] if name in _KERNELS else None
        if tensor is None or tensor.type != schema.TensorType.INT8:
            continue
        values = np.frombuffer(bytes(bytearray(model.buffers[tensor.buffer].data)), np.int8)
        found.append((name, values.reshape(tuple(tensor.shape)), _KERNELS[name]))
    return found


def summary(content):
    """The figures of a compressed network that a report has.

    Args:
        content: bytes of an int8 TFLite file.

    Returns:
        dict with "gzip_bytes", "sparsity" (share of zeros over all kernels), "clusters" (the most different values in
        one output channel of a convolution or a dense layer; depthwise ones are never clustered) and "kernels", a
        list of "op", "shape" and "sparsity".
    """
    found = kernels(content)
    zeros = sum(int(np.sum(kernel == 0)) for _, kernel, _ in found)
    return {
        # Without a time in it, so that equal files have equal sizes.
        "gzip_bytes": len(gzip.compress(content, mtime=0)),
        "sparsity": round(zeros / sum(kernel.size for _, kernel, _ in found), 6),
        "clusters": max(_most_values(k, axis) for name, k, axis in found if name != "DEPTHWISE_CONV_2D"),
        "kernels": [
            {"op": name, "shape": list(kernel.shape), "sparsity": round(float(np.mean(kernel == 0)), 6)}
            for name, kernel, _ in found
        ],
    }


def _most_values(kernel, axis):
    return max(np.unique(channel).size for channel in np.moveaxis(kernel, axis, 0))


def sparse_path(before, after):
    """Times the float32 student dense, and pruned with sparse-coded weights, which XNNPACK may skip the zeros of.

    XNNPACK's sparse kernels are for float32 alone. It takes them where a file codes its weights sparsely, the network
    begins with a 3x3 convolution of stride 2 from 3 channels, goes on with 1x1 and depthwise convolutions and ends in
    a mean, and two thirds of the 1x1 weights are zero; and on x86 only without AVX: with it, "dense inference is
    expected to be faster than sparse" (XNNPACK, hardware-config.h). Arm has no such condition.

    Args:
        before: deployed `keras.Model` of the student as it was.
        after: the same, pruned.

    Returns:
        dict with "dense_us_p50", "sparse_us_p50" (one thread, this machine), "dense_bytes", "sparse_bytes" and
        "reason", why sparse kernels did not run, or None if nothing known keeps XNNPACK from them.
    """
    dense, sparse = _float_file(before, []), _float_file(after, [tf.lite.Optimize.EXPERIMENTAL_SPARSITY])
    return {
        "dense_us_p50": round(export.measure(dense)["p50_us"], 1),
        "sparse_us_p50": round(export.measure(sparse)["p50_us"], 1),
        "dense_bytes": len(dense),
        "sparse_bytes": len(sparse),
        "reason": _obstacle(after),
    }


def _obstacle(model):
    convolutions = [layer for layer in model.layers if type(layer) is keras.layers.Conv2D]
    first, pointwise = convolutions[0], [c.get_weights()[0] for c in convolutions if c.kernel_size == (1, 1)]
    if first.kernel_size != (3, 3) or first.strides != (2, 2) or first.input.shape[-1] != 3:
        return "the network does not begin with a 3x3 convolution of stride 2 from 3 channels"
    if any(c.kernel_size != (1, 1) for c in convolutions[1:]):
        return "the network has other convolutions than 1x1 and depthwise ones"
    if not pointwise or sum(np.sum(k == 0) for k in pointwise) <= 2 / 3 * sum(k.size for k in pointwise):
        return "not two thirds of the 1x1 weights are zero"
    if platform.machine().lower() in ("x86_64", "amd64", "i686"):
        return "XNNPACK leaves sparse kernels to processors without AVX"
    return None


def _float_file(model, optimizations):
    with tempfile.TemporaryDirectory(prefix="odtf-") as folder, quiet():
        save(model, "logits", folder)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=["serve"])
        converter.optimizations = optimizations
        return converter.convert()
