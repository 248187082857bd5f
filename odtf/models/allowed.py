"""Classes and functions that a .keras file may name: an allow-list, because what is named is built.

Keras itself refuses pickled lambdas, but builds whatever layer, module or registered object a config names, and was
talked into running code more than once (CVE-2025-1550, -8747, -9905, -9906). Here every object at every depth must be
one of those below.
"""

import functools
import inspect

import keras

import odtf.layers  # noqa: F401  Registers odtf's layers, which a file may name.

_LAYERS = """
    Activation ActivityRegularization Add AdditiveAttention AlphaDropout Attention Average AveragePooling1D
    AveragePooling2D BatchNormalization Bidirectional CenterCrop Concatenate Conv1D Conv1DTranspose Conv2D
    Conv2DTranspose Cropping1D Cropping2D Dense DepthwiseConv1D DepthwiseConv2D Dot Dropout ELU EinsumDense Embedding
    Flatten GRU GaussianDropout GaussianNoise GlobalAveragePooling1D GlobalAveragePooling2D GlobalMaxPooling1D
    GlobalMaxPooling2D GroupNormalization GroupQueryAttention Identity InputLayer LSTM LayerNormalization LeakyReLU
    Masking MaxPooling1D MaxPooling2D Maximum Minimum MultiHeadAttention Multiply Normalization PReLU Permute
    RMSNormalization RandomBrightness RandomContrast RandomCrop RandomErasing RandomFlip RandomRotation
    RandomTranslation RandomZoom ReLU RepeatVector Rescaling Reshape Resizing SeparableConv1D SeparableConv2D SimpleRNN
    Softmax SpatialDropout1D SpatialDropout2D SpectralNormalization Subtract TimeDistributed UnitNormalization
    UpSampling1D UpSampling2D ZeroPadding1D ZeroPadding2D
"""

# What `x + y` and keras.ops leave in the graph of a functional model, by the module of keras.src.ops. Operations that
# take a function, such as Map and Scan, are not among them.
_OPERATIONS = {
    "core": "Cast Slice StopGradient Unstack",
    "image": "CropImages PadImages RGBToGrayscale Resize",
    "math": "Erf Logsumexp Rsqrt",
    "nn": """
        AveragePool BatchNorm Celu Conv ConvTranspose DepthToSpace DepthwiseConv Elu Gelu Glu HardSigmoid HardSilu
        HardTanh LayerNorm LeakyRelu LogSigmoid LogSoftmax MaxPool Moments Normalize Relu Relu6 Selu SeparableConv
        Sigmoid Silu Softmax Softplus Softsign SpaceToDepth Squareplus Threshold
    """,
    "numpy": """
        Absolute Add Amax Amin Average BroadcastTo Ceil Clip Concatenate Cos Divide Einsum Exp ExpandDims Flip Floor
        FullLike GetItem Log Log1p Matmul Max Maximum Mean Min Minimum Moveaxis Multiply Negative OnesLike Pad Power
        Prod Reciprocal Repeat Reshape Roll Round Sign Sin Split Sqrt Square Squeeze Stack Std Subtract Sum Swapaxes
        Take Tanh Tile Transpose TrueDivide Var Where ZerosLike
    """,
}

# Layers that keras.applications define beside their networks.
_APPLICATIONS = {"keras.src.applications.convnext": "LayerScale StochasticDepth"}

_MODELS = {
    ("keras", "Functional"),
    ("keras", "Model"),
    ("keras", "Sequential"),
    ("keras.models", "Sequential"),
    ("keras.src.models.functional", "Functional"),
    ("keras.src.models.model", "Model"),
    ("keras.src.models.sequential", "Sequential"),
}
# Values of layers' arguments that JSON has no form for.
_VALUES = ("__bytes__", "__ellipsis__", "__keras_tensor__", "__numpy__", "__slice__", "__tensor__")
# Keys whose text is never looked up.
_FREE_TEXT = ("name", "keras_history")
# Of an attribute of an operation: TensorFlow ends the process over a larger one.
_LARGEST = 2**31
_FREE_NUMBERS = ("seed", "shared_object_id")
# Packages of odtf whose registered classes may be built: layers, which are imported here.
PACKAGES = ("odtf.layers",)


class Refused(ValueError):
    """A config names something that is not built from a file; the words say what, and in which layer."""


@functools.cache
def classes():
    """Returns the classes that a config may name, a frozenset of (module, class name)."""
    found = set(_MODELS) | {("keras", "DTypePolicy"), ("keras.dtype_policies", "DTypePolicy")}
    found |= {("keras.layers", name) for name in _LAYERS.split()}
    found |= {(f"keras.src.ops.{module}", name) for module, names in _OPERATIONS.items() for name in names.split()}
    found |= {(module, name) for module, names in _APPLICATIONS.items() for name in names.split()}
    for part in ("initializers", "regularizers", "constraints"):
        members = inspect.getmembers(getattr(keras, part), inspect.isclass)
        found |= {(f"keras.{part}", name) for name, _ in members}
    return frozenset(found)


@functools.cache
def functions():
    """Returns the names of the functions that a config may name: Keras' activations."""
    public = inspect.getmembers(keras.activations, inspect.isfunction)
    return frozenset(name for name, _ in public if name not in ("deserialize", "get", "serialize"))


def check(config, packages=PACKAGES):
    """Shows that all that a config names may be built.

    Args:
        config: what config.json of a .keras file holds: nested dicts, lists, text and numbers.
        packages: tuple of those of odtf's packages whose registered classes may be built.

    Raises:
        Refused: naming the first thing that may not, and the layer that it stands in.
    """
    _walk(config, "the model", "", packages)


def without_compilation(config):
    """Returns a config without what it says of training: optimizer, loss and metrics, which are not built here."""
    if isinstance(config, dict):
        kept = {key: without_compilation(value) for key, value in config.items()}
        if "class_name" in kept:
            kept.pop("compile_config", None)
        return kept
    return [without_compilation(value) for value in config] if isinstance(config, list) else config


def _walk(value, owner, key, packages):
    if isinstance(value, dict):
        if "class_name" in value:
            owner = _owner(value, owner)
            _check_object(value, owner, packages)
            _check_masks(value.get("inbound_nodes"), owner)
        for inner_key, inner in value.items():
            _walk(inner, owner, inner_key, packages)
    elif isinstance(value, list):
        for inner in value:
            _walk(inner, owner, key, packages)
    elif isinstance(value, int) and not -_LARGEST <= value < _LARGEST and key not in _FREE_NUMBERS:
        raise Refused(f"{key}={value}, which no layer takes, in {owner}")
    elif isinstance(value, str) and key not in _FREE_TEXT and _is_foreign(value, packages):
        raise Refused(f"{value!r}, registered by other code, in {owner}")


def _owner(value, owner):
    """Words for the layer that an object is or stands in."""
    config = value.get("config")
    name = config.get("name") if isinstance(config, dict) else None
    return f"layer {name!r}" if isinstance(name, str) and isinstance(value.get("class_name"), str) else owner


def _check_object(value, owner, packages):
    kind, module, registered = value["class_name"], value.get("module"), value.get("registered_name")
    received = Refused(f"{kind} of {module}, registered as {registered}, in {owner}")
    if not all(isinstance(text, str) or text is None for text in (kind, module, registered)) or "config" not in value:
        raise received
    if kind in _VALUES:
        return
    if kind == "function":
        fits = module in ("builtins", "keras.activations", "keras.ops") and registered in (None, value["config"])
        if not fits or not isinstance(value["config"], str) or value["config"] not in functions():
            raise Refused(f"function {value['config']!r} of {module}, in {owner}")
        return
    if (module, kind) in classes() and registered in (None, kind):
        return
    if not (registered == f"odtf>{kind}" and _is_ours(keras.saving.get_registered_object(registered), packages)):
        raise received


def _check_masks(nodes, owner):
    """Refuses a mask that is no tensor: Keras builds such a layer, which fails when it is called."""
    for node in nodes if isinstance(nodes, list) else ():
        kwargs = node.get("kwargs") if isinstance(node, dict) else None
        mask = kwargs.get("mask") if isinstance(kwargs, dict) else None
        if mask is not None and not isinstance(mask, dict | list):
            raise Refused(f"a mask that is no tensor, {mask!r}, in {owner}")


def _is_ours(found, packages):
    return inspect.isclass(found) and any(found.__module__.startswith(f"{package}.") for package in packages)


def _is_foreign(text, packages):
    """Whether Keras would look up text among objects that somebody registered, and find one that is not odtf's."""
    found = keras.saving.get_registered_object(text)
    return found is not None and not _is_ours(found, packages)
