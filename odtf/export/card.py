"""The model card and the verification report that go beside an exported file."""

import json

from odtf import __version__
from odtf.export.c_array import resolver_name
from odtf.tflite import flatbuffer
from odtf.tflite.arena import arena

CARD = "MODEL_CARD.md"
REPORT = "verification.json"
# How firmware writes a pixel into the input, by the input's type.
_STORED = {
    "int8": {"type": "int8_t", "expression": "pixels[i] - 128"},
    "int16": {"type": "int16_t", "expression": "pixels[i] << 7"},
}


def documents(content, array, row, checks, about, dataset, target):
    """Writes the model card and the verification report of a file.

    Args:
        content: the file's bytes.
        array: (name, bytes) of the file that firmware embeds: itself, or what Vela made of it.
        row: the file's row of a report.
        checks: list of dicts, what `evidence` returned.
        about: mapping with `"name"` of the network, `"training"` (dict from a word to what it was, for people) and
            optionally `"cost"`, a line of text.
        dataset: `odtf.data.ImageDataset`.
        target: `Target`.

    Returns:
        dict from file name to bytes.
    """
    import jinja2

    tensors = flatbuffer.interface(content)
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("odtf.export"),
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # Markdown, not HTML.
        keep_trailing_newline=True,
    )
    name, embedded = array
    height, width, channels = tensors[0]["shape"][1:]
    card = environment.get_template(f"{CARD}.j2").render(
        about=about,
        arena=arena(content)["bytes"],
        array=name,
        checks=checks,
        dataset=dataset,
        figures=_figures,
        file=f"student_{row['quantization']}",
        labels=_labels(dataset.class_names),
        percent="{:.2%}".format,
        pixels=height * width * channels,
        quantization=row["quantization"],
        resolvers=[resolver_name(operator) for operator in flatbuffer.operators(embedded)],
        row={"vela": None, **row},
        stored=_STORED.get(tensors[0]["type"]),
        target=target,
        tensors=tensors,
        value=_value,
        version=__version__,
    )
    report = {key: row[key] for key in ("target", "quantization", "bytes", "sha256")} | {"checks": checks}
    return {CARD: card.encode(), REPORT: (json.dumps(report, indent=1) + "\n").encode()}


def _labels(names):
    shown = ", ".join(str(name) for name in names[:10])
    return shown if len(names) <= 10 else f"{shown} and {len(names) - 10} more"


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
