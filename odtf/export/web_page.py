"""A web page that shows an exported file at work: LiteRT.js runs it inside the browser, on what its user gives it."""

import io
import json

import numpy as np

from odtf import __version__
from odtf.export.templating import environment_of
from odtf.targets.web_packages import LITERT_JS, SCOPE
from odtf.tflite import flatbuffer

PAGE, EXAMPLES, PACKAGE = "index.html", "examples.png", "package.json"
_TEMPLATE = "browser.html.j2"
_EXAMPLES = 24
_EXAMPLE_PIXELS = 2**20


def web_page(content, name, dataset, task, split, title):
    """Writes a page for a file that takes uint8 pixels in colour.

    The page, the file and `EXAMPLES` lie in one folder. The library comes from npm: `PACKAGE` says which, so that
    `npm install` in that folder, or `odtf.export.add_web_library`, completes it; until then the page tells its user so.

    Args:
        content: the file's bytes.
        name: the file's name without suffix.
        dataset: `odtf.data.ImageDataset`.
        task: `odtf.tasks.Task`, whose template `snippets["page"]` shows its answers; without one, numbers are shown.
        split: split whose images are the examples.
        title: what the file is, for people.

    Returns:
        dict from file name to bytes.
    """
    info = dataset.info
    image, output = flatbuffer.interface(content)
    sprite, captions = _examples(dataset.splits[split], info)
    facts = {
        "file": f"{name}.tflite",
        "height": image["shape"][1],
        "width": image["shape"][2],
        "resize": info.resize,
        "output": {key: output[key] for key in ("shape", "type", "scale", "zero_point")},
        "names": [str(name) for name in info.names],
        "colors": [list(map(int, color)) for color in info.colors],
        "examples": captions,
        "library": LITERT_JS,
    }
    environment = environment_of(task)
    page = environment.get_template(task.snippets.get("page", _TEMPLATE)).render(
        facts=facts, title=title, version=__version__
    )
    package = {"private": True, "dependencies": {f"{SCOPE}/core": LITERT_JS}}
    return {EXAMPLES: sprite, PACKAGE: (json.dumps(package, indent=1) + "\n").encode(), PAGE: page.encode()}


def _examples(examples, info):
    """Images of a split side by side as one PNG, and what each shows where its target is a name."""
    from PIL import Image

    height, width, channels = info.image_shape
    count = min(len(examples), _EXAMPLES, max(4, _EXAMPLE_PIXELS // (height * width)))
    # Over all of the split: where it is in the order of its classes, the first ones are all alike.
    images, targets = examples.take(np.linspace(0, len(examples) - 1, count).round().astype(int))
    side_by_side = np.concatenate(list(images), axis=1)
    encoded = io.BytesIO()
    Image.fromarray(side_by_side[..., 0] if channels == 1 else side_by_side).save(encoded, "PNG", optimize=True)
    named = not isinstance(targets, dict) and np.ndim(targets) == 1 and np.issubdtype(targets.dtype, np.integer)
    captions = [str(info.names[target]) for target in targets] if named and info.names else [""] * count
    return encoded.getvalue(), captions
