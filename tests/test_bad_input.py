"""Bad input on the command lines: status 2, one line that says what is wrong, and no file touched."""

import functools
import json
import os
import pathlib
import re
import shutil
import socket
import stat
import string
import zipfile

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tests import processes
from tests.any_change import ANY_CHANGE
from tests.bad_input_cases import CASES, TRAIN
from tests.tflite import handmade

START = """from odtf.training.config import default_config
def get_config():
    config = default_config()
"""

CONFIG_FILES = {
    "config": ANY_CHANGE,
    "no_get_config": "x = 1\n",
    "returns_dict": "def get_config():\n    return {'epochs': 3}\n",
    "returns_none": "def get_config():\n    pass\n",
    "no_argument": f"{START}    return config\n",
    "unknown_key": f"{START}    config.epoch = 3\n    return config\n",
    "wrong_type": f'{START}    config.epochs = "3"\n    return config\n',
    "lacks_keys": "import ml_collections\ndef get_config():\n    return ml_collections.ConfigDict({'epochs': 3})\n",
    "divides_by_zero": f"{START}    config.epochs = 1 // 0\n    return config\n",
    "wrong_call": f"{START}    config.epochs = len(3)\n    return config\n",
}


def images(root, *, classes=("ash", "birch"), count=6, size=(8, 8)):
    random = np.random.RandomState(0)
    for name in classes:
        (root / name).mkdir(parents=True)
        for i in range(count):
            Image.fromarray(random.randint(0, 256, (*size, 3)).astype(np.uint8)).save(root / name / f"{i:02d}.png")
    return root


def make_folders(root):
    (root / "empty").mkdir()
    (root / "file").write_text("no folder")
    images(root / "good")
    images(root / "one_class", classes=("ash",))
    (images(root / "empty_class") / "cedar").mkdir()
    images(root / "few", count=2)
    images(root / "tiny", size=(3, 3))
    Image.new("RGB", (9, 9)).save(images(root / "mixed") / "ash" / "odd.png")
    cut(images(root / "corrupt") / "ash" / "03.png")
    os.mkfifo(images(root / "pipe") / "ash" / "z.jpg")
    (images(root / "postscript") / "ash" / "z.jpg").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n")


def make_models(root):
    """A stranger's models."""
    root.mkdir()
    image = keras.Input((8, 8, 1))
    x = keras.layers.Flatten()(keras.layers.Lambda(lambda x: x + 1, name="plus")(image))
    keras.Model(image, keras.layers.Dense(10)(x)).save(root / "lambda.keras")
    (root / "labels.txt").write_text("".join(f"{digit}\n" for digit in range(10)))
    tf.saved_model.save(tf.Module(), str(root / "saved"))
    (root / "model.h5").write_bytes(b"HDF5, or not: it is not opened")
    (root / "deadly.tflite").write_bytes(handmade.deadly())
    (root / "lacking.tflite").write_bytes(handmade.lacking())


def cut(path):
    path.write_bytes(path.read_bytes()[:60])


def flip(path):
    """Damages the largest array of a file of arrays, not what stands between them."""
    with zipfile.ZipFile(path) as archive:
        largest = max(archive.infolist(), key=lambda member: member.compress_size)
    content = bytearray(path.read_bytes())
    content[largest.header_offset + largest.compress_size // 2] ^= 0xFF
    path.write_bytes(content)


def make_runs(root, done):
    """Copies of a finished run of two steps, each damaged in its way."""

    def copy(name):
        return pathlib.Path(shutil.copytree(done, root / name))

    unfinished = copy("unfinished")
    shutil.rmtree(unfinished / "checkpoints" / "step-2")
    (unfinished / "chosen" / "step-2.npz").unlink()
    (unfinished / "report.json").unlink()
    lines = (unfinished / "log.jsonl").read_text().splitlines(keepends=True)
    (unfinished / "log.jsonl").write_text("".join(line for line in lines if json.loads(line)["step"] == 1))
    for name in ("config_cut", "config_list"):
        (copy(name) / "report.json").unlink()  # Which has the config too.
    cut(root / "config_cut" / "config.json")
    (root / "config_list" / "config.json").write_text("[]")
    for path in copy("all_damaged").glob("checkpoints/*/variables.index"):
        cut(path)
    cut(copy("report_cut") / "report.json")
    (copy("report_empty") / "report.json").write_text("{}")
    report = copy("report_changed") / "report.json"
    report.write_text(report.read_text().replace('"step": 2', '"step": 3'))
    cut(copy("chosen_cut") / "chosen" / "step-2.npz")
    flip(copy("chosen_flipped") / "chosen" / "step-2.npz")
    (copy("chosen_gone") / "chosen" / "step-2.npz").unlink()


@pytest.fixture(scope="module")
def ground(zygote, tmp_path_factory):
    """A directory with everything that the cases name."""
    root = tmp_path_factory.mktemp("ground")
    make_folders(root)
    make_models(root / "stranger")
    for name, text in CONFIG_FILES.items():
        (root / f"{name}.py").write_text(text)
    config = f"--config={root / 'config.py'}:{json.dumps(TRAIN)}"
    status, _, err = zygote.run("odtf-train", config, f"--workdir={root / 'done'}")
    assert status == 0, err
    make_runs(root, root / "done")
    return root


@pytest.fixture(scope="module")
def port():
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield listening.getsockname()[1]


def content(root):
    """Every file and directory below `root`, with what is in it."""
    found = {}
    for folder, folders, files in os.walk(root):
        for path in (os.path.join(folder, name) for name in (*folders, *files)):
            about = os.stat(path)
            # Read again only where somebody has written to it since.
            written = about.st_ino, about.st_size, about.st_mtime_ns
            found[os.path.relpath(path, root)] = _read(path, written) if stat.S_ISREG(about.st_mode) else None
    return found


@functools.cache
def _read(path, written):
    return pathlib.Path(path).read_bytes()


def the_line(status, err, program):
    """Checks that the answer is one line, and returns it without the program's name."""
    assert status == 2, err
    lines = err.splitlines()
    assert len(lines) == 1, err
    assert lines[0].startswith(f"{program}: error: "), err
    return lines[0].removeprefix(f"{program}: error: ")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_one_line_and_no_file_touched(case, zygote, ground, port, tmp_path):
    names = {path.stem if path.suffix == ".py" else path.name: path for path in ground.iterdir()}

    def filled(text):
        return string.Template(text).substitute(names, new=tmp_path / "new", port=port)

    temporary = tmp_path / "temporary"
    temporary.mkdir()
    before = content(ground)
    status, _, err = zygote.run(
        case.program,
        *map(filled, case.arguments),
        environment={**{k: filled(v) for k, v in case.environment.items()}, "TMPDIR": str(temporary)},
        file_size=case.file_size,
    )
    line = the_line(status, err, case.program)
    assert re.search(case.wanted, line), line
    assert re.search(case.received, line.partition("Received: ")[2] or line), line
    assert content(ground) == before
    assert [path.name for path in tmp_path.rglob("*")] == ["temporary"], "something was left behind"


def test_there_are_many_cases_and_each_is_another():
    assert len(CASES) >= 120
    assert len({(*case[1:3], case.environment.get("TF_CONFIG")) for case in CASES}) == len(CASES)


@pytest.mark.parametrize(
    ("program", "module", "flags", "wanted"),
    [
        ("train.py", "train", ("--wrokdir=x",), "Did you mean: workdir"),
        ("train.py", "train", ('--config=$config:{"optimizer.name": "rmsprop"}', "--workdir=$new"), "one of sgd, adam"),
        ("export.py", "export", ("--workdir=/nowhere",), "holds no finished run"),
        # Known when TensorFlow has been imported: its greetings stand before no line, where nobody has set its log.
        ("train.py", "train", ('--config=$config:{"network.name": "resnet9"}', "--workdir=$new"), "Unknown network"),
        ("evaluate.py", "evaluate", ("$config", "--data=digits"), "A TFLite file is needed"),
    ],
)
def test_a_process_of_its_own_answers_alike(program, module, flags, wanted, ground, tmp_path, monkeypatch):
    monkeypatch.delenv("TF_CPP_MIN_LOG_LEVEL")
    flags = [string.Template(flag).substitute(config=ground / "config.py", new=tmp_path / "new") for flag in flags]
    status, out, err = processes.run(*flags, program=module)
    assert wanted in the_line(status, err, program)
    assert out == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("name", "error"), [("divides_by_zero", "ZeroDivisionError"), ("wrong_call", "TypeError")])
def test_a_bug_keeps_its_traceback(name, error, zygote, ground, tmp_path):
    path = ground / f"{name}.py"
    status, _, err = zygote.run("odtf-train", f"--config={path}", f"--workdir={tmp_path / 'new'}")
    assert status == 1
    assert "Traceback (most recent call last)" in err
    assert f'File "{path}", line 4, in get_config' in err
    assert error in err
    assert list(tmp_path.iterdir()) == []


def test_a_strangers_model_is_refused_in_a_comparison_too(zygote, ground, tmp_path):
    """Its runs are processes of their own."""
    changes = {"data.name": "digits", "network": {"name": str(ground / "stranger" / "lambda.keras")}}
    config = f"--config={ground / 'config.py'}:{json.dumps(changes)}"
    flags = "--seeds=1", f"--workdir={tmp_path / 'new'}", f"--json={tmp_path / 'x.json'}"
    status, _, err = zygote.run("odtf-compare", config, *flags)
    line = the_line(status, err, "odtf-compare")
    assert "no other code is run for it" in line and "Lambda of keras.layers" in line


def test_a_corrupt_image_is_skipped_on_request(zygote, ground, tmp_path):
    changes = {
        "data.name": f"folder:{ground / 'corrupt'}",
        "data.skip_corrupt": True,
        "batch_size": 4,
        "export.targets": [],
    }
    config = f"--config={ground / 'config.py'}:{json.dumps(changes)}"
    status, out, err = zygote.run("odtf-train", config, f"--workdir={tmp_path / 'new'}")
    assert status == 0, err
    assert "1 corrupt images skipped in train" in err
    assert "Chosen on validation" in out


@pytest.mark.parametrize(
    ("file_size", "refused"),
    [(20000, r"chosen/step-2\.npz"), (40000, "checkpoints/step-2")],
)
def test_a_full_disk_harms_nothing_that_was_there(file_size, refused, zygote, ground, tmp_path):
    workdir = pathlib.Path(shutil.copytree(ground / "unfinished", tmp_path / "run"))
    flags = (f"--config={ground / 'config.py'}:{json.dumps(TRAIN)}", f"--workdir={workdir}")
    before = content(workdir)
    status, _, err = zygote.run("odtf-train", *flags, file_size=file_size)
    line = the_line(status, err, "odtf-train")
    assert re.search(rf"Cannot write .*({refused}): File too large\. What was there is untouched", line), line
    after = content(workdir)
    assert after.pop("log.jsonl").startswith(before.pop("log.jsonl")), "lines may be added"
    launches = [json.loads(files.pop("launches.json", '{"launches": []}'))["launches"] for files in (before, after)]
    assert launches[1][: len(launches[0])] == launches[0], "and launches"
    assert before.items() <= after.items()
    added = [name for name in after.keys() - before.keys() if not name.startswith("tensorboard/")]
    if added != ["chosen/step-2.npz"]:
        assert added == []
        return
    # Weights that no checkpoint refers to yet do not stand in the way.
    status, out, err = zygote.run("odtf-train", *flags)
    assert status == 0, err
    assert "resumed at step 1" in out
