"""Files as `torch.save(state_dict, path)` writes them, in both of its forms, without PyTorch."""

import collections
import io
import pickle
import sys
import types
import zipfile

import numpy as np

MAGIC, PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
_STORAGES = {"float32": "FloatStorage", "float64": "DoubleStorage", "float16": "HalfStorage", "int64": "LongStorage"}


def fake_torch():
    """Modules with the names that a state dict uses, by which Python pickles them."""
    torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")

    def _rebuild_tensor_v2():
        """Never called."""

    _rebuild_tensor_v2.__module__ = "torch._utils"
    _rebuild_tensor_v2.__qualname__ = "_rebuild_tensor_v2"
    utils._rebuild_tensor_v2 = _rebuild_tensor_v2
    for name in _STORAGES.values():
        setattr(torch, name, type(name, (), {"__module__": "torch"}))
    torch._utils = utils
    return {"torch": torch, "torch._utils": utils}


class Storage:
    def __init__(self, key, array):
        self.key, self.array = key, array


class _Tensor:
    """A view of a storage, of a shape and with strides in numbers."""

    def __init__(self, storage, offset, shape, strides):
        self.parts = (storage, offset, tuple(shape), tuple(strides))

    def __reduce__(self):
        rebuild = sys.modules["torch._utils"]._rebuild_tensor_v2
        return rebuild, (*self.parts, False, collections.OrderedDict())


def tensors(arrays):
    """State dict and storages of arrays. The first tensor of two axes or more is stored transposed."""
    state, storages = collections.OrderedDict(), []
    turned = next((name for name, array in arrays.items() if array.ndim > 1), None)
    for name, array in arrays.items():
        stored = array.T if name == turned else array
        # In the middle of a storage, as views of others are.
        storage = Storage(str(len(storages)), np.concatenate([stored.ravel()[:1], stored.ravel()]))
        strides = np.empty(stored.shape, "int8").strides
        state[name] = _Tensor(storage, 1, array.shape, strides[::-1] if name == turned else strides)
        storages.append(storage)
    state._metadata = collections.OrderedDict({"": {"version": 1}})
    return state, storages


def pickled(value, view=()):
    """The pickle of a state dict, whose storages stand for themselves by name."""

    class Pickler(pickle.Pickler):
        def persistent_id(self, value):
            if not isinstance(value, Storage):
                return None
            kind = getattr(sys.modules["torch"], _STORAGES[value.array.dtype.name])
            return ("storage", kind, value.key, "cpu", len(value.array), *view)

    stream = io.BytesIO()
    Pickler(stream, protocol=2).dump(value)
    return stream.getvalue()


def write_archive(path, state, storages=(), replaced=None):
    """The form of PyTorch 1.6 and later; `replaced` is a pickle in place of the state dict's."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", replaced or pickled(state))
        archive.writestr("archive/byteorder", "little")
        for storage in storages:
            archive.writestr(f"archive/data/{storage.key}", storage.array.tobytes())
        archive.writestr("archive/version", "3\n")


def write_pickles(path, state, storages=(), replaced=None):
    """The form before: pickles one after the other, then the storages."""
    with open(path, "wb") as stream:
        for value in (MAGIC, PROTOCOL, {"protocol_version": PROTOCOL, "little_endian": True, "type_sizes": {}}):
            pickle.dump(value, stream, protocol=2)
        stream.write(replaced or pickled(state, (None,)))
        pickle.dump([storage.key for storage in storages], stream, protocol=2)
        for storage in storages:
            stream.write(len(storage.array).to_bytes(8, "little") + storage.array.tobytes())
