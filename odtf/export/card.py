"""The model card and the verification report that go beside an exported file."""

import json

from odtf import __version__
from odtf.data import framing
from odtf.export.c_array import resolver_name
from odtf.export.templating import environment_of, snippet_of
from odtf.targets.web_packages import LITERT_JS
from odtf.tflite import flatbuffer
from odtf.tflite.arena import arena

CARD = "MODEL_CARD.md"
REPORT = "verification.json"
# The newest releases for apps that public sources name, and when they were looked up. Google's own Maven and CocoaPods
# say which are newer.
_MOBILE = {
    "litert": "2.3.2",
    "mediapipe": "1.0.0",
    "litert_ios": "2.17.0",
    "mediapipe_ios": "0.10.35",
    "looked_up": "27 November 2026",
}
# C++ types whose names are not the tensor's with "_t" behind.
_CPP_TYPES = {"float32": "float", "bool": "bool"}
# What firmware writes into the input for a pixel, by the input's type.
_EXPRESSIONS = {"int8": "pixels[i] - 128", "int16": "pixels[i] << 7"}


def documents(content, array, row, checks, about, task, info, target, has_picture=False):
    """Writes the model card and the verification report of a file.

    Args:
        content: the file's bytes.
        array: (name, bytes) of the file that firmware embeds: itself, or what Vela made of it.
        row: the file's row of a report.
        checks: list of dicts: every check with its figures, as in the report.
        about: mapping with `"name"` of the network, `"training"` (dict from a word to what it was, for people) and
            optionally `"cost"`, a line of text, and `"judged"`, one on what the splits were to the training.
        task: `odtf.tasks.Task`.
        info: `odtf.data.Info` of the data.
        target: `Target`.
        has_picture: whether a picture lies beside the file, of its name.

    Returns:
        dict from file name to bytes.
    """
    tensors = flatbuffer.interface(content)
    environment = environment_of(task)
    name, embedded = array
    height, width, channels = tensors[0]["shape"][1:]
    card = environment.get_template(f"{CARD}.j2").render(
        about={"judged": None, "cost": None, **about},
        agreement=lambda check: "-" if task.agreement is None else task.agreement.text(check["agreement"]),
        arena=arena(embedded) if target.c_array or target.snippet == "firmware" else None,
        array=name,
        checks=checks,
        error=lambda check: "-" if check["error"] is None else f"{check['error']:.3g}",
        figures=_figures,
        has_picture=has_picture,
        file=f"student_{row['quantization']}",
        info=info,
        litert_js=LITERT_JS,
        metrics=task.metrics,
        mobile=_MOBILE,
        pixels=height * width * channels,
        quantization=row["quantization"],
        resolvers=[resolver_name(operator) for operator in flatbuffer.operators(embedded)],
        framing=framing.note(info.resize),
        row={"vela": None, **row},
        snippet=snippet_of(environment, task, target.snippet),
        stored=_stored(tensors),
        target=target,
        task=task.card(info, target),
        tensors=tensors,
        value=_value,
        version=__version__,
    )
    report = {key: row[key] for key in ("target", "quantization", "bytes", "sha256")} | {"checks": checks}
    return {CARD: card.encode(), REPORT: (json.dumps(report, indent=1) + "\n").encode()}


def _stored(tensors):
    """Returns the C++ types of the tensors, and what firmware writes for a pixel."""
    image, output = (tensor["type"] for tensor in tensors)
    return {
        "input": _CPP_TYPES.get(image, f"{image}_t"),
        "output": _CPP_TYPES.get(output, f"{output}_t"),
        "expression": _EXPRESSIONS.get(image, "pixels[i]"),
    }


def _value(tensor):
    if not tensor["scale"]:
        return "as it is"
    zero_point = tensor["zero_point"]
    stored = f"(stored {'-' if zero_point > 0 else '+'} {abs(zero_point)})" if zero_point else "stored"
    return stored if tensor["scale"] == 1.0 else f"{tensor['scale']:.6g} * {stored}"


def _figures(check):
    if "note" in check:
        return check["note"]
    shown = {key: value for key, value in check.items() if key not in ("check", "passed", "split")}
    return ", ".join(f"{key.replace('_', ' ')} {_text(value)}" for key, value in shown.items()) or "-"


def _text(value):
    if isinstance(value, dict):
        return " ".join(f"{key}={_text(inner)}" for key, inner in value.items())
    if isinstance(value, list | tuple):
        return "none" if not value else " ".join(map(_text, value))
    if isinstance(value, float):
        return f"{value:.6g}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
