"""Tensors and operators that are added where a file begins or ends."""

from ai_edge_litert import schema_py_generated as schema


def parameters_of(quantization):
    """Returns the `schema.QuantizationParametersT` of (scale, zero point)."""
    parameters = schema.QuantizationParametersT()
    parameters.scale, parameters.zeroPoint = ([value] for value in quantization)
    return parameters


def add_tensor(graph, index, kind, parameters=None):
    """Adds a tensor of another type that has the name and the shape of one.

    Args:
        graph: `schema.SubGraphT`, which is changed.
        index: of the tensor that it is like.
        kind: one of `schema.TensorType`.
        parameters: as `parameters_of` returns them; None: values are stored as they are.

    Returns:
        int, the index of the new one.
    """
    like, tensor = graph.tensors[index], schema.TensorT()
    tensor.name, tensor.shape, tensor.hasRank = like.name, like.shape, like.hasRank
    # Buffer 0 is the empty one, by convention.
    tensor.type, tensor.buffer, tensor.quantization = kind, 0, parameters
    graph.tensors.append(tensor)
    return len(graph.tensors) - 1


def operator_between(model, builtin, source, result, options):
    """Makes an operator from one tensor to another, whose code is new in the model; the caller gives it a place.

    Args:
        model: `schema.ModelT`, which gets the code.
        builtin: one of `schema.BuiltinOperator`.
        source: index of the tensor that it reads.
        result: index of the tensor that it writes.
        options: such as `schema.CastOptionsT()`.

    Returns:
        `schema.OperatorT`.
    """
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = builtin
    code.version = 1
    model.operatorCodes.append(code)
    operator = schema.OperatorT()
    operator.opcodeIndex, operator.inputs, operator.outputs = len(model.operatorCodes) - 1, [source], [result]
    operator.builtinOptionsType = getattr(schema.BuiltinOptions, type(options).__name__.removesuffix("T"))
    operator.builtinOptions = options
    return operator


def end_with(model, operator):
    """Appends an operator, whose result becomes the output of a model with one."""
    graph = model.subgraphs[0]
    graph.operators.append(operator)
    graph.outputs = list(operator.outputs)
    for signature in model.signatureDefs or ():
        signature.outputs[0].tensorIndex = operator.outputs[0]
