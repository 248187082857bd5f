"""Other forms of the grouped and the depthwise convolution, forward and backward, against the one that layers have."""

import keras
import tensorflow as tf

from odtf.benchmark.timing import Comparison, interleave
from odtf.layers import convolution_forms
from odtf.layers.grouped_convolution import block_diagonal_convolution, grouped_convolution, split_convolution

# Batch, height, width, channels of the stages of a CIFAR ResNet.
SHAPES = ((128, 32, 32, 16), (128, 16, 16, 32), (128, 8, 8, 64))
GROUPS = 4


def _of_groups(function):
    return lambda x, kernel: function(x, kernel, GROUPS, (1, 1), "same", (1, 1))


GROUPED = {
    "block-diagonal": _of_groups(block_diagonal_convolution),
    "batched products": lambda x, kernel: convolution_forms.batched(x, kernel, GROUPS),
    "split": _of_groups(split_convolution),
}
DEPTHWISE = {
    "shifted multiply-add": convolution_forms.multiply_add,
    "diagonal": convolution_forms.diagonal,
}


def step(function, inputs, kernel):
    """Returns a callable that computes a convolution and the gradients of its input and kernel."""
    upstream = tf.random.stateless_normal(inputs.shape, (0, 1))

    @tf.function(autograph=False)
    def run(inputs, kernel, upstream):
        with tf.GradientTape() as tape:
            tape.watch([inputs, kernel])
            outputs = function(inputs, kernel)
        gradients = tape.gradient(outputs, [inputs, kernel], output_gradients=upstream)
        return [tf.reshape(gradient, [-1])[0] for gradient in gradients]

    run = run.get_concrete_function(inputs, kernel, upstream)
    return lambda: [value.numpy() for value in run(inputs, kernel, upstream)]


def convolution_forms_of(setup, shapes=SHAPES):
    """Times all forms; those that lost are rows as well.

    Args:
        setup: `odtf.benchmark.suite.Setup`.
        shapes: iterable of the shapes of inputs.

    Returns:
        list of `Comparison`.
    """
    rows = []
    for shape in shapes:
        channels = shape[-1]
        inputs = tf.random.stateless_normal(shape, (0, 0))
        kinds = (
            (f"grouped 3x3, g={GROUPS}", channels // GROUPS, channels, _of_groups(grouped_convolution), GROUPED),
            ("depthwise 3x3", channels, 1, _depthwise, DEPTHWISE),
        )
        for title, depth, filters, ours, others in kinds:
            kernel = tf.random.stateless_normal((3, 3, depth, filters), (0, 2))
            steps = {name: step(function, inputs, kernel) for name, function in {"ours": ours, **others}.items()}
            times = interleave(steps, setup.repeats)
            case = f"{title}, {'x'.join(map(str, shape))}"
            rows += [Comparison(case, name, times[name], "as the layer", times["ours"]) for name in others]
    return rows


def _depthwise(inputs, kernel):
    return keras.ops.depthwise_conv(inputs, kernel, padding="same", data_format="channels_last")
