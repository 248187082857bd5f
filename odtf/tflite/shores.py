"""The marks that keep layers of a file in float, taken out of it."""

from ai_edge_litert import schema_py_generated as schema

from odtf.tflite import flatbuffer

_WIDE = schema.TensorType.FLOAT64


def remove_shores(model):
    """Takes out the casts from float32 to float64 and back, which `odtf.quantization` sets around layers in float.

    Args:
        model: `schema.ModelT`, which is changed.

    Returns:
        int, how many pairs there were.
    """
    removed = 0
    for graph in model.subgraphs:
        casts = [op for op in graph.operators if flatbuffer.operator_name(model, op) == "CAST"]
        widened = {int(op.outputs[0]): int(op.inputs[0]) for op in casts if _is_wide(graph, op.outputs[0])}
        narrowed = {int(op.outputs[0]): widened[int(op.inputs[0])] for op in casts if int(op.inputs[0]) in widened}
        gone = {*widened, *narrowed}
        graph.operators = [op for op in graph.operators if int(op.outputs[0]) not in gone]
        for op in graph.operators:
            op.inputs = [_source(int(index), narrowed) for index in op.inputs]
        graph.outputs = [_source(int(index), narrowed) for index in graph.outputs]
        removed += len(narrowed)
    return removed


def _is_wide(graph, index):
    return graph.tensors[int(index)].type == _WIDE


def _source(index, narrowed):
    while index in narrowed:
        index = narrowed[index]
    return index
