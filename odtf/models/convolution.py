"""What a network may use in place of a standard convolution, and the pieces all networks are put together from."""

import copy
import re

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
from odtf.models import heads

# Batch normalisation as in the published recipes (PyTorch's momentum 0.1), not Keras' 0.99 and 1e-3.
MOMENTUM = 0.9
EPSILON = 1e-5

GROUPED = ("group", "shuffled_group")
SPATIAL = ("depthwise", "group", "shift")
CONVOLUTIONS = ("standard", "group", "shuffled_group", "depthwise", "shift", "line", "ghost")


def line_width(conv):
    """Returns the N of a 1xN convolution by its name: 3 for "line", N for "lineN", N odd; None for any other name."""
    match = re.fullmatch("line([1-9][0-9]*)?", conv) if isinstance(conv, str) else None
    width = int(match[1] or 3) if match else 0
    return width if width % 2 and width > 1 else None


def check_convolution(conv, also=()):
    """Raises ValueError unless `conv` is one of `CONVOLUTIONS`, "lineN", or one of the names in `also`."""
    if conv not in CONVOLUTIONS and conv not in also and not line_width(conv):
        known = ", ".join((*also, *CONVOLUTIONS))
        raise ValueError(f"Unknown convolution; there are {known}, line5 and so on. Received: conv={conv!r}")


class Pieces:
    """Layers of one network, each initialised from its own number of a stream that the network's seed starts.

    Args:
        conv: what stands for a 3x3 convolution, one of `CONVOLUTIONS`: "group" is a grouped 3x3 convolution,
            "shuffled_group" the same followed by a channel shuffle, "depthwise" and "shift" are followed by a 1x1
            convolution, "line" is 1x3 and "line5" 1x5 (any odd number), "ghost" a Ghost module with a 3x3 primary
            convolution.
        groups: number of groups, for the grouped kinds alone.
        seed: integer; networks of different seeds differ in every random weight, equal seeds give equal networks.
        synchronized: whether batch normalisations take their statistics over all replicas.

    Attributes:
        image_size: (height, width) of the image, for a head that answers for every pixel.
        to_image: function `to_image(x, channels, *, name)` that a network has in place of the last layer of
            `heads.Image`; None for that head's own.

    Raises:
        ValueError: if `conv` is unknown, or `groups` is missing or out of place.
    """

    def __init__(self, conv, *, groups=None, seed=0, synchronized=False):
        if groups is not None and conv not in GROUPED:
            raise ValueError(f"Only grouped convolutions take groups. Received: groups={groups}, conv={conv!r}")
        if not isinstance(seed, (int, np.integer)) or seed < 0:
            raise ValueError(f"The seed of a network is an integer, 0 or more. Received: seed={seed!r}")
        self.groups = groups
        self.conv = self._known(conv)
        self.synchronized = synchronized
        self.dilation = 1
        self.image_size = None
        self.to_image = None
        self._random = np.random.default_rng(seed)

    def using(self, conv):
        """The same pieces, on the same stream of seeds, with another convolution."""
        pieces = copy.copy(self)
        pieces.conv = self._known(conv)
        return pieces

    def dilated(self, rate):
        """The same pieces, on the same stream of seeds, whose 3x3 convolutions take every `rate`-th pixel."""
        pieces = copy.copy(self)
        pieces.dilation = int(rate)
        return pieces

    def _known(self, conv):
        check_convolution(conv)
        if conv in GROUPED and self.groups is None:
            raise ValueError(f"A grouped convolution needs the number of groups. Received: groups=None, conv={conv!r}")
        return conv

    def next_seed(self):
        return int(self._random.integers(2**31))

    def kernel_initializer(self):
        """What the next kernel of a convolution starts from."""
        return kaiming_normal(self.next_seed())

    def depthwise_initializer(self):
        """What the next 3x3 depthwise kernel starts from."""
        return depthwise_kaiming_normal(3, self.next_seed())

    def standard(
        self,
        x,
        filters,
        kernel_size,
        strides=1,
        *,
        name,
        use_bias=False,
        padding="symmetric",
        dilation=1,
        dtype=None,
    ):
        """Standard convolution, symmetrically padded unless said otherwise."""
        return Conv2D(
            filters,
            kernel_size,
            strides,
            padding=padding,
            dilation_rate=dilation,
            kernel_initializer=self.kernel_initializer(),
            use_bias=use_bias,
            dtype=dtype,
            name=name,
        )(x)

    def normalized(self, x, *, name, relu=True, momentum=MOMENTUM):
        """Batch normalisation, and ReLU after it if wanted."""
        norm = BatchNormalization(
            momentum=momentum, epsilon=EPSILON, synchronized=self.synchronized, name=f"{name}_norm"
        )
        x = norm(x)
        return self.relu(x, name=f"{name}_relu") if relu else x

    def relu(self, x, *, name):
        return keras.layers.Activation("relu", name=name)(x)

    def spatial(self, x, strides=1, *, name):
        """3x3 operation on the channels as they are: depthwise, grouped, or a shift (which has no stride)."""
        channels = x.shape[-1]
        if self.conv == "depthwise":
            initializer = self.depthwise_initializer()
            rate = self.dilation
            return DepthwiseConv2D(3, strides, dilation_rate=rate, depthwise_initializer=initializer, name=name)(x)
        if self.conv == "group":
            return self._grouped(x, channels, strides, name=name)
        return Shift2D(3, dilation_rate=self.dilation, name=name)(x)

    def replaced(self, x, filters, strides=1, *, name, use_bias=False):
        """What the network has where the standard one has a 3x3 convolution (without what follows it)."""
        if self.conv == "standard":
            return self.standard(x, filters, 3, strides, name=name, use_bias=use_bias, dilation=self.dilation)
        if width := line_width(self.conv):
            options = {"kernel_initializer": self.kernel_initializer(), "dilation_rate": self.dilation}
            return LineConv2D(filters, width, strides, use_bias=use_bias, name=name, **options)(x)
        if self.conv == "group":
            return self._grouped(x, filters, strides, name=name, use_bias=use_bias)
        if self.conv == "shuffled_group":
            y = self._grouped(x, filters, strides, name=name, use_bias=use_bias)
            return ChannelShuffle(self.groups, name=f"{name}_shuffle")(y)
        if self.conv == "ghost":
            # It normalises its parts itself; the activation is left to the network, as is the one of a convolution.
            return self._ghost(x, filters, strides, None, name=name)
        if self.conv == "depthwise":
            x, strides = self.spatial(x, strides, name=f"{name}_depthwise"), 1
        else:
            # A shift moves pixels only, so the stride is the pointwise convolution's.
            x = self.spatial(x, name=f"{name}_shift")
        return self.standard(x, filters, 1, strides, name=f"{name}_pointwise", use_bias=use_bias)

    def convolved(self, x, filters, strides=1, *, name, relu=True):
        """`replaced`, normalised, and activated if wanted."""
        if self.conv == "ghost":
            return self._ghost(x, filters, strides, "relu" if relu else None, name=name)
        return self.normalized(self.replaced(x, filters, strides, name=name), name=name, relu=relu)

    def pointwise(self, x, filters, strides=1, *, name, relu=True):
        """1x1 convolution, batch normalisation, and ReLU if wanted."""
        return self.normalized(self.standard(x, filters, 1, strides, name=name), name=name, relu=relu)

    def stem(self, x, filters):
        """The first convolution, which stays standard: three input channels leave nothing to save."""
        return self.normalized(self.standard(x, filters, 3, name="stem"), name="stem")

    def dense(self, x, units, *, name, dtype=None):
        """Linear layer."""
        return keras.layers.Dense(
            units,
            kernel_initializer=linear_uniform(x.shape[-1], self.next_seed()),
            bias_initializer=linear_uniform(x.shape[-1], self.next_seed()),
            dtype=dtype,
            name=name,
        )(x)

    def network(self, inputs, stages, head, *, name, embedding=None, hidden=(), taps=None):
        """The network with all its taps, once its stages stand.

        Args:
            inputs: the input of the network.
            stages: list of the taps "stage1" and so on.
            head: number of classes, or a head of `odtf.models.heads`.
            name: name of the network.
            embedding: KerasTensor that the head takes, or None for the last stage after global average pooling.
            hidden: widths of dense layers with ReLU before the logits, where `head` is a number of classes.
            taps: dict of further named taps.

        Returns:
            Functional `keras.Model` from `inputs` to the stages, the further taps and those of the head.

        Raises:
            ValueError: if `head` is no head, or has a tap of a stage's name.
        """
        taps = {**{f"stage{i + 1}": stage for i, stage in enumerate(stages)}, **(taps or {})}
        self.image_size = tuple(inputs.shape[1:3])
        answers = heads.find(head, hidden)(self, stages, embedding)
        if not isinstance(answers, dict):
            raise ValueError(f"A head returns a dict from names to KerasTensors. Received: {answers!r} of {head!r}.")
        if taken := taps.keys() & answers.keys():
            raise ValueError(f"The taps of a head need names that no stage has. Received: {', '.join(sorted(taken))}")
        return keras.Model(inputs, {**taps, **answers}, name=name)

    def _grouped(self, x, filters, strides, *, name, use_bias=False):
        options = {"kernel_initializer": self.kernel_initializer(), "dilation_rate": self.dilation}
        return GroupConv2D(filters, 3, self.groups, strides, use_bias=use_bias, name=name, **options)(x)

    def _ghost(self, x, filters, strides, activation, *, name):
        return GhostModule(
            filters,
            kernel_size=3,
            strides=strides,
            dilation_rate=self.dilation,
            cheap_dilation_rate=self.dilation,
            activation=activation,
            momentum=MOMENTUM,
            epsilon=EPSILON,
            synchronized=self.synchronized,
            kernel_initializer=self.kernel_initializer(),
            depthwise_initializer=self.depthwise_initializer(),
            name=name,
        )(x)


def halved(x, pooling, *, name):
    """2x2 pooling of stride 2. Odd sizes are rounded up, as by strided convolutions; a 1x1 map stays as it is.

    Args:
        x: KerasTensor `[batch, height, width, channels]`.
        pooling: "max" or "average".
        name: name of the layer.
    """
    if max(x.shape[1:3]) == 1:
        return x
    layer = keras.layers.MaxPooling2D if pooling == "max" else keras.layers.AveragePooling2D
    return layer(2, padding="same", name=name)(x)


def halved_overlapping(x, *, name):
    """3x3 max pooling of stride 2 with a margin of one pixel; a 1x1 map stays as it is.

    Args:
        x: KerasTensor `[batch, height, width, channels]`, not negative, so that zeros around it never win.
        name: name of the layer.
    """
    if max(x.shape[1:3]) == 1:
        return x
    return keras.layers.MaxPooling2D(3, 2, name=name)(keras.layers.ZeroPadding2D(1, name=f"{name}_pad")(x))
