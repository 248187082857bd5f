"""Raw pixels 0..255 as a file takes and gives them, whatever it computes in."""

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
    parameters = schema.QuantizationParametersT()
    parameters.scale, parameters.zeroPoint = [quantization[0]], [quantization[1]]
    if graph.tensors[inner].type == wanted:
        (maker,) = (op for op in graph.operators if inner in op.outputs)
        if model.operatorCodes[maker.opcodeIndex].builtinCode != schema.BuiltinOperator.QUANTIZE:
            raise ValueError(f"The output of a file must come from a QUANTIZE to be given a scale. Received: {kind}.")
        graph.tensors[inner].quantization = parameters
        return
    stored = schema.TensorT()
    stored.name, stored.shape = graph.tensors[inner].name, graph.tensors[inner].shape
    stored.type, stored.buffer, stored.hasRank = wanted, 0, graph.tensors[inner].hasRank
    stored.quantization = parameters
    graph.tensors[inner].name = "values"
    graph.tensors.append(stored)
    outer = len(graph.tensors) - 1
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.QUANTIZE
    code.version = 1
    model.operatorCodes.append(code)
    quantize = schema.OperatorT()
    quantize.opcodeIndex, quantize.inputs, quantize.outputs = len(model.operatorCodes) - 1, [inner], [outer]
    quantize.builtinOptionsType = schema.BuiltinOptions.QuantizeOptions
    quantize.builtinOptions = schema.QuantizeOptionsT()
    graph.operators.append(quantize)
    graph.outputs = [outer]
    for signature in model.signatureDefs or ():
        signature.outputs[0].tensorIndex = outer
