"""Raw pixels 0..255 as a file takes and gives them, whatever it computes in."""

from ai_edge_litert import schema_py_generated as schema

from odtf.tflite.borders import add_tensor, end_with, operator_between, parameters_of

# value = scale * (stored - zero_point). The power of two of int16 lets firmware shift (pixel << 7) instead of
# multiplying. Scale 0: stored as they are, without quantisation.
INPUT_QUANTIZATION = {"int8": (1.0, -128), "int16": (1.0 / 128.0, 0), "uint8": (1.0, 0), "float32": (0.0, 0)}


def take_uint8(model):
    """Puts a CAST before a model with a float32 input, so that it takes uint8 pixels.

    Done after conversion because the 16x8 quantiser refuses a graph that holds a CAST.
    """
    graph = model.subgraphs[0]
    inner = graph.inputs[0]
    # The scale says nothing new, but tools look for it in integer tensors.
    outer = add_tensor(graph, inner, schema.TensorType.UINT8, parameters_of(INPUT_QUANTIZATION["uint8"]))
    graph.tensors[inner].name = "pixels"
    cast = operator_between(model, schema.BuiltinOperator.CAST, outer, inner, schema.CastOptionsT())
    cast.builtinOptions.inDataType, cast.builtinOptions.outDataType = schema.TensorType.UINT8, schema.TensorType.FLOAT32
    graph.operators.insert(0, cast)

    graph.inputs = [outer]
    for signature in model.signatureDefs or ():
        signature.inputs[0].tensorIndex = outer


def give_quantized(model, kind, quantization):
    """Makes the values of a model's output stored integers of a known scale.

    An integer output must come from a QUANTIZE, which then rounds to that scale; a float32 output gets one.

    Args:
        model: `schema.ModelT`.
        kind: type of the stored values, "uint8" or "int8".
        quantization: (scale, zero point).

    Raises:
        ValueError: if an integer output comes from another operator, whose scale is its own.
    """
    graph = model.subgraphs[0]
    inner = int(graph.outputs[0])
    wanted = {"uint8": schema.TensorType.UINT8, "int8": schema.TensorType.INT8}[kind]
    parameters = parameters_of(quantization)
    if graph.tensors[inner].type == wanted:
        (maker,) = (op for op in graph.operators if inner in op.outputs)
        if model.operatorCodes[maker.opcodeIndex].builtinCode != schema.BuiltinOperator.QUANTIZE:
            raise ValueError(f"The output of a file must come from a QUANTIZE to be given a scale. Received: {kind}.")
        graph.tensors[inner].quantization = parameters
        return
    outer = add_tensor(graph, inner, wanted, parameters)
    graph.tensors[inner].name = "values"
    end_with(model, operator_between(model, schema.BuiltinOperator.QUANTIZE, inner, outer, schema.QuantizeOptionsT()))
