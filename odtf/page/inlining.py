"""Figures and images inside a page: SVG whose black is the page's own, and images as data URIs, up to a size."""

import base64
import io
import re

import numpy as np

from odtf import paths, pictures
from odtf.sections import Figure

# What all of a page may take, text included, and what the images of it may.
PAGE_BYTES = 5 * 2**20
_IMAGE_BYTES = PAGE_BYTES - 2**20
# Edge of an image in a gallery; smaller ones keep every pixel.
_EDGE = 96
_SMALL = 48
# Width of a picture of several images, in pixels, below which its words could not be read.
_SCROLLED = 560
# A colour that nothing else has stands for that of the page's text, which is known in the browser alone.
_INK = "#010203"
# Told apart on white and on black.
_COLORS = ["#3b82c4", "#e07b1a", "#2a9d5c", "#d64550", "#8e6cc9", "#9c6b4f", "#d168a8", "#7f8790", "#a5a02a", "#22a7b8"]


class Inliner:
    """Makes of figures and images what stands in a page.

    Attributes:
        lacks_matplotlib: whether a figure was left out for want of it.
        left_out: how many figures and images did not fit.
    """

    def __init__(self, most_bytes=_IMAGE_BYTES):
        self.lacks_matplotlib = False
        self.left_out = 0
        self._left = most_bytes
        self._figures = 0

    def figure(self, figure):
        """Returns the HTML of a `Figure`, or None where there is nothing to see."""
        try:
            content = self._drawn(figure)
        except ImportError:
            self.lacks_matplotlib = True
            return None
        if content is None:
            return None
        if figure.has_photos:
            return self._kept(_photo(content))
        return self._kept(_embedded(content.decode()))

    def picture(self, picture):
        """Returns the HTML of a `Picture`, or None where it cannot be read or does not fit."""
        try:
            return self._kept(_photo(paths.at(picture.path).read_bytes()))
        except ImportError:
            self.lacks_matplotlib = True
        except (OSError, ValueError, SyntaxError):  # What Pillow raises on a file that is no picture, or a half one.
            self.left_out += 1
        return None

    def _drawn(self, figure):
        import matplotlib

        self._figures += 1
        if figure.has_photos:
            with matplotlib.rc_context({"savefig.facecolor": "white", "text.parse_math": False}):
                return pictures.rendered(figure.draw, *figure.arguments)
        colored = ("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color", "legend.labelcolor")
        style = dict.fromkeys(colored, _INK) | {
            "axes.prop_cycle": matplotlib.cycler(color=_COLORS),
            "font.size": 9,
            "savefig.transparent": True,
            # A class may be called "$5".
            "text.parse_math": False,
            # Text stays text, in the page's font.
            "svg.fonttype": "none",
            # Names of parts differ between the figures of a page, and not between two pages of one run.
            "svg.hashsalt": f"figure {self._figures}",
        }
        with matplotlib.rc_context(style):
            return pictures.rendered(figure.draw, *figure.arguments, form="svg")

    def images(self, images):
        """Returns the data URIs of images, uint8 `[n, height, width, 1 or 3]`; None for those that do not fit."""
        return [self._kept(_thumbnail(image)) for image in images]

    def _kept(self, text):
        if len(text) > self._left:
            self.left_out += 1
            return None
        self._left -= len(text)
        return text


def _embedded(svg):
    """Returns an SVG document as a part of a page."""
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    # The width is the page's to say, up to what the figure was drawn for.
    width = re.search(r'width="([\d.]+)pt"', svg)[1]
    svg = re.sub(r'<svg ([^>]*?)height="[\d.]+pt"', r"<svg \1", svg, count=1)
    svg = re.sub(r'width="[\d.]+pt"', f'style="max-width:{float(width) * 4 / 3:.0f}px" role="img"', svg, count=1)
    svg = re.sub(r"font: ([\d.]+)px [^;\"]*", r"font-size: \1px", svg)
    return svg.replace(_INK, "currentColor")


def _photo(png):
    """Returns the HTML of a picture of images, as WebP, which takes a tenth of a PNG; a narrow screen scrolls it."""
    from PIL import Image

    picture = Image.open(io.BytesIO(png)).convert("RGB")
    style = f"min-width: {min(picture.width, _SCROLLED)}px"
    return f'<img alt="" style="{style}" src="{_uri(_encoded(picture, quality=80), "webp")}">'


def _thumbnail(image):
    from PIL import Image

    picture = Image.fromarray(np.asarray(image).squeeze(-1) if image.shape[-1] == 1 else np.asarray(image))
    small = max(picture.size) <= _SMALL
    picture.thumbnail((_EDGE, _EDGE))
    return _uri(_encoded(picture, lossless=True) if small else _encoded(picture, quality=80), "webp")


def _encoded(picture, **options):
    content = io.BytesIO()
    picture.save(content, "WEBP", **options)
    return content.getvalue()


def _uri(content, kind):
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def heat_map(names, counts):
    """Returns the `Figure` of a confusion matrix of too many classes for a table."""
    return Figure(
        "Rows the true class, columns the answer; the darker, the larger a share of the row.", _draw, (names, counts)
    )


def _draw(pyplot, names, counts):
    figure, axes = pyplot.subplots(figsize=(4.6, 4.6), layout="constrained")
    shares = counts / counts.sum(axis=1, keepdims=True).clip(min=1)
    axes.imshow(np.sqrt(shares), cmap="Blues", vmin=0, vmax=1, interpolation="nearest")
    axes.set(xlabel="answer", ylabel="true class")
    axes.set_title(f"{len(names)} classes", fontsize=10)
    return figure
