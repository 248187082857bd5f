"""The kinds of cases: each makes something damaged, or strange, in a folder, and says what is then done with it."""

import io
import json
import os
import zipfile
from typing import NamedTuple

from odtf import names
from odtf.tflite import metadata_reader
from odtf.training.config import FREE, default_config, leaves
from tests.fuzzing import mutations

_READERS = "tests.fuzzing.readers:"


class Attempt(NamedTuple):
    """A command line and what is right.

    Attributes:
        program: a console script, or a program of `tests.fuzzing.readers`.
        arguments: its arguments.
        answer: the last line that it prints if it does not refuse; None: any.
        refused: whether it must refuse.
        oracle: further (program, arguments) that judges what a success has written, or None.
        same_as: path of the report.json that a success must leave, but for times; None: any.
    """

    program: str
    arguments: tuple
    answer: str | None = None
    refused: bool = False
    oracle: tuple | None = None
    same_as: tuple | None = None


# Workdirs -------------------------------------------------------------------------------------------------------------


def records(draw, ground, folder):
    """A damaged or forged record of a finished run."""
    workdir, damage = _hurt(draw, ground.copy(folder / "run"), ("config.json", "data.json", "report.json"))
    right = ground.right("records", ground.run)
    return Attempt(f"{_READERS}records", (str(workdir),), right if damage else None)


def weights(draw, ground, folder):
    """The same, or damaged weights, where they are read."""
    return _of_weights(draw, ground, folder, "weights")


def network(draw, ground, folder):
    """The same, where the student is made of them."""
    return _of_weights(draw, ground, folder, "network")


def _of_weights(draw, ground, folder, reader):
    workdir = ground.copy(folder / "run")
    files = [f"chosen/{path.name}" for path in (workdir / "chosen").iterdir()]
    workdir, damage = _hurt(draw, workdir, (*files, *files, "data.json", "report.json"))
    return Attempt(f"{_READERS}{reader}", (str(workdir),), ground.right(reader, ground.run) if damage else None)


def resumed(draw, ground, folder):
    """Anything damaged in a run that has no report yet: the same command makes it."""
    workdir = ground.copy(folder / "run", "config.json", "data.json", "chosen", "checkpoints", "log.jsonl")
    places = [path for path in workdir.rglob("*") if path.is_file()]
    path = draw.choice(sorted(places))
    path.write_bytes(mutations.damaged(draw, path.read_bytes()))
    arguments = (*ground.same, f"--workdir={workdir}", "--config.export.targets=()")
    return Attempt("odtf-train", arguments, same_as=(ground.run / "report.json", workdir / "report.json"))


def _hurt(draw, workdir, files):
    path = workdir / draw.choice(files)
    content = path.read_bytes()
    if path.suffix == ".json":
        changed, damage = mutations.record(draw, content)
    else:
        changed, damage = mutations.damaged(draw, content), True
    if draw.random() < 0.04:
        path.unlink()
        return workdir, path.name == "report.json"
    path.write_bytes(changed)
    return workdir, damage


# Flags and configs ----------------------------------------------------------------------------------------------------

_TEXTS = (
    *(
        "",
        "0",
        "1",
        "-1",
        "2",
        "1.5",
        "1e400",
        "nan",
        "inf",
        "99999999999999999999",
        "a" * 5000,
        "é",
        "\n",
        "None",
        "[]",
    ),
    *(
        "()",
        "{}",
        "True",
        "x,y",
        ",",
        "=",
        "'",
        "\\",
        "/nowhere",
        "/dev/null",
        "..",
        "soc",
        "all",
        "int8",
        "qat",
        "peer_0",
    ),
    *(
        "float32",
        "0..1",
        "logits",
        "train",
        "GPU:0",
        "CPU:0",
        "CPU:99999999999",
        "bytes=1",
        "bytes=64K,macs",
        "2:4",
        "1,2",
    ),
)
_FLAGS = {
    "odtf-train": ("strategy", "devices", "allow_code", "workdir", "verbosity"),
    "odtf-export": (
        *("workdir", "target", "peer", "quantization", "budget", "allow_code", "model", "data", "output", "labels"),
        *("pixels", "mean", "std", "task", "seed", "calibration_examples", "validation_fraction", "data_dir"),
    ),
    "odtf-finetune": (
        *(
            "workdir",
            "mode",
            "peer",
            "target",
            "epochs",
            "learning_rate",
            "teacher",
            "temperature",
            "alpha",
            "sparsity",
        ),
        *("sparsity_pattern", "pruning_begin", "pruning_end", "clusters", "batch_size", "model", "data", "output"),
    ),
    "odtf-evaluate": (
        *("threads", "max_examples", "pixels", "mean", "std", "scores", "label_offset", "seed", "split", "against"),
        *("validation_fraction", "max_train_examples", "skip_corrupt", "task", "json"),
    ),
    "odtf-compare": ("seeds", "override", "equal", "ratio_to", "at_end", "peer", "allow_code"),
    "odtf-benchmark": ("json", "only", "repeats", "batch_size", "depth", "threads", "adb", "accelerator"),
    "odtf": (),
}


def flags(draw, ground, folder):
    """A command with flags that are strange, or strange together; nothing that it names is there."""
    program = draw.choice(list(_FLAGS))
    start = {
        "odtf-train": (f"--config={ground.config}", f"--workdir={folder / 'new'}"),
        "odtf-export": (f"--workdir={folder / 'nowhere'}",),
        "odtf-finetune": (f"--workdir={folder / 'nowhere'}", "--mode=qat"),
        "odtf-evaluate": (str(ground.config), "--data=digits"),
        "odtf-compare": (
            f"--config={ground.config}",
            f"--workdir={folder / 'new'}",
        ),  # Without --json it starts nothing.
        "odtf-benchmark": (draw.choice(("train", "edge", "x")), "/nowhere"),
        "odtf": (draw.choice(("list", "x")), "/nowhere"),
    }[program]
    given = [flag for flag in start if draw.random() < 0.9]
    for name in draw.choices(_FLAGS[program] or ("x",), k=draw.choice((1, 1, 2, 3))):
        text = draw.choice(_TEXTS)
        given.append(
            draw.choice((f"--{name}={text}", f"--{name}={text}", f"--{name}", f"--no{name}", f"-{name}={text}"))
        )
    if draw.random() < 0.1:
        given.append(draw.choice(_TEXTS))
    if program == "odtf-benchmark" and "train" in given:
        given.append("--only=/nowhere")  # Without it, and all else in order, it would measure for minutes.
    # Commands write where they are told to: not beside whoever runs this.
    given = [
        flag for flag in given if not flag.startswith(("--json", "-json", "--output", "-output")) or "/nowhere" in flag
    ]
    return Attempt(program, tuple(flag.replace("\x00", "") for flag in given))


def config(draw, ground, folder):
    """A config with one to three values that are others; its data are not there."""
    changes = _changes(draw)
    arguments = (f"--config={ground.config}:{json.dumps(changes)}", f"--workdir={folder / 'new'}")
    return Attempt("odtf-train", arguments, refused=True)


def overrides(draw, ground, folder):
    """The same, as flags."""
    texts = [
        f"--config.{key}={value if isinstance(value, str) else repr(value)}" for key, value in _changes(draw).items()
    ]
    arguments = (f"--config={ground.config}", f"--workdir={folder / 'new'}", *(t.replace("\x00", "") for t in texts))
    return Attempt("odtf-train", arguments, refused=True)


def trained(draw, ground, folder):
    """A config that is other in a value, whose data are there."""
    root = _trees(ground, folder / "trees", 12)
    # What changes comes last: of a part that is no mapping any more, no key can be set.
    changes = {"batch_size": 8, "epochs": 1, "data.name": f"folder:{root}", "export.targets": [], **_changes(draw, 1)}
    return Attempt("odtf-train", (f"--config={ground.config}:{json.dumps(changes)}", f"--workdir={folder / 'new'}"))


def _changes(draw, most=3):
    """Values of keys: of those that there are, of parts, and of what those name."""
    default = default_config().to_dict()
    known = dict(leaves(default)) | {"method.name": "Solo", "network.name": "cifar_resnet", "network.depth": 8}
    known |= {"network.width": 4, "network.dropout": 0.1, "method.temperature": 3.0, "method.num_peers": 2}
    known |= {"method.networks": [], "network.init": "zoo:x", "network.cheap": "shift", "network.fraction": 0.5}
    known |= {f"optimizer.{key}": 0.9 for key in ("momentum", "nesterov", "clipnorm", "use_ema", "weight_decay")}
    known |= {
        part: default.get(part) for part in (*FREE[:4], "data", "schedule", "export", "quantization", "checkpoint")
    }
    changes = {}
    for _ in range(draw.randint(1, most)):
        key = draw.choice(sorted(known))
        changes[key] = _named(draw, key) if key.endswith("name") else mutations.near(draw, known[key])
    # A part that is no mapping any more takes no key.
    return dict(sorted(changes.items(), key=lambda change: -change[0].count(".")))


def _named(draw, key):
    lists = {"method.name": names.methods, "network.name": names.networks, "task.name": names.tasks}
    if key in lists and draw.random() < 0.7:
        return draw.choice(sorted(lists[key]()))
    value = mutations.strange(draw)
    return "folder:/nowhere" if key == "data.name" and value in ("digits", "folder:") else value


# Files of models ------------------------------------------------------------------------------------------------------


def tflite(draw, ground, folder):
    """A damaged TFLite file, given images; LiteRT says on the same bytes what is right."""
    return Attempt(f"{_READERS}tflite_file", (str(_tflite(draw, ground, folder)),))


def _tflite(draw, ground, folder):
    path = folder / "file.tflite"
    content = ground.files[draw.choice(("soc", "phone"))].read_bytes()
    path.write_bytes(mutations.damaged(draw, content) if draw.random() < 0.95 else content)
    return path


def evaluated(draw, ground, folder):
    """The same, evaluated on the digits."""
    path = _tflite(draw, ground, folder)
    figures = folder / "figures.json"
    arguments = (str(path), "--data=digits", "--max_examples=40", f"--json={figures}")
    return Attempt("odtf-evaluate", arguments, oracle=(f"{_READERS}litert", (str(path), str(figures))))


def labels(draw, ground, folder):
    """A damaged archive of labels, or one of another kind."""
    path = folder / "file.tflite"
    content = ground.files["phone"].read_bytes()
    start = zipfile.ZipFile(io.BytesIO(content)).infolist()[0].header_offset
    damage = draw.random() < 0.7
    if damage:
        path.write_bytes(content[:start] + mutations.damaged(draw, content[start:]))
    else:
        path.write_bytes(content[:start] + _archive(draw))
    return Attempt(f"{_READERS}labels", (str(path),), ground.right("labels", ground.files["phone"]) if damage else None)


def _archive(draw):
    made = io.BytesIO()
    texts = (b"", b"\n" * 10, b"\xff\xfe\0", b"a\n" * 100_000, bytes(metadata_reader.MAX_LABEL_BYTES + 1), b"x" * 9)
    kinds = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
    with zipfile.ZipFile(made, "w", draw.choice(kinds)) as archive:
        for name in draw.choice((["labels.txt"], ["labels.txt", "other"], ["../labels.txt"], [])):
            archive.writestr(name, draw.choice(texts))
    content = made.getvalue()
    return mutations.damaged(draw, content) if draw.random() < 0.3 else content


def keras(draw, ground, folder):
    """A damaged .keras file, or one whose config says something else."""
    path, content = folder / "file.keras", ground.files["keras"].read_bytes()
    if draw.random() < 0.5:
        path.write_bytes(mutations.damaged(draw, content))
        return Attempt(f"{_READERS}keras_file", (str(path),), ground.right("keras_file", ground.files["keras"]))
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            inner = old.read(name)
            if name == "config.json":
                inner = json.dumps(mutations.other_json(draw, json.loads(inner))).encode()
            elif draw.random() < 0.2:
                inner = mutations.damaged(draw, inner)
            new.writestr(name, inner)
    return Attempt(f"{_READERS}keras_file", (str(path),))


def onnx(draw, ground, folder):
    """A damaged ONNX file as a teacher."""
    path = folder / "file.onnx"
    path.write_bytes(mutations.damaged(draw, ground.files["onnx"].read_bytes()))
    return Attempt(f"{_READERS}onnx_file", (str(path),))


# Folders of images ----------------------------------------------------------------------------------------------------


def _trees(ground, root, count=4):
    for name in ("ash", "birch"):
        (root / name).mkdir(parents=True)
        for index in range(count):
            suffix = list(ground.pictures)[index % len(ground.pictures)]
            (root / name / f"{index:02d}{suffix}").write_bytes(ground.pictures[suffix])
    return root


def pictures(draw, ground, folder):
    """A folder with damaged images."""
    root = _trees(ground, folder / "trees")
    for _ in range(draw.choice((1, 1, 3))):
        path = draw.choice(sorted(root.glob("*/*")))
        path.write_bytes(mutations.damaged(draw, path.read_bytes()))
    return _read_folder(draw, root)


def entries(draw, ground, folder):
    """A folder with strange entries."""
    root = _trees(ground, folder / "trees")
    for _ in range(draw.choice((1, 2, 3))):
        where = draw.choice((root, root / "ash", root / "birch"))
        name = draw.choice(
            ("z.jpg", "z.png", "z", ".z.png", "Z.PNG", "z.jpg.png", "train", "é\n.png", b"\xff.png", "a b")
        )
        path = os.path.join(os.fsencode(where), os.fsencode(name))
        if not os.path.lexists(path):
            draw.choice(_ENTRIES)(path, ground)
    return _read_folder(draw, root)


_ENTRIES = (
    lambda path, ground: os.mkfifo(path),
    lambda path, ground: os.symlink(path, path),
    lambda path, ground: os.symlink(b"/nowhere", path),
    lambda path, ground: os.symlink(b"/dev/zero", path),
    lambda path, ground: os.symlink(b"..", path),
    lambda path, ground: os.mkdir(path),
    lambda path, ground: _write(path, b""),
    lambda path, ground: _write(path, b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n"),
    lambda path, ground: _write(path, ground.pictures[".png"]),
    lambda path, ground: _write(path, b"BM" + bytes(60)),
)


def _write(path, content):
    with open(path, "wb") as file:
        file.write(content)


def _read_folder(draw, root):
    arguments = (str(root), draw.choice(("skip", "no")), draw.choice(("0", "64")))
    return Attempt(f"{_READERS}folder", arguments)


# What there is, and how often among a hundred cases: what costs seconds is rare.
KINDS = {
    **{records: 20, config: 16, flags: 16, overrides: 8, labels: 8, pictures: 8, entries: 8},
    **{weights: 6, onnx: 3, network: 1, keras: 2, tflite: 4, evaluated: 0.6, resumed: 0.4, trained: 0.4},
}
