"""PyTorch's files read as data: tensors come out, and nothing else does."""

import os
import pickle
import re
import sys

import numpy as np
import pytest

from odtf.errors import UserError
from odtf.models.torch_file import read_state_dict
from tests.models import torch_writer

WRITERS = (torch_writer.write_archive, torch_writer.write_pickles)
every_form = pytest.mark.parametrize("write", WRITERS, ids=lambda write: write.__name__)


@pytest.fixture(autouse=True)
def torch(monkeypatch):
    for name, module in torch_writer.fake_torch().items():
        monkeypatch.setitem(sys.modules, name, module)


def arrays():
    random = np.random.default_rng(0)
    return {
        "features.0.weight": random.normal(size=(4, 3, 2, 5)).astype("float32"),
        "features.0.bias": random.normal(size=7).astype("float16"),
        "wide": random.normal(size=(2, 3)),
        "count": np.array(12),
    }


@every_form
def test_tensors_come_out_as_they_were(tmp_path, write):
    write(tmp_path / "weights.pth", *torch_writer.tensors(arrays()))
    found = read_state_dict(tmp_path / "weights.pth")
    assert list(found) == list(arrays())
    for name, array in arrays().items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)


class _Runs:
    """What a malicious pickle does when it is unpickled."""

    def __init__(self, function, *arguments):
        self.what = function, arguments

    def __reduce__(self):
        return self.what


def programs(trace):
    """Pickles that run something, or that are no tensors, and what is said of them."""
    opened = f"posix\nsystem\n(Vtouch {trace}\ntR.".encode()
    yield pickle.dumps({"w": _Runs(os.system, f"touch {trace}")}, 2), "posix.system"
    yield pickle.dumps({"w": _Runs(os.system, f"touch {trace}")}, 4), "posix.system"
    yield pickle.dumps(_Runs(exec, f"open({str(trace)!r}, 'w')"), 2), "builtin"
    yield b"c" + opened, "posix.system"
    yield f"(Vtouch {trace}\niposix\nsystem\n.".encode(), "the instruction INST"
    yield b"\x80\x02ctorch\nFloatStorage\n)\x81.", "the instruction NEWOBJ"
    yield b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n}b.", "where a dict belongs"
    yield b"\x80\x02ctorch\nFloatStorage\n)R.", "a call of torch.FloatStorage"
    yield b"\x80\x02}X\x01\x00\x00\x00wK\x01s.", "'w', which is no tensor"
    yield b"\x80\x02].", "no dict of tensors"
    yield b"\x80\x02}", ""
    yield b"\x80\x020.", ""
    yield b"\x80\x02t.", ""


@every_form
def test_whatever_is_more_than_tensors_is_refused_in_one_line_and_not_run(tmp_path, write):
    trace, path = tmp_path / "trace", tmp_path / "weights.pth"
    for replaced, words in programs(trace):
        write(path, None, replaced=replaced)
        with pytest.raises(UserError, match=f"holds a dict of tensors.*Received: {re.escape(str(path))}") as refused:
            read_state_dict(path)
        assert re.search(words, str(refused.value)) and "\n" not in str(refused.value)
        assert not trace.exists()


@every_form
def test_a_tensor_stays_in_its_storage(tmp_path, write):
    path = tmp_path / "weights.pth"
    for parts in ((1, (4,), (1,)), (0, (2, 2), (1, 3)), (0, (2,), (-1,)), (9, (1,), (1,)), (0, (2, 2), (1,))):
        state, storages = torch_writer.tensors({"w": np.arange(3, dtype="float32")})
        state["w"].parts = (storages[0], *parts)
        write(path, state, storages)
        with pytest.raises(UserError, match="a tensor "):
            read_state_dict(path)


@every_form
def test_damage_is_named(tmp_path, write):
    path = tmp_path / "weights.pth"
    state, storages = torch_writer.tensors(arrays())
    write(path, state, storages)
    whole = path.read_bytes()
    for size in (0, 10, len(whole) // 2, len(whole) - 30):
        path.write_bytes(whole[:size])
        with pytest.raises(UserError, match="Received: "):
            read_state_dict(path)
    short = torch_writer.Storage("0", storages[0].array[:-1])
    write(path, state, [short, *storages[1:]])
    with pytest.raises(UserError, match=r"of storage '?0'?"):
        read_state_dict(path)
    with pytest.raises(UserError, match="which is no file"):
        read_state_dict(tmp_path / "nothing.pth")
