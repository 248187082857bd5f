"""What is mutated: a finished run with its files, models of others, images; made once, and what is right of each."""

import json
import pathlib
import shutil

import numpy as np
from PIL import Image

from tests.any_change import ANY_CHANGE

_TRAIN = {
    **{"data.name": "digits", "batch_size": 1024, "epochs": 2, "checkpoint.every_steps": 1},
    **{"deterministic": True, "export.targets": ["soc", "phone"]},
}
_RECORDS = ("config.json", "data.json", "report.json", "chosen")


class Ground:
    """Makes everything in a directory, or finds it there.

    Args:
        zygote: `tests.zygote.Zygote`.
        root: directory.

    Attributes:
        config: path of a config file that takes any change as JSON.
        run: workdir of a finished run of two steps with exports for soc and phone.
        files: {"soc", "phone", "keras", "onnx"} -> path.
        pictures: {".png", ".jpg", ".bmp", ".gif"} -> bytes.
        same: flags with which odtf-train made the run, but its workdir.
    """

    def __init__(self, zygote, root):
        root = pathlib.Path(root)
        root.mkdir(parents=True, exist_ok=True)
        self._zygote, self._right = zygote, {}
        self.config, self.run = root / "config.py", root / "run"
        self.config.write_text(ANY_CHANGE)
        self.same = (f"--config={self.config}:{json.dumps(_TRAIN)}",)
        if not (self.run / "report.json").exists():
            status, _, err = zygote.run("odtf-train", *self.same, f"--workdir={self.run}", seconds=600)
            assert status == 0, err
        (soc,), (phone,) = ((self.run / "export" / name).glob("*.tflite") for name in ("soc", "phone"))
        self.files = {"soc": soc, "phone": phone, "keras": self.run / "student.keras", "onnx": _onnx(root / "two.onnx")}
        self.pictures = dict(_pictures(root))

    def copy(self, to, *names):
        """Copies the records of the run, or what else is named."""
        to.mkdir()
        for name in names or _RECORDS:
            path = self.run / name
            (shutil.copytree if path.is_dir() else shutil.copy)(path, to / name)
        return to

    def right(self, reader, path):
        """Returns what a reader prints of something sound, read once."""
        if reader not in self._right:
            status, out, err = self._zygote.run(f"tests.fuzzing.readers:{reader}", str(path))
            assert status == 0, err
            self._right[reader] = out.splitlines()[-1]
        return self._right[reader]


def _onnx(path):
    """A file of ONNX with a convolution, its mean and two answers."""
    from onnx import TensorProto, helper, numpy_helper, save

    draw = np.random.default_rng(0)
    nodes = [
        helper.make_node("Conv", ["image", "kernel"], ["maps"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["maps"], ["positive"]),
        helper.make_node("GlobalAveragePool", ["positive"], ["mean"]),
        helper.make_node("Flatten", ["mean"], ["flat"]),
        helper.make_node("Gemm", ["flat", "dense"], ["answer"]),
    ]
    weights = {"kernel": (4, 3, 3, 3), "dense": (4, 2)}
    arrays = [
        numpy_helper.from_array(draw.standard_normal(shape).astype(np.float32), name) for name, shape in weights.items()
    ]
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 3, 4, 4])
    answer = helper.make_tensor_value_info("answer", TensorProto.FLOAT, ["n", 2])
    opset = [helper.make_opsetid("", 13)]
    save(helper.make_model(helper.make_graph(nodes, "g", [image], [answer], arrays), opset_imports=opset), path)
    return path


def _pictures(root):
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8, 3)).astype(np.uint8)
    for suffix in (".png", ".jpg", ".bmp", ".gif"):
        path = root / f"picture{suffix}"
        Image.fromarray(pixels).save(path)
        yield suffix, path.read_bytes()
