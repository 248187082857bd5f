"""Reading and rewriting TFLite files as objects of their schema."""

from __future__ import annotations

import collections
import functools

from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.tools import flatbuffer_utils

from odtf.tflite.sharing_builder import SharingBuilder

_IDENTIFIER = b"TFL3"


class _AlignedBuffer(schema.BufferT):
    """A buffer on a 16-byte boundary, as the schema demands (`force_align: 16`).

    The generated Python code drops that attribute. On a desktop it goes unnoticed; a microcontroller reads the int32
    biases where they lie and faults.
    """

    def Pack(self, builder):
        data = None
        if self.data is not None and len(self.data):
            content = bytes(bytearray(self.data))
            builder.StartVector(1, len(content), 16)
            builder.head = builder.Head() - len(content)
            builder.Bytes[builder.Head() : builder.Head() + len(content)] = content
            data = builder.EndVector()
        schema.BufferStart(builder)
        if data is not None:
            schema.BufferAddData(builder, data)
        return schema.BufferEnd(builder)


def unpack(content):
    """Returns the model in `content` (bytes) as a `schema.ModelT`."""
    return schema.ModelT.InitFromPackedBuf(bytearray(content), 0)


def look(content):
    """Returns the model in `content` as `unpack` does, to be looked at and not changed: who asks next gets the same."""
    return _last(bytes(content))


# One file is looked at by one after the other: its operators, limits, scales, memory.
@functools.lru_cache(maxsize=1)
def _last(content):
    return unpack(content)


def pack(model):
    """Returns the bytes of a `schema.ModelT`, equal parts stored once; equal models give equal bytes."""
    model.buffers = [_aligned(buffer) for buffer in model.buffers]
    builder = SharingBuilder()
    builder.Finish(model.Pack(builder), _IDENTIFIER)
    return bytes(builder.Output())


def operators(content: bytes) -> dict[str, int]:
    """Counts the operators of a TFLite file.

    Args:
        content: the file's bytes.

    Returns:
        dict from operator name to count, in order of name: builtin names as in the schema (`"CONV_2D"`), others as
        `"CUSTOM:<code>"`; TensorFlow's own kernels show as `"CUSTOM:Flex..."`.
    """
    model = look(content)
    counts: collections.Counter[str] = collections.Counter()
    for graph in model.subgraphs:
        counts.update(operator_name(model, op) for op in graph.operators)
    return dict(sorted(counts.items()))


def operator_name(model, op):
    """Returns the name of one operator of a `schema.ModelT`, as in `operators`."""
    code = model.operatorCodes[op.opcodeIndex]
    number = flatbuffer_utils.get_builtin_code_from_operator_code(code)
    if number == schema.BuiltinOperator.CUSTOM:
        return f"CUSTOM:{(code.customCode or b'').decode()}"
    return flatbuffer_utils.opcode_to_name(model, op.opcodeIndex) or f"UNKNOWN:{number}"


def last_operator(content, passing):
    """Returns the name of the operator that makes a file's first output, as in `operators`; None if none does.

    Args:
        content: bytes of a TFLite file.
        passing: names of operators to look behind, which move or store values alone.
    """
    model = look(content)
    graph = model.subgraphs[0]
    made_by = {int(output): op for op in graph.operators for output in op.outputs}
    tensor, name = int(graph.outputs[0]), None
    while tensor in made_by:
        name = operator_name(model, made_by[tensor])
        if name not in passing:
            break
        tensor = int(made_by[tensor].inputs[0])
    return name


def interface(content):
    """Describes a file's input and output.

    Args:
        content: bytes of a TFLite file with one input and one output, compiled for an Ethos-U or not.

    Returns:
        Two dicts with `"name"`, `"type"` (such as `"int8"`), `"shape"` (tuple), `"scale"` and `"zero_point"` (0 for a
        tensor without quantisation): of the input and of the output.
    """
    graph = look(content).subgraphs[0]
    return [_describe(graph.tensors[index]) for index in (graph.inputs[0], graph.outputs[0])]


def rename_interface(model, input_name, output_name):
    """Gives the input and the output tensor of a model with one of each the names they have in its signature."""
    graph = model.subgraphs[0]
    graph.tensors[graph.inputs[0]].name = input_name
    graph.tensors[graph.outputs[0]].name = output_name


def add_metadata(model, name, content):
    """Stores `content` (bytes) as the metadata entry `name` of a model."""
    buffer, entry = schema.BufferT(), schema.MetadataT()
    buffer.data = content
    model.buffers.append(buffer)
    entry.name, entry.buffer = name, len(model.buffers) - 1
    model.metadata = [*(model.metadata or ()), entry]


def read_metadata(model, name):
    """Returns the metadata entry `name` as bytes, or None."""
    for entry in model.metadata or ():
        if entry.name == name.encode():
            return bytes(bytearray(model.buffers[entry.buffer].data))
    return None


def _aligned(buffer):
    aligned = _AlignedBuffer()
    aligned.data = buffer.data
    return aligned


def _describe(tensor):
    quantization = tensor.quantization
    known = quantization is not None and quantization.scale is not None
    return {
        "name": tensor.name.decode(),
        "type": flatbuffer_utils.type_to_name(tensor.type).lower(),
        "shape": tuple(map(int, tensor.shape)),
        "scale": float(quantization.scale[0]) if known else 0.0,
        "zero_point": int(quantization.zeroPoint[0]) if known else 0,
    }
