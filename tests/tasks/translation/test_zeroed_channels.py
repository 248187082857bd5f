"""A file of which any one channel of the picture is zeroed is refused: the weights of its last convolution."""

import functools
import pathlib

import numpy as np
import pytest
from PIL import Image

from odtf import data, export, models
from odtf.errors import VerificationError
from odtf.export.verification import verify
from odtf.models import heads
from odtf.targets import find
from odtf.tasks import Translation
from odtf.tflite import flatbuffer
from tests.models.test_networks import randomized
from tests.tasks.translation.test_devices import NETWORKS

SIDE = 32
FILES = [("unet", "soc", "int8"), ("unet", "phone", "float16"), ("resnet", "phone", "float16")]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Pairs of coloured pictures in a folder."""
    root, random = tmp_path_factory.mktemp("colours"), np.random.default_rng(0)
    for part, count in (("train", 12), ("test", 8)):
        for half in "AB":
            (root / f"{part}{half}").mkdir()
            for index in range(count):
                coarse = random.integers(0, 256, (6, 6, 3)).astype("uint8")
                picture = Image.fromarray(coarse).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
                picture.save(root / f"{part}{half}" / f"{index}.png")
    return data.load(f"folder:{root}", targets=Translation.targets, normalization=(0.5, 0.5), image_size=(SIDE, SIDE))


@pytest.fixture(scope="module")
def exported(pictures, tmp_path_factory):
    """Function from a network, a target and a quantisation to the network and the file's content."""

    @functools.cache
    def export_one(name, target, quantization):
        network = randomized(models.build(NETWORKS[name], (SIDE, SIDE, 3), heads.Image(3), seed=0, name="peer"))
        # Pictures with contrast: fresh kernels make nearly none, and a channel without any may be zeroed.
        last = [layer for layer in network.layers if layer.weights][-1].weights[0]
        last.assign(8.0 * last)
        options = {"task": Translation(), "calibration_examples": 8, "max_examples": 8, "max_drop": 1.0}
        folder = tmp_path_factory.mktemp("files")
        row = export.export_student(network, pictures, folder, target=target, quantization=quantization, **options)
        return network, pathlib.Path(row["path"]).read_bytes()

    return export_one


@pytest.mark.parametrize("channel", range(3))
@pytest.mark.parametrize(("name", "target", "quantization"), FILES)
def test_a_file_with_any_channel_zeroed_is_refused(name, target, quantization, channel, exported, pictures):
    network, content = exported(name, target, quantization)
    options = {"task": Translation(), "max_examples": 8, "max_drop": 100.0}
    verify(content, network, pictures, find(target), quantization, **options)
    with pytest.raises(VerificationError, match=rf"The {quantization} file (does not answer|answers worse)"):
        verify(zeroed(content, channel), network, pictures, find(target), quantization, **options)


def zeroed(content, channel):
    """The file with what makes one channel of the picture set to zero."""
    model = flatbuffer.unpack(content)
    graph = model.subgraphs[0]
    kinds = [flatbuffer.operator_name(model, op) for op in graph.operators]
    last = max(i for i, kind in enumerate(kinds) if kind in ("CONV_2D", "TRANSPOSE_CONV"))
    weights = int(graph.operators[last].inputs[1])
    for op in graph.operators:  # float16 weights go through a DEQUANTIZE.
        if weights in op.outputs:
            weights = int(op.inputs[0])
    assert graph.tensors[weights].shape[0] == 3
    buffer = model.buffers[graph.tensors[weights].buffer]
    values = np.array(buffer.data, np.uint8).reshape(3, -1)
    assert values[channel].any()
    values[channel] = 0
    buffer.data = values.reshape(-1)
    return flatbuffer.pack(model)
