"""The web target: a page that gives, in headless Chromium, the answers that LiteRT gives here."""

import dataclasses
import functools
import json
import os
import pathlib

import keras
import numpy as np
import pytest
from PIL import Image

from odtf import data, tasks
from odtf.data.framing import framed
from odtf.errors import UserError
from odtf.export import PHONE, Runner, add_web_library, convert_calibrated, export_student
from odtf.export.web_page import web_page
from odtf.targets import TARGETS, web_packages
from odtf.tasks.retrieval import Retrieval
from odtf.tasks.segmentation import Segmentation
from odtf.tasks.translation import Translation
from tests.export.browsing import browse, litert_js
from tests.export.test_tasks import Brightness

KIND = "resnet8 standard"
READY = "await until(() => document_().documentElement.dataset.ready);\n"
EXAMPLES = (
    READY
    + """
const seen = [];
for (const button of at("examples").children) seen.push(plain(await answered(() => button.click())));
await post({seen, captions: [...at("examples").children].map((button) => button.innerText.trim())});
"""
)


@pytest.fixture(scope="module")
def page(student, digits, tmp_path_factory):
    """The folder of an export for the web, the library beside it."""
    folder = tmp_path_factory.mktemp("web")
    about = {"name": "peer_1", "training": {"method": "least squares"}}
    export_student(student(KIND), digits, folder, target="web", about=about, max_examples=64)
    return folder


@pytest.fixture(scope="module")
def complete(page):
    add_web_library(page, litert_js())
    return page


def test_the_folder_says_what_completes_it(page, digits):
    card = (page / "MODEL_CARD.md").read_text()
    assert "npm install\npython3 -m http.server 8000" in card and "`examples.png`" in card
    package = json.loads((page / "package.json").read_text())
    assert package["dependencies"] == {"@litertjs/core": web_packages.LITERT_JS}
    html = (page / "index.html").read_text()
    assert "student_int8.tflite" in html and "http://" not in html.replace("http://localhost:8000", "")
    assert (page / "labels.txt").read_text().split() == list(digits.names)


def test_labels_and_scores_in_the_browser_are_those_of_litert(complete, digits):
    found, asked = browse(complete, EXAMPLES)
    images = np.array([one["pixels"] for one in found["seen"]], np.uint8).reshape(-1, 8, 8, 3)
    assert len(images) == 24 and len(np.unique(images, axis=0)) > 20
    held = digits.splits["test"].take(np.arange(len(digits.splits["test"])))
    for image, caption in zip(images, found["captions"], strict=True):
        same = np.all(held[0] == image[..., :1], axis=(1, 2, 3))
        assert caption in {digits.names[label] for label in held[1][same]}
    expected = Runner(complete / "student_int8.tflite").predict(images)
    np.testing.assert_allclose([one["values"] for one in found["seen"]], expected, atol=1e-6)
    for one, scores in zip(found["seen"], expected, strict=True):
        assert one["text"].split("\n")[:2] == [digits.names[scores.argmax()], f"{100 * scores.max():.1f} %"]
    # What the page takes lies beside it.
    assert {path for path in asked if "node_modules" not in path} <= {
        *("/driver.html", "/index.html", "/student_int8.tflite", "/examples.png", "/favicon.ico")
    }


@pytest.mark.parametrize("resize", ["stretch", "fit", "crop"])
def test_a_picture_of_another_size_is_framed_as_in_training(complete, resize):
    html = (complete / "index.html").read_text()
    rng = np.random.default_rng(5)
    pictures = [rng.integers(0, 256, shape, np.uint8) for shape in ((31, 20, 3), (6, 45, 3), (5, 5, 3))]
    steps = READY + "const seen = [];\n"
    for index, picture in enumerate(pictures):
        Image.fromarray(picture).save(complete / f"given_{index}.png")
        steps += f'const given_{index} = await (await fetch("given_{index}.png")).blob();\n'
        steps += f'seen.push(plain(await choose(given_{index}, "a.png", "image/png")));\n'
    (complete / "index.html").write_text(html.replace('"resize": "stretch"', f'"resize": "{resize}"'))
    try:
        found, _ = browse(complete, steps + "await post({seen});")
    finally:
        (complete / "index.html").write_text(html)
    runner = Runner(complete / "student_int8.tflite")
    for picture, one in zip(pictures, found["seen"], strict=True):
        wanted = np.asarray(framed(Image.fromarray(picture), (8, 8), resize)).astype(int)
        given = np.array(one["pixels"]).reshape(8, 8, 3)
        assert np.abs(given - wanted).max() <= 1 and np.mean(given != wanted) < 0.05
        expected = runner.predict(given[np.newaxis].astype(np.uint8))[0]
        np.testing.assert_allclose(one["values"], expected, atol=1e-6)


def test_the_camera_is_looked_at_until_it_is_stopped(complete):
    steps = """
const first = await answered(() => at("camera").click());
const second = await answered(() => {});
const label = at("camera").innerText;
at("camera").click();
await post({label, stopped: at("camera").innerText, say: at("say").innerText, values: [first, second].map(plain)});
"""
    found, _ = browse(complete, READY + steps)
    assert (found["label"], found["stopped"]) == ("Stop the camera", "Start the camera")
    assert found["say"].endswith(" ms, tensors included")
    runner = Runner(complete / "student_int8.tflite")
    for one in found["values"]:
        image = np.array(one["pixels"], np.uint8).reshape(1, 8, 8, 3)
        assert np.ptp(image) > 50
        np.testing.assert_allclose(one["values"], runner.predict(image)[0], atol=1e-6)


def test_a_file_of_an_export_before_is_not_taken_from_the_cache(complete):
    """A browser keeps what has not changed for years without asking."""
    for path in complete.rglob("*"):
        os.utime(path, (1e9, 1e9))
    steps = """
frame.src = "index.html?again";
await until(() => document_()?.location.search === "?again" && document_().documentElement.dataset.ready);
await post({});
"""
    _, asked = browse(complete, READY + steps)
    assert asked.count("/student_int8.tflite") == asked.count("/examples.png") == 2
    assert any(asked.count(path) == 1 for path in asked if path.endswith(".wasm"))  # What may be kept is.


def test_the_example_that_is_looked_at_is_marked(complete):
    steps = """
const marked = () => [...at("examples").children].map((button) => button.getAttribute("aria-pressed"));
const first = marked();
await answered(() => at("examples").children[2].click());
await post({first, then: marked(), disabled: at("file").disabled});
"""
    found, _ = browse(complete, READY + steps)
    assert (found["first"].index("true"), found["then"].index("true")) == (0, 2)
    assert found["first"].count("true") == found["then"].count("true") == 1 and not found["disabled"]


def test_what_is_no_image_is_said_so(complete):
    steps = """
const files = new DataTransfer();
files.items.add(new File(["no image"], "notes.txt"));
at("file").files = files.files;
at("file").dispatchEvent(new Event("change"));
await until(() => at("say").classList.contains("warn"));
await post({say: at("say").innerText});
"""
    assert browse(complete, READY + steps)[0]["say"] == "No image that this browser can read: notes.txt"


def test_without_the_library_the_page_says_how_to_get_it(page, tmp_path):
    for path in page.iterdir():
        if path.is_file():
            (tmp_path / path.name).write_bytes(path.read_bytes())
    steps = 'await until(() => at("say").classList.contains("warn"));\nawait post({say: at("say").innerText});'
    assert "run `npm install` once in its folder" in browse(tmp_path, steps)[0]["say"]


def _convolution(name, units, activation=None):
    image = keras.Input((16, 12, 3))
    inner = keras.layers.Conv2D(6, 3, padding="same", activation="relu")(image)
    outer = keras.layers.Conv2D(units, 3, padding="same", activation=activation)(inner)
    return keras.Model(image, outer, name=name)


def _embedding():
    image = keras.Input((16, 12, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(9, 3, strides=2)(image))
    return keras.Model(image, pooled)


_MASK = np.zeros((16, 12), np.uint8)
OTHERS = {
    "masks": (Segmentation(), functools.partial(_convolution, "masks", 3), _MASK),
    "classes": (Segmentation(answers="classes"), functools.partial(_convolution, "classes", 3), _MASK),
    "pictures": (Translation(), functools.partial(_convolution, "made", 3, "tanh"), np.zeros((16, 12, 3), np.uint8)),
    "neighbours": (Retrieval(), _embedding, 1),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_other_tasks_are_shown_their_own_way(kind, tmp_path):
    task, network, value = OTHERS[kind]
    keras.utils.set_random_seed(2)
    images = np.random.default_rng(1).integers(0, 256, (12, 16, 12, 3), np.uint8)
    values = np.stack([value] * 12) if np.ndim(value) else np.arange(12) % 3
    dataset = data.load(
        data.from_arrays((images, values), (images, values), (images, values), names=["sky", "sea", "sand"]),
        targets=task.targets,
    )
    content = convert_calibrated(network(), dataset, PHONE, "int8", task, 8, 0)
    for name, file in web_page(content, "student", dataset, task, "test", f"{kind} of digits").items():
        (tmp_path / name).write_bytes(file)
    (tmp_path / "student.tflite").write_bytes(content)
    add_web_library(tmp_path, litert_js())
    drawn = """
const canvas = at("answer").querySelector("canvas");
const area = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
"""
    steps = EXAMPLES.replace("await post({", drawn + "await post({drawn: [...area.data], ")
    found, _ = browse(tmp_path, steps)
    expected = Runner(content).predict(images)
    given = np.array([one["values"] for one in found["seen"]]).reshape(expected.shape)
    # A browser may round with other instructions: a value in a hundred is a step away, and another class the larger.
    assert np.mean(np.abs(given - expected) > 1e-5) < 0.01
    if kind != "classes":
        assert np.abs(given - expected).max() <= 1.01 * (Runner(content).output["quantization"][0] or 0.02)
    last = found["seen"][-1]["text"]
    drawn = np.array(found["drawn"]).reshape(16, 12, 4)[..., :3]
    if kind == "neighbours":
        unit = given / np.linalg.norm(given, axis=1, keepdims=True)
        likeness = np.delete(unit @ unit[-1], -1)
        best = np.argsort(-likeness)[:6]
        assert last.split("\n")[1:] == [f"{('sky', 'sea', 'sand')[i % 3]} {likeness[i]:.3f}" for i in best]
        np.testing.assert_array_equal(drawn, images[best[0]])
    elif kind == "pictures":
        np.testing.assert_allclose(drawn, np.rint(given[-1]), atol=1)
    else:
        mask = given[-1].argmax(-1) if kind == "masks" else given[-1]
        shares = {name: 100 * np.mean(mask == i) for i, name in enumerate(("sky", "sea", "sand"))}
        assert sorted(last.split("\n")) == sorted(
            f"{name}: {'<1' if share < 1 else int(share + 0.5)} %" for name, share in shares.items() if share
        )
        # What is left without the image is the colour of the class.
        tint = drawn - 0.35 * images[-1]
        for index in np.unique(mask):
            assert np.ptp(tint[mask == index], axis=0).max() <= 1.01


def test_a_task_without_a_page_of_its_own_has_its_numbers_shown(digits):
    content = convert_calibrated(_grey_mean(), digits, PHONE, "float32", Brightness(), 8, 0)
    files = web_page(content, "student", digits, Brightness(), "test", "<b>Brightness</b>")
    html = files["index.html"].decode()
    assert "&lt;b&gt;Brightness" in html and "<b>" not in html and "toPrecision" in html


def _grey_mean():
    image = keras.Input((8, 8, 1))
    return keras.Model(image, keras.layers.Dense(1)(keras.layers.GlobalAveragePooling2D()(image)))


def test_names_of_classes_stay_text(digits):
    dataset = dataclasses.replace(digits, names=("</script><script>alert(1)</script>", *digits.names[1:]))
    network = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(10)])
    task = tasks.Classification()
    content = convert_calibrated(network, dataset, PHONE, "float32", task, 8, 0)
    html = web_page(content, "student", dataset, task, "test", "x")["index.html"].decode()
    assert "alert(1)</script>" not in html


def test_the_library_is_found_where_npm_puts_it(tmp_path):
    with pytest.raises(
        UserError, match=r"is a folder in which `npm install @litertjs/core@[\d.]+` was run\. Received: "
    ):
        web_packages.find_web_library(tmp_path)
    scope = tmp_path / "node_modules" / "@litertjs"
    for part, names in web_packages.NEEDED.items():
        (scope / part).mkdir(parents=True, exist_ok=True)
        for name in names:
            (scope / part / name).write_bytes(name.encode())
    for given in (tmp_path, tmp_path / "node_modules", scope):
        assert web_packages.find_web_library(given) == scope
    paths = add_web_library(tmp_path / "page", tmp_path)
    assert {path.relative_to(tmp_path / "page") for path in map(pathlib.Path, paths)} == {
        path.relative_to(tmp_path) for path in scope.rglob("*") if path.is_file()
    }
    (scope / "core/wasm/litert_wasm_internal.wasm").unlink()
    with pytest.raises(UserError, match="without it"):
        web_packages.find_web_library(tmp_path)


def test_a_library_is_refused_before_the_work_begins(zygote, tmp_path):
    status, _, err = zygote.run("odtf-export", f"--workdir={tmp_path}", f"--web_library={tmp_path}")
    assert status == 2 and "--web_library is for a web page, --target=web or all. Received: --target=soc" in err
    status, _, err = zygote.run("odtf-export", f"--workdir={tmp_path}", "--target=web", f"--web_library={tmp_path}")
    assert status == 2 and "npm install" in err and err.count("\n") == 1


def test_the_file_is_the_phone_s():
    assert TARGETS["web"].conversion("int8") == PHONE.conversion("int8")
