"""The same network in fewer bytes: what a TFLite file holds twice, or for nobody."""

from __future__ import annotations

from odtf.tflite import flatbuffer

# What the converter notes about itself; no runtime reads it.
_NEEDLESS_METADATA = (b"CONVERSION_METADATA",)


def lean(content: bytes) -> bytes:
    """Rewrites a TFLite file without what no runtime needs; its answers stay equal to the last bit.

    Inner tensors lose their names, constants that are equal become one buffer, ranges that calibration saw and the
    converter's notes on itself go. Equal quantisation vectors (the zero points of all layers of a width, above all),
    shapes, options and strings are stored once, which `flatbuffer.pack` sees to. Every constant starts on a 16-byte
    boundary.

    Args:
        content: bytes of a TFLite file; zip members behind the model are dropped.

    Returns:
        bytes; the same for the same content, and for a lean file the file itself.
    """
    model = flatbuffer.unpack(content)
    _drop_needless_metadata(model)
    for graph in model.subgraphs:
        interface = {*map(int, graph.inputs), *map(int, graph.outputs)}
        for index, tensor in enumerate(graph.tensors):
            if index not in interface:
                # Empty and not absent: Vela reads every name.
                tensor.name = b""
            if tensor.quantization is not None:
                _drop_needless_quantization(tensor)
    _merge_buffers(model)
    return flatbuffer.pack(model)


def _drop_needless_quantization(tensor):
    quantization = tensor.quantization
    quantization.min = quantization.max = None
    if quantization.scale is None and quantization.zeroPoint is None and quantization.details is None:
        tensor.quantization = None


def _drop_needless_metadata(model):
    model.metadata = [entry for entry in model.metadata or () if entry.name not in _NEEDLESS_METADATA] or None


def _merge_buffers(model):
    """Leaves one buffer for each distinct content, in order of first use; buffer 0 is the empty one, by convention."""
    places, kept = {b"": 0}, [model.buffers[0]]
    for holder in (*(tensor for graph in model.subgraphs for tensor in graph.tensors), *(model.metadata or ())):
        buffer = model.buffers[holder.buffer]
        data = b"" if buffer.data is None else bytes(bytearray(buffer.data))
        if data not in places:
            places[data] = len(kept)
            kept.append(buffer)
        holder.buffer = places[data]
    model.buffers = kept
