"""Operators that kinds of runtimes have, by the names of TFLite's schema."""

# TFLite Micro and the Ethos-U both have these for int8 and int16 activations (Vela 5.2's SUPPORTED_OPS.md; TFLite
# Micro's micro_mutable_op_resolver.h).
PORTABLE = frozenset(
    (
        *("ADD", "ARG_MAX", "AVERAGE_POOL_2D", "CONCATENATION", "CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"),
        *("HARD_SWISH", "LEAKY_RELU", "LOGISTIC", "MAXIMUM", "MAX_POOL_2D", "MEAN", "MINIMUM", "MUL", "PAD"),
        *("QUANTIZE", "RELU", "RELU6", "RESHAPE", "RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR", "SOFTMAX", "SPLIT"),
        *("STRIDED_SLICE", "SUB", "TANH", "TRANSPOSE", "TRANSPOSE_CONV"),
    )
)

# Either one alone has more.
MICRO = PORTABLE | {
    *("ELU", "EXPAND_DIMS", "MIRROR_PAD", "PACK", "PRELU", "SLICE", "SPLIT_V", "SQUARED_DIFFERENCE", "UNPACK"),
}
ETHOS_U = PORTABLE | {"EXPAND_DIMS", "MIRROR_PAD", "PACK", "SLICE", "SPLIT_V", "UNPACK"}

# What XNNPACK runs in addition; CAST is how pixels enter a network that does not compute in int8. Mirrored margins are
# left to LiteRT's own kernel, as ARG_MAX is.
PHONE = PORTABLE | {
    *("CAST", "DEQUANTIZE", "DIV", "ELU", "GELU", "MIRROR_PAD", "NEG", "PRELU", "RSQRT", "SLICE", "SQRT"),
    "SQUARED_DIFFERENCE",
}

# What the GPU delegate parses between float tensors (tensorflow/lite/delegates/gpu/common/model_builder.cc). DEQUANTIZE
# is how float16 weights are stored; the delegate reads through it.
PHONE_GPU = (PHONE | {"EXP", "SPLIT_V"}) - {"ARG_MAX", "CAST", "GELU", "MIRROR_PAD", "QUANTIZE", "SPLIT"}
