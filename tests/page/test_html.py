"""Sections as HTML: complete in itself, of a size, and nothing in it but what was meant."""

import html.parser
import re
import sys

import numpy as np
import pytest

from odtf.page import html as page
from odtf.page.inlining import PAGE_BYTES, Inliner
from odtf.sections import Confusion, Figure, Gallery, Note, Section, Table


class Seen(html.parser.HTMLParser):
    """What a browser would find: tags with their attributes, and the text."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.text, self.open = [], "", []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in ("meta", "img", "br", "path", "use", "rect", "image"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag in self.open:
            while self.open.pop() != tag:
                pass

    def handle_data(self, data):
        self.text += data

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


def seen(*blocks, inliner=None, folded=False):
    text, lacks = page.render("A <title>", [("fact", "1 & 2")], [Section("Part", blocks, folded)], inliner)
    found = Seen(text)
    found.html, found.lacks = text, lacks
    return found


def line(pyplot, title="a line"):
    figure, axes = pyplot.subplots()
    axes.plot([0, 1], [0, 1])
    axes.set_title(title)
    return figure


def gallery(count, size=8, channels=3):
    images = np.random.default_rng(0).integers(0, 256, (count, size, size, channels), np.uint8)
    return Gallery("Some images.", images, tuple(f"image {i}" for i in range(count)))


def test_a_page_asks_no_network_for_anything():
    found = seen(Note("text"), Table([("a", "b"), ("c", "1")]), Figure("A line.", line), gallery(3))
    assert found.open == []
    for _, attributes in found.tags:
        for key in ("src", "href", "xlink:href"):
            assert attributes.get(key, "#").startswith(("#", "data:image/"))
    assert not found.all("script") and not found.all("link")
    assert not re.search(r"url\((?!#)|@import", found.html)
    assert {attributes["name"] for attributes in found.all("meta") if "name" in attributes} >= {"viewport"}
    assert "prefers-color-scheme: dark" in found.html
    assert len(found.all("svg")) == 1 and len(found.all("img")) == 3 and not found.lacks


def test_figures_take_the_color_of_the_page_and_their_names_are_told_apart():
    found = seen(Figure("One.", line), Figure("Two.", line))
    assert "#010203" not in found.html and "currentColor" in found.html
    names = [attributes["id"] for tag, attributes in found.tags if tag == "clippath"]
    assert len(names) == 2 and len(set(names)) == 2
    assert "<metadata" not in found.html


def test_text_is_text_whatever_stands_in_it():
    name = "<script>$5</script> & ${"
    found = seen(Table([(name, "x"), ("y", name)]), Figure(name, line, (name,)), Note(name))
    assert not found.all("script")
    assert found.text.count(name) == 5, "twice in the table, in the figure, its caption and the note"


def test_numbers_stand_to_the_right_and_nothing_else():
    numbers = (
        "1",
        "-",
        "-0.5",
        "97.49%",
        "12,345",
        "27 us",
        "+10.50 ± 0.71",
        "82.30% ± 0.99%",
        "1e-05",
        "+2.89 to +4.49",
    )
    texts = ("", "2026-11-27T17:55:09+00:00", "3 networks", "peer_0", "a", "5 x 5", "-x")
    found = seen(Table([tuple(map(str, range(len(numbers + texts)))), numbers + texts]))
    kinds = [attributes["class"] == "number" for attributes in found.all("td")]
    assert kinds == [True] * len(numbers) + [False] * len(texts)
    assert [attributes["class"] == "number" for attributes in found.all("th")] == kinds


def test_of_images_there_are_as_many_as_fit():
    inliner = Inliner(4_000)
    found = seen(gallery(40, size=16), inliner=inliner)
    assert 0 < len(found.all("img")) < 40
    assert inliner.left_out == 40 - len(found.all("img"))
    assert f"{inliner.left_out} images were left out" in found.text
    large = seen(*(gallery(500, size=48) for _ in range(4)))
    assert PAGE_BYTES / 2 < len(large.html) < PAGE_BYTES


def test_images_are_those_that_were_given():
    import base64
    import io

    from PIL import Image

    given = gallery(2, size=16, channels=1)
    for attributes, image in zip(seen(given).all("img"), given.images, strict=True):
        content = base64.b64decode(attributes["src"].partition("base64,")[2])
        np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(content)).convert("L")), image[..., 0])
    (photo,) = seen(gallery(1, size=300)).all("img")
    content = base64.b64decode(photo["src"].partition("base64,")[2])
    assert Image.open(io.BytesIO(content)).size == (96, 96)


def test_without_matplotlib_the_rest_is_there(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    found = seen(Note("still here"), Figure("A line.", line))
    assert found.lacks and not found.all("svg")
    assert "still here" in found.text and "pip install matplotlib" in found.text
    alone, _ = page.render("t", [], [Section("Seen", (Note("a"),)), Section("Unseen", (Figure("A line.", line),))])
    assert "Seen" in alone and "Unseen" not in alone
    said = page.write(tmp_path / "p.html", "t", [], [Section("Part", (Figure("A line.", line),))])
    assert said == f"{tmp_path / 'p.html'} (no figures: pip install matplotlib)"


def test_cells_lead_to_the_images_behind_them():
    counts = np.array([[5, 2, 0], [0, 4, 0], [1, 0, 0]])
    found = seen(Confusion(("a", "b", "c"), counts, {(0, 1): gallery(2), (2, 0): gallery(1)}))
    links = [attributes["href"].removeprefix("#") for attributes in found.all("a")]
    assert len(links) == 2
    assert set(links) == {attributes["id"] for attributes in found.all("div") if "id" in attributes}
    assert len(found.all("img")) == 3
    rows = re.findall(r"<tr><th>(\w)</th>(.*?)</tr>", found.html)
    assert [re.sub("<[^>]+>", " ", cells).split() for _, cells in rows] == [["5", "2"], ["4"], ["1"]]


def test_many_classes_are_a_figure():
    counts = np.eye(60, dtype=int) * 3
    found = seen(Confusion(tuple(map(str, range(60))), counts, {(0, 1): gallery(1)}))
    assert len(found.all("svg")) == 1 and not found.all("td") and len(found.all("img")) == 1


def test_a_figure_of_nothing_and_a_folded_section():
    found = seen(Figure("Nothing.", lambda pyplot: None), Note("Something."), folded=True)
    assert not found.all("svg") and "Nothing." not in found.text and found.all("details")


def test_a_section_is_of_known_blocks():
    with pytest.raises(TypeError, match="Received: 'text'"):
        page.render("t", [], [Section("Part", ("text",))])
