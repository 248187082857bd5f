"""What a network may use in place of a standard convolution, and the pieces all networks are put together from."""

import keras
import numpy as np

from odtf.layers import (
    BatchNormalization,
    ChannelShuffle,
    Conv2D,
    DepthwiseConv2D,
    GhostModule,
    GroupConv2D,
    LineConv2D,
    Shift2D,
)
from odtf.layers.initializers import depthwise_kaiming_normal, kaiming_normal, linear_uniform

# Batch normalisation as in the published recipes (PyTorch's momentum 0.1), not Keras' 0.99 and 1e-3.
MOMENTUM = 0.9
EPSILON = 1e-5

SPATIAL = ("depthwise", "group", "shift")
CONVOLUTIONS = ("standard", "group", "shuffled_group", "depthwise", "shift", "line", "ghost")


class Pieces:
    """Layers of one network, each initialised from its own number of a stream that the network's seed starts.

    Args:
        conv: what stands for a 3x3 convolution, one of `CONVOLUTIONS`: "group" is a grouped 3x3 convolution,
            "shuffled_group" the same followed by a channel shuffle, "depthwise" and "shift" are followed by a 1x1
            convolution, "line" is 1x3, "ghost" a Ghost module with a 3x3 primary convolution.
        groups: number of groups, for the grouped kinds alone.
        seed: integer; networks of different seeds differ in every random weight, equal seeds give equal networks.
        synchronized: whether batch normalisations take their statistics over all replicas.

    Raises:
        ValueError: if `conv` is unknown, or `groups` is missing or out of place.
    """

    def __init__(self, conv, *, groups=None, seed=0, synchronized=False):
        if conv not in CONVOLUTIONS:
            raise ValueError(f"Unknown convolution; there are {', '.join(CONVOLUTIONS)}. Received: conv={conv!r}")
        if conv in ("group", "shuffled_group"):
            if groups is None:
                raise ValueError(
                    f"A grouped convolution needs the number of groups. Received: groups=None, conv={conv!r}"
                )
        elif groups is not None:
            raise ValueError(f"Only grouped convolutions take groups. Received: groups={groups}, conv={conv!r}")
        if not isinstance(seed, (int, np.integer)) or seed < 0:
            raise ValueError(f"The seed of a network is an integer, 0 or more. Received: seed={seed!r}")
        self.conv = conv
        self.groups = groups
        self.synchronized = synchronized
        self._random = np.random.default_rng(seed)

    def next_seed(self):
        return int(self._random.integers(2**31))

    def standard(self, x, filters, kernel_size, strides=1, *, name, use_bias=False):
        """Standard convolution, symmetrically padded."""
        initializer = kaiming_normal(self.next_seed())
        return Conv2D(filters, kernel_size, strides, kernel_initializer=initializer, use_bias=use_bias, name=name)(x)

    def normalized(self, x, *, name, relu=True):
        """Batch normalisation, and ReLU after it if wanted."""
        norm = BatchNormalization(
            momentum=MOMENTUM, epsilon=EPSILON, synchronized=self.synchronized, name=f"{name}_norm"
        )
        x = norm(x)
        return self.relu(x, name=f"{name}_relu") if relu else x

    def relu(self, x, *, name):
        return keras.layers.Activation("relu", name=name)(x)

    def spatial(self, x, strides=1, *, name):
        """3x3 operation on the channels as they are: depthwise, grouped, or a shift (which has no stride)."""
        channels = x.shape[-1]
        if self.conv == "depthwise":
            initializer = depthwise_kaiming_normal(3, self.next_seed())
            return DepthwiseConv2D(3, strides, depthwise_initializer=initializer, name=name)(x)
        if self.conv == "group":
            return self._grouped(x, channels, strides, name=name)
        return Shift2D(3, name=name)(x)

    def replaced(self, x, filters, strides=1, *, name):
        """What the network has where the standard one has a 3x3 convolution (without what follows it)."""
        if self.conv == "standard":
            return self.standard(x, filters, 3, strides, name=name)
        if self.conv == "line":
            return LineConv2D(filters, 3, strides, kernel_initializer=kaiming_normal(self.next_seed()), name=name)(x)
        if self.conv == "group":
            return self._grouped(x, filters, strides, name=name)
        if self.conv == "shuffled_group":
            return ChannelShuffle(self.groups, name=f"{name}_shuffle")(self._grouped(x, filters, strides, name=name))
        if self.conv == "depthwise":
            x = self.spatial(x, strides, name=f"{name}_depthwise")
            return self.standard(x, filters, 1, name=f"{name}_pointwise")
        # A shift moves pixels only, so the stride is the pointwise convolution's.
        return self.standard(self.spatial(x, name=f"{name}_shift"), filters, 1, strides, name=f"{name}_pointwise")

    def convolved(self, x, filters, strides=1, *, name, relu=True):
        """`replaced`, normalised, and activated if wanted."""
        if self.conv == "ghost":
            return GhostModule(
                filters,
                kernel_size=3,
                strides=strides,
                activation="relu" if relu else None,
                momentum=MOMENTUM,
                epsilon=EPSILON,
                synchronized=self.synchronized,
                kernel_initializer=kaiming_normal(self.next_seed()),
                depthwise_initializer=depthwise_kaiming_normal(3, self.next_seed()),
                name=name,
            )(x)
        return self.normalized(self.replaced(x, filters, strides, name=name), name=name, relu=relu)

    def pointwise(self, x, filters, strides=1, *, name, relu=True):
        """1x1 convolution, batch normalisation, and ReLU if wanted."""
        return self.normalized(self.standard(x, filters, 1, strides, name=name), name=name, relu=relu)

    def stem(self, x, filters):
        """The first convolution, which stays standard: three input channels leave nothing to save."""
        return self.normalized(self.standard(x, filters, 3, name="stem"), name="stem")

    def head(self, inputs, stages, num_classes, *, name):
        """Global average pooling and the classifier on the last stage; the network with all its taps."""
        embedding = keras.layers.GlobalAveragePooling2D(name="embedding")(stages[-1])
        features = embedding.shape[-1]
        logits = keras.layers.Dense(
            num_classes,
            kernel_initializer=linear_uniform(features, self.next_seed()),
            bias_initializer=linear_uniform(features, self.next_seed()),
            dtype="float32",
            name="logits",
        )(embedding)
        taps = {f"stage{i + 1}": stage for i, stage in enumerate(stages)}
        return keras.Model(inputs, {**taps, "embedding": embedding, "logits": logits}, name=name)

    def _grouped(self, x, filters, strides, *, name):
        initializer = kaiming_normal(self.next_seed())
        return GroupConv2D(filters, 3, self.groups, strides, kernel_initializer=initializer, name=name)(x)


def network_input(input_shape, num_classes):
    """The input of a network, checked.

    Args:
        input_shape: `(height, width, channels)`.
        num_classes: number of classes.

    Returns:
        KerasTensor `[batch, height, width, channels]`.

    Raises:
        ValueError: if the shape is not three positive integers, the image smaller than 4x4, or there are fewer than
            two classes.
    """
    shape = tuple(input_shape)
    if len(shape) != 3 or not all(isinstance(n, (int, np.integer)) and n > 0 for n in shape):
        raise ValueError(f"An input shape is (height, width, channels), all known. Received: input_shape={shape}")
    if min(shape[:2]) < 4:
        raise ValueError(f"Images must be at least 4x4: the network halves them twice. Received: input_shape={shape}")
    if not isinstance(num_classes, (int, np.integer)) or num_classes < 2:
        raise ValueError(f"A classifier needs at least 2 classes. Received: num_classes={num_classes}")
    return keras.layers.Input(tuple(int(n) for n in shape), name="image")


def checked_width(width):
    """The number of channels that was asked for.

    Args:
        width: positive integer.

    Returns:
        `width`, a Python integer.

    Raises:
        ValueError: if `width` is no positive integer.
    """
    if not isinstance(width, (int, np.integer)) or isinstance(width, bool) or width < 1:
        raise ValueError(f"The width of a network is a positive integer. Received: width={width!r}")
    return int(width)


def stage_widths(width, stages=3):
    """Channels of the stages: `width` and its double, four times and so on, or each stage's own.

    Args:
        width: positive integer, or a sequence of one a stage.
        stages: number of stages.

    Returns:
        Tuple of `stages` integers.

    Raises:
        ValueError: if `width` is neither.
    """
    if isinstance(width, (list, tuple)):
        if len(width) != stages:
            raise ValueError(f"The network has {stages} stages, each of a width. Received: widths={tuple(width)}")
        return tuple(checked_width(n) for n in width)
    return tuple(checked_width(width) * 2**stage for stage in range(stages))


def blocks_per_stage(depth, layers_per_block):
    """Blocks in each of the three stages of a network of `depth` layers.

    Args:
        depth: number of weighted layers, `3 * layers_per_block * n + 2`.
        layers_per_block: 2 in a basic block, 3 in a bottleneck.

    Returns:
        The integer n.

    Raises:
        ValueError: if `depth` is not of that form.
    """
    period = 3 * layers_per_block
    if not isinstance(depth, (int, np.integer)) or depth < period + 2 or (depth - 2) % period:
        nearest = (
            period * max(1, round((int(depth) - 2) / period)) + 2 if isinstance(depth, (int, float)) else period + 2
        )
        raise ValueError(f"The depth must be {period}n+2, the nearest is {nearest}. Received: depth={depth!r}")
    return (depth - 2) // period
