"""Raw pixels 0..255 as a file takes them, whatever the type of its input."""

from ai_edge_litert import schema_py_generated as schema

# value = scale * (stored - zero_point). The power of two of int16 lets firmware shift (pixel << 7) instead of
# multiplying. Scale 0: stored as they are, without quantisation.
INPUT_QUANTIZATION = {"int8": (1.0, -128), "int16": (1.0 / 128.0, 0), "uint8": (1.0, 0), "float32": (0.0, 0)}


def take_uint8(model):
    """Puts a CAST before a model with a float32 input, so that it takes uint8 pixels.

    Done after conversion because the 16x8 quantiser refuses a graph that holds a CAST.
    """
    graph = model.subgraphs[0]
    inner = graph.inputs[0]
    pixels = schema.TensorT()
    pixels.name, pixels.shape = graph.tensors[inner].name, graph.tensors[inner].shape
    # Buffer 0 is the empty one, by convention. The scale says nothing new, but tools look for it in integer tensors.
    pixels.type, pixels.buffer, pixels.hasRank = schema.TensorType.UINT8, 0, graph.tensors[inner].hasRank
    pixels.quantization = schema.QuantizationParametersT()
    scale, zero_point = INPUT_QUANTIZATION["uint8"]
    pixels.quantization.scale, pixels.quantization.zeroPoint = [scale], [zero_point]
    graph.tensors[inner].name = "pixels"
    graph.tensors.append(pixels)
    outer = len(graph.tensors) - 1

    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.CAST
    code.version = 1
    model.operatorCodes.append(code)
    cast = schema.OperatorT()
    cast.opcodeIndex, cast.inputs, cast.outputs = len(model.operatorCodes) - 1, [outer], [inner]
    cast.builtinOptionsType, cast.builtinOptions = schema.BuiltinOptions.CastOptions, schema.CastOptionsT()
    cast.builtinOptions.inDataType, cast.builtinOptions.outDataType = schema.TensorType.UINT8, schema.TensorType.FLOAT32
    graph.operators.insert(0, cast)

    graph.inputs = [outer]
    for signature in model.signatureDefs or ():
        signature.inputs[0].tensorIndex = outer
