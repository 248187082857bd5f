"""The code that a model card prints for firmware: it compiles, and asks of the library what it may ask for.

Headers of our own stand in for TensorFlow Lite Micro (tests/export/tflm). Where the environment names a build of the
library itself, the same code is linked with that: TFLM_INCLUDE, folders of headers as in PATH, and TFLM_LIBRARY, such
as libtensorflow-microlite.a.
"""

import os
import pathlib
import re
import shutil
import subprocess

import jinja2
import numpy as np
import pytest

from odtf.export import Runner, export_student
from odtf.export.c_array import resolver_name
from odtf.targets import operator_sets
from odtf.tflite.arena import arena

HERE = pathlib.Path(__file__).parent / "tflm"
FLAGS = ("-std=c++17", "-Wall", "-Wextra", "-pedantic", "-Werror")
KIND = "od_cheap depthwise"
IMAGES = 400

# Where the library's own build keeps what its headers include.
_DOWNLOADS = ("third_party", "tensorflow/lite/micro/tools/make/downloads")
_DEPENDENCIES = ("flatbuffers/include", "gemmlowp", "ruy")

pytestmark = pytest.mark.skipif(not os.environ.get("CI") and shutil.which("g++") is None, reason="no C++ compiler")


def snippet(card):
    """Returns the one piece of C++ in a model card."""
    (code,) = re.findall(r"```cpp\n(.*?)```", card, re.DOTALL)
    return code


@pytest.fixture(scope="module")
def card(student, digits, tmp_path_factory):
    """A folder with the card and the C array of a student that tells digits apart."""
    folder = tmp_path_factory.mktemp("card")
    about = {"name": "peer", "training": {}}
    export_student(student(KIND), digits, folder, target="micro", about=about, max_examples=64)
    return folder


@pytest.fixture(scope="module")
def images(digits):
    return digits.splits["train"].take(np.arange(IMAGES))[0]


def compiled(folder, code, source, options):
    """Compiles the code with the C array of a folder and the program that calls it; returns the program's path."""
    (folder / "snippet.cc").write_text(code)
    command = ["g++", *FLAGS, "snippet.cc", HERE / "main.cc", source.with_suffix(".cc"), f"-I{source.parent}"]
    run = subprocess.run([*command, *options, "-o", "firmware"], cwd=folder, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return folder / "firmware"


def stub(content, *more):
    """Returns the compiler's options for the headers that stand in, for a file of int8 tensors."""
    taken = arena(content)
    return [
        f"-I{HERE}",
        *(f"-DSTUB_{name}=int8_t" for name in ("INPUT", "OUTPUT")),
        *("-DSTUB_PIXELS=64", "-DSTUB_OUTPUTS=10", "-DSTUB_OPERATORS=5"),
        *(f"-DSTUB_{part.upper()}={taken[part]}" for part in ("head_bytes", "tail_bytes")),
        *more,
    ]


def answers(program, images):
    run = subprocess.run([program], input=images.tobytes(), capture_output=True, check=True)
    return [int(line) for line in run.stdout.split()], run.stderr.decode().strip()


@pytest.mark.parametrize("names", [(), ("-DSTUB_SINCE_AUTUMN_2026",)], ids=["tflite", "tflite::micro"])
def test_400_images_prepare_the_interpreter_once(names, card, images, tmp_path):
    source = card / "student_int8"
    content = source.with_suffix(".tflite").read_bytes()
    program = compiled(tmp_path, snippet((card / "MODEL_CARD.md").read_text()), source, stub(content, *names))
    stored = images.reshape(IMAGES, 64).astype(np.int16) - 128
    found, counts = answers(program, images)
    assert found == stored[:, 7 * np.arange(10) % 64].argmax(axis=1).tolist()
    assert len(set(found)) > 3
    taken = arena(content)
    asked = f"operators 5 refused 0 allocations 1 invocations {IMAGES}"
    assert counts == f"{asked} arena_bytes {taken['head_bytes'] + taken['tail_bytes']}"


@pytest.mark.parametrize(
    "words",
    [
        "compiled with `-DTF_LITE_STATIC_MEMORY`, and this code must be too",
        "On an ESP32, an Arduino or another",
        "leaves it in flash",
        "keep `const`, and `alignas(16)`",
        "The resolver lists the 5 kinds of operators",
        "The arena lies in RAM",
        "It was not compiled for a\n  chip",
    ],
)
def test_the_card_says_what_a_build_needs(words, card):
    assert words in (card / "MODEL_CARD.md").read_text()


@pytest.mark.parametrize(
    ("found", "instead", "options", "allocations", "invocations"),
    [
        (r"ARENA_BYTES = \d+", "ARENA_BYTES = 12000", (), 1, 0),
        (r"OpResolver<5>", "OpResolver<4>", (), 0, 0),
        (r"resolver.AddAdd", "resolver.AddMean", (), 0, 0),
        (r"", "", ("-DSTUB_INVOKE_FAILS",), 1, IMAGES),
        (r"_tensor<int8_t>\(0\);\n  if \(input", "_tensor<int8_t>(1);\n  if (input", (), 1, 0),
        (r"output_tensor<int8_t>\(0\)", "output_tensor<int8_t>(1)", (), 1, IMAGES),
    ],
    ids=["arena", "resolver", "twice", "invoke", "input", "output"],
)
def test_whatever_fails_is_said(found, instead, options, allocations, invocations, card, images, tmp_path):
    """Nothing is tried again: a library that takes from its arena at each try would leave less at every image."""
    source = card / "student_int8"
    code = snippet((card / "MODEL_CARD.md").read_text())
    broken = re.sub(found, instead, code, count=1)
    assert (broken == code) == (not found)
    options = stub(source.with_suffix(".tflite").read_bytes(), *options)
    said, counts = answers(compiled(tmp_path, broken, source, options), images)
    assert said == [-1] * IMAGES
    assert f"allocations {allocations} invocations {invocations} " in counts


@pytest.mark.parametrize("stored", [("int8_t", "int8_t"), ("int16_t", "int16_t"), ("uint8_t", "float")])
def test_code_for_any_task_and_all_operators(stored, tmp_path):
    """Every name of a resolver's method is one that the library has."""
    templates = jinja2.Environment(loader=jinja2.PackageLoader("odtf.export"), undefined=jinja2.StrictUndefined)
    operators = [*sorted(operator_sets.MICRO | operator_sets.ETHOS_U), "CUSTOM:ethos-u"]
    code = snippet(
        templates.get_template("snippet_firmware.md.j2").render(
            arena={"bytes": 4096, "head_bytes": 1024, "tail_bytes": 2048, "by": "estimate"},
            array="net",
            pixels=64,
            resolvers=[resolver_name(name) for name in operators],
            stored={"input": stored[0], "output": stored[1], "expression": "pixels[i]"},
        )
    )
    assert "1,024 bytes of activations and 2,048 of structures, and 1,024 more to plan them;\n// estimated" in code
    (tmp_path / "net.h").write_text("extern const unsigned char net[];\n")
    (tmp_path / "snippet.cc").write_text(code)
    options = [f"-DSTUB_OPERATORS={len(operators)}", "-DSTUB_HEAD_BYTES=1024", "-DSTUB_TAIL_BYTES=2048"]
    options += [f"-DSTUB_INPUT={stored[0]}", f"-DSTUB_OUTPUT={stored[1]}", "-DSTUB_PIXELS=64", "-DSTUB_OUTPUTS=4"]
    command = ["g++", *FLAGS, "-c", "snippet.cc", f"-I{HERE}", *options]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


@pytest.mark.skipif(
    not (os.environ.get("TFLM_INCLUDE") and os.environ.get("TFLM_LIBRARY")),
    reason="TFLM_INCLUDE and TFLM_LIBRARY name no build of TensorFlow Lite Micro",
)
def test_the_library_itself_answers_as_reference_kernels(card, images, tmp_path):
    source = card / "student_int8"
    folders = [pathlib.Path(name) for name in os.environ["TFLM_INCLUDE"].split(os.pathsep)]
    folders += [folder / place / name for folder in folders for place in _DOWNLOADS for name in _DEPENDENCIES]
    # Its headers are not made for -pedantic: those of a system are not warned of.
    options = [option for folder in folders if folder.is_dir() for option in ("-isystem", folder)]
    options += ["-DTF_LITE_STATIC_MEMORY", "-DREAL_LIBRARY", "-DSTUB_PIXELS=64", os.environ["TFLM_LIBRARY"], "-lm"]
    program = compiled(tmp_path, snippet((card / "MODEL_CARD.md").read_text()), source, options)
    found, _ = answers(program, images)
    expected = Runner(source.with_suffix(".tflite"), kernels="reference").predict(images).argmax(axis=1)
    assert len(found) == IMAGES and np.mean(found == expected) >= 0.99
