"""A process that runs a file with TensorFlow Lite Micro (TFLM), apart from all else: a file that it lacks crashes it.

    python -m odtf.tflite.micro_program FOLDER PLENTY

FOLDER holds `file.tflite` and, if images are to be run, `inputs.npy`, the input tensor for each. PLENTY is the size of
an arena, in bytes, that is surely enough. `allocations.json` and `outputs.npy` appear beside them; what TFLM says on
its way goes to standard error.
"""

import json
import os
import pathlib
import re
import sys
import tempfile

import numpy as np

# Arenas are multiples of it, as all that lies in them.
_STEP = 16


def main(folder, plenty):
    """Writes what the file takes of an arena, and what it gives within the least one."""
    folder = pathlib.Path(folder)
    content = (folder / "file.tflite").read_bytes()
    head, tail = recorded(content, plenty)
    least = least_arena(content, head + tail)
    if (folder / "inputs.npy").exists():
        interpreter = prepared(content, least)
        np.save(folder / "outputs.npy", [answer(interpreter, one) for one in np.load(folder / "inputs.npy")])
    found = {"head_bytes": head, "tail_bytes": tail, "bytes": least}
    (folder / "allocations.json").write_text(json.dumps(found), "utf-8")


def recorded(content, plenty):
    """Returns the bytes of head and tail, as TFLM's recording allocator prints them."""
    interpreter = prepared(content, plenty)
    with tempfile.TemporaryFile() as sink:
        kept = os.dup(2)
        os.dup2(sink.fileno(), 2)
        interpreter.print_allocations()
        os.dup2(kept, 2)
        os.close(kept)
        sink.seek(0)
        printed = sink.read().decode()
    return (int(re.search(rf"allocation {part} (\d+) bytes", printed).group(1)) for part in ("head", "tail"))


def prepared(content, arena_bytes):
    """Returns TFLM's interpreter of a file, its tensors allocated in an arena of its own."""
    # Whatever imports all modules of odtf does not need the package.
    from tflite_micro import runtime

    return runtime.Interpreter.from_bytes(content, arena_size=arena_bytes)


def least_arena(content, taken):
    """Returns the bytes of the least arena in which a file can be prepared, at least the `taken` ones."""
    too_little, least = taken - _STEP, taken
    while not _fits(content, least):
        too_little, least = least, 2 * least
    while least - too_little > _STEP:
        middle = too_little + (least - too_little) // (2 * _STEP) * _STEP
        too_little, least = (too_little, middle) if _fits(content, middle) else (middle, least)
    return least


def answer(interpreter, stored):
    """Returns the output tensor for an input tensor, both without the batch's dimension."""
    interpreter.set_input(stored[np.newaxis], 0)
    interpreter.invoke()
    return interpreter.get_output(0)[0]


def _fits(content, arena_bytes):
    try:
        prepared(content, arena_bytes)
    except RuntimeError:
        return False
    return True


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
