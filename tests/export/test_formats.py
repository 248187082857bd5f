"""What lies inside the files: aligned buffers, metadata, labels, C++ source."""

import io
import os
import re
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

from odtf.export.c_array import c_array, resolver_name
from odtf.tflite import flatbuffer, metadata

KIND = "od_cheap depthwise"
LABELS = [f'"{name}"\\ü?' for name in ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "9")]


@pytest.fixture
def soc(exported):
    return Path(exported(KIND, "soc", "int8")["path"])


@pytest.fixture
def phone(exported):
    return Path(exported(KIND, "phone", "int8")["path"])


@pytest.mark.parametrize("target", ["soc", "phone"])
def test_weights_lie_on_16_byte_boundaries(target, exported):
    from ai_edge_litert import schema_py_generated as schema

    content = bytearray(Path(exported(KIND, target, "int8")["path"]).read_bytes())
    model = schema.Model.GetRootAs(content)
    starts = []
    for index in range(model.BuffersLength()):
        table = model.Buffers(index)._tab
        if field := table.Offset(4):
            starts.append(table.Vector(field))
    assert len(starts) > 20
    assert [start % 16 for start in starts] == [0] * len(starts)


def test_repacking_changes_nothing(soc):
    content = soc.read_bytes()
    assert flatbuffer.pack(flatbuffer.unpack(content)) == content


def test_only_the_interface_has_names_and_no_constant_is_there_twice(phone):
    model = flatbuffer.unpack(phone.read_bytes())
    graph = model.subgraphs[0]
    names = [tensor.name for tensor in graph.tensors]
    assert sorted(set(names)) == [b"", b"image", b"scores"]
    assert [names[i] for i in (*graph.inputs, *graph.outputs)] == [b"image", b"scores"]
    assert {entry.name for entry in model.metadata} == {b"min_runtime_version", metadata.ENTRY.encode()}
    contents = [bytes(bytearray(buffer.data)) if buffer.data is not None else b"" for buffer in model.buffers]
    assert len(set(contents)) == len(contents)
    assert contents[0] == b""


def test_equal_vectors_are_stored_once(soc):
    content = soc.read_bytes()
    # Every layer of a width has the same zero points: as many vectors as widths that are not one.
    widths = {
        len(tensor.quantization.scale)
        for tensor in flatbuffer.unpack(content).subgraphs[0].tensors
        if tensor.quantization is not None
    }
    for width in widths - {1}:
        assert content.count(width.to_bytes(4, "little") + bytes(8 * width)) == 1


def test_labels_are_a_zip_member_and_a_file_beside(phone, digits):
    names = [str(name) for name in digits.names]
    with zipfile.ZipFile(phone) as archive:
        assert archive.namelist() == ["labels.txt"]
        assert archive.testzip() is None
        assert archive.read("labels.txt").decode().splitlines() == names
    assert (phone.parent / "labels.txt").read_text().splitlines() == names


def test_soc_file_carries_no_metadata(soc):
    assert flatbuffer.read_metadata(flatbuffer.unpack(soc.read_bytes()), metadata.ENTRY) is None
    assert not zipfile.is_zipfile(soc)


def test_metadata_marks_itself(phone):
    built = flatbuffer.read_metadata(flatbuffer.unpack(phone.read_bytes()), metadata.ENTRY)
    assert built[4:8] == b"M001"


@pytest.mark.needs(package="mediapipe")
def test_metadata_reads_back_through_the_official_schema(phone):
    from mediapipe.tasks.metadata import metadata_schema_py_generated as schema

    built = flatbuffer.read_metadata(flatbuffer.unpack(phone.read_bytes()), metadata.ENTRY)
    read = schema.ModelMetadataT.InitFromPackedBuf(bytearray(built), 0)
    assert (read.name, read.author, read.minParserVersion) == (b"peer", b"odtf", b"1.0.0")
    assert b"10 classes of digits" in read.description
    assert read.version
    (graph,) = read.subgraphMetadata
    (image,), (scores,) = graph.inputTensorMetadata, graph.outputTensorMetadata

    assert image.name == b"image"
    assert image.content.contentPropertiesType == schema.ContentProperties.ImageProperties
    properties = image.content.contentProperties
    assert properties.colorSpace == schema.ColorSpaceType.RGB
    assert (properties.defaultSize.width, properties.defaultSize.height) == (8, 8)
    (unit,) = image.processUnits
    assert unit.optionsType == schema.ProcessUnitOptions.NormalizationOptions
    assert (list(unit.options.mean), list(unit.options.std)) == ([0.0], [1.0])
    assert (list(image.stats.max), list(image.stats.min)) == ([255.0] * 3, [0.0] * 3)

    assert scores.name == b"scores"
    assert scores.content.contentPropertiesType == schema.ContentProperties.FeatureProperties
    (labels,) = scores.associatedFiles
    assert labels.name == b"labels.txt"
    assert labels.type == schema.AssociatedFileType.TENSOR_AXIS_LABELS


def test_c_array_holds_the_file(soc):
    source = soc.with_suffix(".cc").read_text()
    body = re.search(r"alignas\(16\) const unsigned char student_int8\[\] = \{([^}]*)\}", source).group(1)
    assert bytes(int(value) for value in body.replace("\n", "").split(",") if value.strip()) == soc.read_bytes()
    assert f"student_int8_len = {soc.stat().st_size};" in source
    assert max(map(len, source.splitlines())) <= 120


def test_header_tells_firmware_what_it_needs(soc):
    header = soc.with_suffix(".h").read_text()
    assert "int8 1x8x8x1, value = 1 * (stored - (-128))" in header
    assert "MicroMutableOpResolver<5> resolver;" in header
    assert "resolver.AddDepthwiseConv2D();" in header


@pytest.mark.parametrize(
    ("operator", "method"),
    [
        ("CONV_2D", "AddConv2D"),
        ("MAX_POOL_2D", "AddMaxPool2D"),
        ("FULLY_CONNECTED", "AddFullyConnected"),
        ("RELU6", "AddRelu6"),
        ("ADD", "AddAdd"),
    ],
)
def test_resolver_names(operator, method):
    assert resolver_name(operator) == method


@pytest.mark.skipif(not os.environ.get("CI") and shutil.which("g++") is None, reason="no C++ compiler")
def test_c_array_compiles_to_the_file(soc, tmp_path):
    header, source = c_array(soc.read_bytes(), "net", "a network", LABELS)
    (tmp_path / "net.h").write_text(header)
    (tmp_path / "net.cc").write_text(source)
    (tmp_path / "main.cc").write_text(
        """#include <cstdint>
        #include <cstdio>
        #include "net.h"
        int main() {
          for (int i = 0; i < net_num_labels; ++i) fprintf(stderr, "%s\\n", net_labels[i]);
          fwrite(net, 1, net_len, stdout);
          return reinterpret_cast<uintptr_t>(net) % 16;
        }"""
    )
    flags = ["-std=c++17", "-Wall", "-Wextra", "-pedantic", "-Werror"]
    subprocess.run(["g++", *flags, "main.cc", "net.cc", "-o", "main"], cwd=tmp_path, check=True)
    run = subprocess.run([tmp_path / "main"], capture_output=True, check=True)
    assert run.stdout == soc.read_bytes()
    assert run.stderr.decode().splitlines() == LABELS


def test_zip_leaves_the_model_as_it_was(soc):
    content = soc.read_bytes()
    labelled = metadata._append(content, "labels.txt", b"a\n")
    assert labelled.startswith(content)
    assert zipfile.ZipFile(io.BytesIO(labelled)).read("labels.txt") == b"a\n"
