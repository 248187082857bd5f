"""What TensorFlow's own kernels can do where a call is placed."""

import functools


def device():
    """Returns the type of the device that the calls of this place are put on: "CPU", "GPU" or "TPU"."""
    import tensorflow as tf

    with tf.name_scope("device"):
        placed = tf.DeviceSpec.from_string(tf.zeros([]).device or "")
    return placed.device_type or ("GPU" if tf.config.list_logical_devices("GPU") else "CPU")


def are_onednn():
    """Whether the kernels of this place are oneDNN's: on a CPU for which TensorFlow has it, and where it is not off."""
    return device() == "CPU" and has_grouped_gradient("CPU", "float32")


@functools.cache
def has_grouped_gradient(device, dtype):
    """Whether TensorFlow differentiates a grouped convolution natively; tried once for a device and a dtype.

    On CPU only oneDNN has the gradient: it is missing where TF_ENABLE_ONEDNN_OPTS=0, on processors for which oneDNN is
    off, and for dtypes that oneDNN lacks on this processor. No version or flag says so reliably, a trial does.

    Args:
        device: "CPU", "GPU" or "TPU".
        dtype: "float32", "bfloat16", ...

    Returns:
        Boolean.
    """
    import tensorflow as tf

    if device not in ("CPU", "GPU"):
        return True  # compiled by XLA, which groups natively

    def gradients(x, kernel, y):
        arguments = {"strides": [1, 1, 1, 1], "padding": "SAME", "out_backprop": y}
        return (
            tf.raw_ops.Conv2DBackpropInput(input_sizes=x.shape, filter=kernel, **arguments),
            tf.raw_ops.Conv2DBackpropFilter(input=x, filter_sizes=kernel.shape, **arguments),
        )

    # Eagerly and in a graph: the two are dispatched to kernels by different rules.
    with tf.init_scope(), tf.device(f"/device:{device}:0"):
        x, kernel = tf.ones([2, 4, 4, 8], dtype), tf.ones([3, 3, 4, 8], dtype)
        try:
            for result in (*gradients(x, kernel, x), *tf.function(gradients)(x, kernel, x)):
                result.numpy()
        except tf.errors.OpError:
            return False
    return True
