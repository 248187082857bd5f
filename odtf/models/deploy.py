"""The one rewriting of a trained network into what travels: stock Keras layers, inference only."""

import keras

from odtf.layers import GroupConv2D


def deploy(model, output="logits", grouped="native"):
    """Rewrites a network into stock Keras layers with the same weights.

    The result needs nothing of this package: its `.keras` file loads in a process that has Keras alone. It computes in
    float32, whatever precision the network was trained in.

    Args:
        model: functional `keras.Model` of Keras' and odtf's layers, with a dictionary of taps for output.
        output: name of the tap that becomes the output.
        grouped: "native" keeps a grouped convolution one layer, "split" makes it a standard convolution a group.

    Returns:
        Functional `keras.Model` of the same name, one input `[batch, height, width, channels]` and one output tensor,
        not trainable.

    Raises:
        ValueError: if the network has no such tap, or `grouped` is neither "native" nor "split".
    """
    if not isinstance(model.output, dict) or output not in model.output:
        taps = ", ".join(model.output) if isinstance(model.output, dict) else "no named taps"
        raise ValueError(f"The network has no tap of that name; it has {taps}. Received: output={output!r}")
    if grouped not in ("native", "split"):
        raise ValueError(f"Grouped convolutions are deployed 'native' or 'split'. Received: grouped={grouped!r}")

    def call(layer, *args, **kwargs):
        if not hasattr(layer, "deploy"):
            return layer(*args, **kwargs)
        return layer.deploy(*args, lowering=grouped) if isinstance(layer, GroupConv2D) else layer.deploy(*args)

    rewritten = keras.models.clone_model(model, clone_function=_clone, call_function=call)
    deployed = keras.Model(rewritten.input, rewritten.output[output], name=model.name)
    kept = {layer.name for layer in deployed.layers}
    for layer in model.layers:
        if layer.weights and layer.name in kept and not hasattr(layer, "deploy"):
            deployed.get_layer(layer.name).set_weights(layer.get_weights())
    deployed.trainable = False
    return deployed


def _clone(layer):
    """odtf's layers stay, to be asked for their stock layers; Keras' own are copied, in float32."""
    if hasattr(layer, "deploy"):
        return layer
    return type(layer).from_config({**layer.get_config(), "dtype": "float32"})
