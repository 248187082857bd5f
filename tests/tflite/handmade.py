"""TFLite files made by hand, good ones and such as LiteRT dies of; no TensorFlow is needed for them."""

import copy

from ai_edge_litert import schema_py_generated as schema

from odtf.tflite import flatbuffer

SHAPE = (1, 4, 4, 1)


def tensor(name, shape, kind, buffer=0):
    made = schema.TensorT()
    made.name, made.shape, made.type, made.buffer = name, shape, kind, buffer
    return made


def model(operator, inputs=(0,), options=None):
    """A file of one operator from an image to as many numbers; tensor 1 is a constant, True."""
    made, code, graph, yes = schema.ModelT(), schema.OperatorCodeT(), schema.SubGraphT(), schema.BufferT()
    code.builtinCode = code.deprecatedBuiltinCode = getattr(schema.BuiltinOperator, operator)
    op = schema.OperatorT()
    op.inputs, op.outputs, op.opcodeIndex = list(inputs), [2], 0
    if options is not None:
        op.builtinOptionsType, op.builtinOptions = getattr(schema.BuiltinOptions, type(options).__name__[:-1]), options
    yes.data = b"\1"
    number, truth = schema.TensorType.FLOAT32, schema.TensorType.BOOL
    graph.tensors = [tensor("image", SHAPE, number), tensor("yes", [1], truth, 1), tensor("out", SHAPE, number)]
    graph.inputs, graph.outputs, graph.operators = [0], [2], [op]
    made.version, made.buffers, made.operatorCodes, made.subgraphs = 3, [schema.BufferT(), yes], [code], [graph]
    return made


def sound():
    """Bytes of a file that runs."""
    return flatbuffer.pack(model("RELU"))


def deadly():
    """Bytes of a file whose graph calls itself: LiteRT does so until its stack is full, and dies by SIGSEGV."""
    options = schema.IfOptionsT()
    options.thenSubgraphIndex = options.elseSubgraphIndex = 1
    made = model("IF", (1, 0), options)
    made.subgraphs.append(copy.deepcopy(made.subgraphs[0]))
    return flatbuffer.pack(made)


def lacking():
    """Bytes of a file whose constant is gone: LiteRT prepares it, and misses that when it runs."""
    made = model("ADD", (0, 3), schema.AddOptionsT())
    made.subgraphs[0].tensors.append(tensor("constant", SHAPE, schema.TensorType.FLOAT32, 0))
    return flatbuffer.pack(made)
