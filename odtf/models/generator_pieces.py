"""The pieces of networks that make or judge images: their normalisation, margins, biases and initialisation."""

import keras

from odtf.layers import BatchNormalization, Cropping2D, DepthwiseConv2D, InstanceNormalization, ReflectionPadding2D
from odtf.models.convolution import EPSILON, MOMENTUM, Pieces, check_convolution

SEPARABLE = "separable"
NORMS = ("batch", "instance")
PADDINGS = ("reflect", "zero")
# Of every kernel; batch normalisations' scales start around 1 with the same deviation.
DEVIATION = 0.02


def kernel_normal(seed):
    """Returns the initialiser of the kernels of generators, discriminators and adapters: N(0, 0.02)."""
    return keras.initializers.RandomNormal(0.0, DEVIATION, seed=seed)


def scale_normal(seed):
    """Returns the initialiser of the scales of their batch normalisations: N(1, 0.02)."""
    return keras.initializers.RandomNormal(1.0, DEVIATION, seed=seed)


class GeneratorPieces(Pieces):
    """`Pieces` of generators and discriminators: kernels of N(0, 0.02), biases where the norm has no offset.

    Args:
        conv: what stands for the 3x3 convolutions of blocks: one of `CONVOLUTIONS`, or "separable": a depthwise 3x3
            convolution, a normalisation and a 1x1 convolution.
        norm: "batch", with scale and offset, before which convolutions have no bias; or "instance", without, before
            which they have one.
        padding: margins of `margined` and of expansion blocks: "reflect" or "zero".
        separable_norm: the normalisation inside "separable"; the released code has "instance" there in any case.
        groups, seed, synchronized: as for `Pieces`.

    Raises:
        ValueError: if an argument is none of these.
    """

    def __init__(
        self, conv, *, norm, padding="reflect", separable_norm="instance", groups=None, seed=0, synchronized=False
    ):
        check_convolution(conv, also=(SEPARABLE,))
        for argument, value, allowed in (
            ("norm", norm, NORMS),
            ("separable_norm", separable_norm, NORMS),
            ("padding", padding, PADDINGS),
        ):
            if value not in allowed:
                raise ValueError(f"{argument} is {' or '.join(allowed)}. Received: {argument}={value!r}")
        plain = "depthwise" if conv == SEPARABLE else conv
        super().__init__(plain, groups=groups, seed=seed, synchronized=synchronized)
        self.kind, self.norm, self.padding, self.separable_norm = conv, norm, padding, separable_norm

    @property
    def use_bias(self):
        """Whether the convolutions before normalisations have a bias."""
        return self.norm == "instance"

    def kernel_initializer(self):
        return kernel_normal(self.next_seed())

    def depthwise_initializer(self):
        return kernel_normal(self.next_seed())

    def normalized(self, x, *, name, relu=True, momentum=MOMENTUM, norm=None):
        """The normalisation of the network, or another, and ReLU after it if wanted."""
        if (norm or self.norm) == "instance":
            layer = InstanceNormalization(EPSILON, name=f"{name}_norm")
        else:
            options = {"gamma_initializer": scale_normal(self.next_seed()), "synchronized": self.synchronized}
            layer = BatchNormalization(momentum=momentum, epsilon=EPSILON, name=f"{name}_norm", **options)
        return self.relu(layer(x), name=f"{name}_relu") if relu else layer(x)

    def leaky(self, x, *, name):
        """Leaky ReLU of the slope 0.2."""
        return keras.layers.LeakyReLU(negative_slope=0.2, name=name)(x)

    def margined(self, x, filters, kernel_size, *, name, use_bias=None, dtype=None):
        """Standard convolution of stride 1 whose margins are those of the network."""
        options = {"use_bias": self.use_bias if use_bias is None else use_bias, "dtype": dtype, "name": name}
        if self.padding == "zero":
            return self.standard(x, filters, kernel_size, **options)
        x = ReflectionPadding2D(kernel_size // 2, name=f"{name}_pad", dtype=dtype)(x)
        return self.standard(x, filters, kernel_size, padding="valid", **options)

    def transposed(self, x, filters, kernel_size, *, name, use_bias=None, dtype=None):
        """Transposed convolution of stride 2 to exactly twice the size, as of PyTorch's padding 1.

        A kernel of 4 is "same". That of 3 (output padding 1) is the valid one without its first row and column, where
        "same" would drop the last.
        """
        layer = keras.layers.Conv2DTranspose(
            filters,
            kernel_size,
            strides=2,
            padding="same" if kernel_size == 4 else "valid",
            use_bias=self.use_bias if use_bias is None else use_bias,
            kernel_initializer=self.kernel_initializer(),
            dtype=dtype,
            name=name,
        )
        if kernel_size == 4:
            return layer(x)
        return Cropping2D(((1, 0), (1, 0)), name=f"{name}_crop")(layer(x))

    def block_convolution(self, x, *, name):
        """What a block has in place of its 3x3 convolution, of as many channels as come in; no normalisation after it.

        The standard and the separable one have the network's margins, others the zeros of their layers.
        """
        if self.kind == "standard":
            return self.margined(x, x.shape[-1], 3, name=name)
        if self.kind != SEPARABLE:
            return self.replaced(x, x.shape[-1], name=name, use_bias=self.use_bias)
        reflected, filters = self.padding == "reflect", x.shape[-1]
        if reflected:
            x = ReflectionPadding2D(1, name=f"{name}_pad")(x)
        x = DepthwiseConv2D(
            3,
            padding="valid" if reflected else "symmetric",
            use_bias=self.use_bias,
            depthwise_initializer=self.depthwise_initializer(),
            name=f"{name}_depthwise",
        )(x)
        x = self.normalized(x, name=f"{name}_depthwise", relu=False, norm=self.separable_norm)
        return self.standard(x, filters, 1, name=f"{name}_pointwise", use_bias=self.use_bias)


def residual_block(pieces, x, *, name):
    """Convolution, norm, ReLU, convolution, norm, and the sum with what came in; nothing after it.

    Args:
        pieces: `GeneratorPieces` of the network.
        x: KerasTensor `[batch, height, width, channels]`.
        name: prefix of the layers' names.

    Returns:
        KerasTensor of the same shape.
    """
    y = pieces.normalized(pieces.block_convolution(x, name=f"{name}_conv1"), name=f"{name}_conv1")
    y = pieces.normalized(pieces.block_convolution(y, name=f"{name}_conv2"), name=f"{name}_conv2", relu=False)
    return keras.layers.Add(name=f"{name}_sum")([x, y])


def expansion_block(pieces, x, *, name):
    """Block of the deeper teachers: 1x1 to four times the channels, 3x3, 1x1 back, 3x3, and the sum.

    Norm and ReLU follow each convolution, the last of which has no ReLU. Where margins reflect, the first 1x1 sees the
    mirrored margin already, and so do the statistics of the norm after it.

    Args:
        pieces, x, name: as for `residual_block`.

    Returns:
        KerasTensor of the same shape.

    Reference:
        Ren, Wu, Xiao, Yang, "Online Multi-Granularity Distillation for GAN Compression", 2021; released code,
        github.com/bytedance/OMGD.
    """
    channels, reflected, y = x.shape[-1], pieces.padding == "reflect", x
    if reflected:
        y = ReflectionPadding2D(1, name=f"{name}_conv1_pad")(y)
    kernels = ((4 * channels, 1), (4 * channels, 3), (channels, 1))
    for index, (filters, kernel_size) in enumerate(kernels, start=1):
        options = {"use_bias": pieces.use_bias, "padding": "valid" if reflected else "symmetric"}
        y = pieces.standard(y, filters, kernel_size, name=f"{name}_conv{index}", **options)
        y = pieces.normalized(y, name=f"{name}_conv{index}")
    y = pieces.normalized(pieces.margined(y, channels, 3, name=f"{name}_conv4"), name=f"{name}_conv4", relu=False)
    return keras.layers.Add(name=f"{name}_sum")([x, y])


def expansions(pieces, x, count, *, name):
    """`count` expansion blocks, one after the other."""
    for index in range(count):
        x = expansion_block(pieces, x, name=f"{name}_expansion{index + 1}")
    return x
