"""What a model card says to apps: whole files of Kotlin and Swift, as far as that shows without their compilers."""

import re
import types

import pytest

from odtf.export import card, templating
from odtf.targets import TARGETS
from odtf.tasks import Classification
from odtf.tasks.retrieval import Retrieval
from odtf.tasks.segmentation import Segmentation
from odtf.tasks.translation import Translation
from tests.export.test_tasks import Brightness

CASES = [
    (Classification(), "uint8", "float32", (1, 10)),
    (Segmentation(), "uint8", "float32", (1, 96, 64, 4)),
    (Segmentation(answers="classes"), "float32", "int32", (1, 96, 64)),
    (Retrieval(), "uint8", "uint8", (1, 16)),
    (Translation(), "uint8", "uint8", (1, 96, 64, 3)),
    (Brightness(), "float32", "float32", (1, 1)),
]
# Names of the code that are none of its language, and what brings them.
KOTLIN = {
    "Context",
    "Bitmap",
    "Canvas",
    "Color",
    "Log",
    "CompiledModel",
    "Accelerator",
    "BitmapImageBuilder",
    "ByteBuffer",
}
KOTLIN |= {"BaseOptions", "Delegate", "ImageClassifier", "ImageSegmenter", "ImageEmbedder", "ByteBufferExtractor"}


def blocks(task, image, output, shape, resize="stretch", target="phone"):
    """The code blocks of a card's snippet: pairs of a language and its lines."""
    environment = templating.environment_of(task)
    target = TARGETS[target]
    text = environment.get_template(templating.snippet_of(environment, task, target.snippet)).render(
        file="student_int8",
        framing="Framed.",
        info=types.SimpleNamespace(resize=resize),
        mobile=card._MOBILE,
        target=target,
        tensors=[
            {"type": image, "shape": (1, 96, 64, 3), "scale": 1.0, "zero_point": 0},
            {"type": output, "shape": shape, "scale": 0.5, "zero_point": 3},
        ],
    )
    return text, re.findall(r"^```(\w+)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("resize", ["stretch", "fit", "crop"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0].name} {case[2]}")
def test_every_name_is_imported_and_every_bracket_closed(case, resize):
    text, found = blocks(*case, resize=resize)
    assert [language for language, _ in found].count("kotlin") >= 1 and "swift" in dict(found)
    for language, code in found:
        for pair in ("()", "[]", "{}"):
            assert code.count(pair[0]) == code.count(pair[1])
        if language == "kotlin":
            imported = set(re.findall(r"^import [\w.]+\.(\w+)$", code, re.MULTILINE))
            body = re.sub(r"^import .*$|//.*$", "", code, flags=re.MULTILINE)
            used = set(re.findall(r"(?<![\w.])[A-Z]\w+", body)) & KOTLIN
            assert imported == used, (imported - used, used - imported)
        assert "\t" not in code and not re.search(r" +$", code, re.MULTILINE)
    assert re.search(r"com\.google\.ai\.edge\.litert:litert:\d+\.\d+\.\d+", text)
    assert re.search(r"pod 'TensorFlowLiteSwift', '\d+\.\d+\.\d+'", text)
    assert "Not compiled" in text and re.search(r"known on \d+ \w+ 20\d\d", text)


@pytest.mark.parametrize(
    ("index", "kotlin", "swift"),
    [
        (0, "return outputs[0].readFloat()", "bindMemory(to: Float.self)"),
        (2, "stored[it].toFloat()", "bindMemory(to: Int32.self)"),
        (3, "0.5f * ((stored[it].toInt() and 255) - 3)", "0.5 * (Float($0) - 3)"),
    ],
)
def test_outputs_are_read_by_their_type(index, kotlin, swift):
    text, _ = blocks(*CASES[index])
    assert kotlin in text and swift in text
    pixels = "inputs[0].writeFloat(" if CASES[index][1] == "float32" else "inputs[0].writeInt8("
    assert text.count("inputs[0].write") == 1 and pixels in text


def test_a_gpu_s_file_is_told_to_run_there():
    text, _ = blocks(*CASES[0], target="phone-gpu")
    assert "Delegate.GPU" in text and "CompiledModel.Options(Accelerator.GPU)" in text
