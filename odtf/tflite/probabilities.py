"""Logits of a file as probabilities."""

from ai_edge_litert import schema_py_generated as schema

from odtf.tflite.borders import add_tensor, end_with, operator_between


def give_probabilities(model):
    """Puts a softmax in float32, over the last axis, behind a model whose output is float32 logits.

    Done after conversion because a quantiser would make integers of it: uint8 probabilities are multiples of 1/256, and
    of a hundred classes several share the first place. An app wants floats anyway, and a float softmax of a row of
    scores takes no time beside a network.

    Args:
        model: `schema.ModelT`, which is changed.

    Raises:
        ValueError: if the output is not float32.
    """
    graph = model.subgraphs[0]
    logits = int(graph.outputs[0])
    if graph.tensors[logits].type != schema.TensorType.FLOAT32:
        raise ValueError(
            f"Logits are float32 before a softmax. Received: a tensor of type {graph.tensors[logits].type}."
        )
    scores = add_tensor(graph, logits, schema.TensorType.FLOAT32)
    graph.tensors[logits].name = "logits"
    options = schema.SoftmaxOptionsT()
    options.beta = 1.0
    end_with(model, operator_between(model, schema.BuiltinOperator.SOFTMAX, logits, scores, options))
