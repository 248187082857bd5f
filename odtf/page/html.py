"""HTML of sections: one file that needs no network, for wide and narrow screens, light and dark."""

import re

from odtf import __version__, files
from odtf.page.inlining import Inliner, heat_map
from odtf.sections import Confusion, Figure, Gallery, Note, Picture, Table

_INSTALL = "no figures: pip install matplotlib"
# More classes do not fit on a screen as a table.
_TABULATED = 24
_LONG = 24
# With a unit, or a deviation; "-" is one that there is not.
_NUMBER = re.compile(r"[+-]?[\d.,]+(e[+-]?\d+)?( ?% ?| us)?( ?± ?[\d.,]+%?)?|[+-][\d.]+ to [+-][\d.]+|-")
# Galleries of a confusion matrix that are open; the others open by their cell.
_OPEN = 4


def write(path, title, summary, sections):
    """Writes a page.

    Args:
        path: of the file.
        title: a few words.
        summary: (what, value) pairs, the first things to know.
        sections: iterable of `odtf.sections.Section`.

    Returns:
        A line of text that names the file, and says what to install where figures are missing.

    Raises:
        UserError: if it cannot be written.
    """
    text, lacks_matplotlib = render(title, summary, sections)
    files.write_text(path, text)
    return f"{path} ({_INSTALL})" if lacks_matplotlib else str(path)


def render(title, summary, sections, inliner=None):
    """Returns the HTML of a page, and whether figures are missing for want of matplotlib.

    Args:
        title, summary, sections: as for `write`.
        inliner: `Inliner`; None: one of the size that a page may have.
    """
    import jinja2

    inliner = inliner or Inliner()
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("odtf.page"),
        undefined=jinja2.StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["kind"] = _kind
    made = [
        {"title": one.title, "folded": one.folded, "blocks": _blocks(one, number, inliner)}
        for number, one in enumerate(sections)
    ]
    made = [one for one in made if one["blocks"]]
    notes = [_INSTALL] if inliner.lacks_matplotlib else []
    if inliner.left_out:
        notes.append(f"{inliner.left_out} images were left out: a page takes at most 5 MB")
    template = environment.get_template("page.html.j2")
    text = template.render(title=title, summary=summary, sections=made, notes=notes, version=__version__)
    return text, inliner.lacks_matplotlib


def _kind(cell):
    """Returns how a cell of a table is set: numbers to the right, long text with room."""
    if _NUMBER.fullmatch(cell):
        return "number"
    return "long" if len(cell) > _LONG else ""


def _blocks(section, number, inliner):
    """Returns the blocks of a section as the template takes them; figures that follow each other are one block."""
    found = []
    for block in section.blocks:
        kind, content = _block(block, number, inliner)
        if kind == "figures" and found and found[-1]["kind"] == kind:
            found[-1]["content"] += content
        elif content:
            found.append({"kind": kind, "content": content})
    return found


def _block(block, number, inliner):
    if isinstance(block, Note):
        return "note", block.text
    if isinstance(block, Table):
        head, *rows = block.rows if block.heading else [None, *block.rows]
        return "table", {"head": head, "rows": rows}
    if isinstance(block, Figure):
        image = inliner.figure(block)
        return "figures", [] if image is None else [{"caption": block.caption, "image": image}]
    if isinstance(block, Picture):
        image = inliner.picture(block)
        return "figures", [] if image is None else [{"caption": block.caption, "image": image}]
    if isinstance(block, Gallery):
        return "gallery", _gallery(block, inliner)
    if isinstance(block, Confusion):
        return "confusion", _confusion(block, number, inliner)
    raise TypeError(f"A section is made of what odtf.sections has. Received: {block!r}.")


def _gallery(gallery, inliner):
    shown = zip(inliner.images(gallery.images), gallery.titles, strict=True)
    return {"caption": gallery.caption, "images": [one for one in shown if one[0] is not None]}


def _confusion(block, number, inliner):
    """Returns a confusion matrix: a row for each class as a table or else a figure, and the galleries behind cells."""
    behind = [
        {"id": f"cell-{number}-{row}-{column}", "open": place < _OPEN, "gallery": _gallery(gallery, inliner)}
        for place, ((row, column), gallery) in enumerate(block.galleries.items())
    ]
    if len(block.names) > _TABULATED:
        image = inliner.figure(heat_map(block.names, block.counts))
        for one in behind:
            one["open"] = True
        return {"rows": None, "names": block.names, "image": image, "behind": behind}
    shares = block.counts / block.counts.sum(axis=1, keepdims=True).clip(min=1)
    rows = [
        (
            name,
            [
                {
                    "count": int(block.counts[i, j]),
                    "share": float(shares[i, j]) ** 0.5,
                    "right": i == j,
                    "link": f"cell-{number}-{i}-{j}" if (i, j) in block.galleries else None,
                }
                for j in range(len(block.names))
            ],
        )
        for i, name in enumerate(block.names)
    ]
    return {"rows": rows, "names": block.names, "image": None, "behind": behind}
