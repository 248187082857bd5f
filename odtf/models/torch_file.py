"""PyTorch's files of weights (.pth) read as data: there is no PyTorch, and no unpickler, so that nothing can be run.

Such a file holds a pickle, which is a program. A state dict needs few of its instructions: these are interpreted here,
on names that stand for nothing but tensors, and any other instruction or name is refused.
"""

import io
import pickletools
import zipfile

from odtf import paths
from odtf.errors import ARCHIVE_DAMAGE, UserError
from odtf.models.torch_tensors import Storage, Tensor

# Of the first of the pickles that stood one after the other in files before PyTorch 1.6, and of torchvision's VGG16.
_MAGIC, _PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
_DTYPES = {
    "torch DoubleStorage": "<f8",
    "torch FloatStorage": "<f4",
    "torch HalfStorage": "<f2",
    "torch IntStorage": "<i4",
    "torch LongStorage": "<i8",
}
_ORDERED, _PARAMETER = "collections OrderedDict", "torch._utils _rebuild_parameter"
_TENSORS = ("torch._utils _rebuild_tensor", "torch._utils _rebuild_tensor_v2")
_NAMES = {*_DTYPES, _ORDERED, _PARAMETER, *_TENSORS}

_VALUES = {
    *("BININT", "BININT1", "BININT2", "INT", "LONG", "LONG1", "LONG4", "BINFLOAT", "FLOAT"),
    *("BINUNICODE", "BINUNICODE8", "SHORT_BINUNICODE", "UNICODE", "BINSTRING", "SHORT_BINSTRING", "STRING"),
}
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_MARK = object()
_UNREADABLE = (*ARCHIVE_DAMAGE, IndexError, TypeError)


class _Refused(ValueError):
    """What a pickle says is more than tensors, or makes no sense; the words say what it was."""


class _Name(str):
    """A name of Python that a pickle uses, which stands for nothing but itself."""


def read_state_dict(path):
    """Reads the tensors of a file that `torch.save(model.state_dict(), path)` wrote.

    Args:
        path: of the file, of any version of PyTorch since 0.2: a zip archive, or pickles one after the other.

    Returns:
        dict from names to numpy arrays, in the order of the file.

    Raises:
        UserError: if there is no such file, it is damaged, or it holds anything but a dict of tensors; nothing of it
            has been run.
    """
    path = paths.at(path)
    if not path.is_file():
        raise UserError(f"There must be a file of PyTorch weights. Received: {path}, which is no file.")
    try:
        with paths.local_copy(path) as here:
            tensors, storages = _of_archive(here) if zipfile.is_zipfile(here) else _of_pickles(here)
        return {name: tensor.array(storages) for name, tensor in tensors.items()}
    except _UNREADABLE as error:
        words = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(
            "A file of PyTorch weights holds a dict of tensors, as torch.save(model.state_dict(), FILE) writes it. "
            f"Received: {path}, with {words}."
        ) from error


def _of_archive(path):
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        root = next((name.removesuffix("data.pkl") for name in names if name.endswith("/data.pkl")), None)
        if root is None:
            raise _Refused("no data.pkl in it")
        if f"{root}byteorder" in names and archive.read(f"{root}byteorder") != b"little":
            raise _Refused("numbers of another byte order")
        tensors = _state_dict(_interpreted(io.BytesIO(archive.read(f"{root}data.pkl"))))
        storages = {}
        for storage in {tensor.storage.key: tensor.storage for tensor in tensors.values()}.values():
            size = archive.getinfo(f"{root}data/{storage.key}").file_size
            if size != storage.size:
                raise _Refused(f"{size} bytes of storage {storage.key} where {storage.size} belong")
            storages[storage.key] = archive.read(f"{root}data/{storage.key}")
    return tensors, storages


def _of_pickles(path):
    with path.open("rb") as stream:
        if _interpreted(stream) != _MAGIC or _interpreted(stream) != _PROTOCOL:
            raise _Refused("another kind of file")
        if _of_kind(_interpreted(stream), dict).get("little_endian") is not True:
            raise _Refused("numbers of another byte order")
        tensors = _state_dict(_interpreted(stream))
        known = {tensor.storage.key: tensor.storage for tensor in tensors.values()}
        storages = {}
        for key in _interpreted(stream):
            count = int.from_bytes(stream.read(8), "little")
            if key not in known or count != known[key].count:
                raise _Refused(f"{count} numbers of storage {key!r}, which are none of a tensor's")
            storages[key] = stream.read(known[key].size)
    return tensors, storages


def _state_dict(found):
    if not isinstance(found, dict) or not found:
        raise _Refused("no dict of tensors")
    for name, value in found.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            raise _Refused(f"{name!r}, which is no tensor")
    return found


def _interpreted(stream):
    """Returns what one pickle describes, from where a stream stands to the pickle's end."""
    stack, memo = [], {}
    for opcode, argument, _ in pickletools.genops(stream):
        if opcode.name == "STOP":
            return stack.pop()
        _step(opcode.name, argument, stack, memo)
    raise _Refused("a pickle without an end")


def _step(opcode, argument, stack, memo):
    """Follows one instruction of a pickle."""
    if opcode in ("PROTO", "FRAME"):
        return
    if opcode in _VALUES:
        stack.append(argument)
    elif opcode in _CONSTANTS:
        stack.append(_CONSTANTS[opcode])
    elif opcode in ("EMPTY_DICT", "EMPTY_LIST", "EMPTY_TUPLE"):
        stack.append({"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple}[opcode]())
    elif opcode == "MARK":
        stack.append(_MARK)
    elif opcode in ("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"):
        memo[len(memo) if opcode == "MEMOIZE" else argument] = stack[-1]
    elif opcode in ("GET", "BINGET", "LONG_BINGET"):
        stack.append(memo[argument])
    elif opcode in ("GLOBAL", "STACK_GLOBAL"):
        stack.append(_known(argument if opcode == "GLOBAL" else " ".join(_popped(stack, 2))))
    elif opcode == "TUPLE" or opcode in _TUPLES:
        stack.append(tuple(_popped(stack, _TUPLES.get(opcode))))
    elif opcode in ("APPEND", "APPENDS"):
        values = _popped(stack, 1 if opcode == "APPEND" else None)
        _of_kind(stack[-1], list).extend(values)
    elif opcode in ("SETITEM", "SETITEMS"):
        values = _popped(stack, 2 if opcode == "SETITEM" else None)
        _of_kind(stack[-1], dict).update(zip(values[::2], values[1::2], strict=True))
    elif opcode == "BINPERSID":
        stack.append(_storage(stack.pop()))
    elif opcode == "REDUCE":
        stack[-2:] = [_made(*stack[-2:])]
    elif opcode == "BUILD":
        # What a state dict is given beside its tensors: the versions of its modules.
        _of_kind(stack.pop(), dict), _of_kind(stack[-1], dict)
    else:
        raise _Refused(f"the instruction {opcode}, which tensors do not need")


def _popped(stack, count=None):
    """Takes so many values from a stack, or those above the last mark and the mark; returns them in their order."""
    start = len(stack) - count if count is not None else max((i for i, v in enumerate(stack) if v is _MARK), default=-1)
    if start < 0:
        raise _Refused("a pickle that takes what it has not")
    values = stack[start:]
    del stack[start:]
    return values if count is not None else values[1:]


def _known(name):
    if name not in _NAMES:
        raise _Refused(f"the name {name.replace(' ', '.')}, which is none of a tensor's")
    return _Name(name)


def _of_kind(value, kind):
    if not isinstance(value, kind):
        raise _Refused(f"a {type(value).__name__} where a {kind.__name__} belongs")
    return value


def _storage(words):
    kind, dtype, key, _, count, *view = _of_kind(words, tuple)
    if kind != "storage" or not isinstance(dtype, _Name) or dtype not in _DTYPES or any(view):
        raise _Refused(f"a storage of {dtype!r}, which is not read here")
    return Storage(_of_kind(key, str), _DTYPES[dtype], _of_kind(count, int))


def _made(name, arguments):
    """What a call of one of the known names stands for."""
    if not isinstance(name, _Name) or not isinstance(arguments, tuple):
        raise _Refused("a call of something that has no name")
    if name == _ORDERED:
        return dict(*arguments)
    if name == _PARAMETER:
        return _of_kind(arguments[0], Tensor)
    if name not in _TENSORS:
        raise _Refused(f"a call of {name.replace(' ', '.')}")
    storage, offset, shape, strides = arguments[:4]
    return Tensor(_of_kind(storage, Storage), offset, tuple(shape), tuple(strides))
