"""Pictures beside the figures they show, where matplotlib is installed."""

import io

from odtf.files import write_bytes


def save(path, draw, *arguments, word="plot"):
    """Draws a picture and writes it whole or not at all.

    Args:
        path: of the file, whose suffix says the format.
        draw: function from matplotlib's pyplot and `arguments` to the figure, or to None where there is nothing to see.
        *arguments: of `draw`.
        word: what it is called where it is missing.

    Returns:
        List of one text: the path, or what to install; empty where nothing was drawn.
    """
    try:
        import matplotlib
    except ImportError:
        return [f"no {word}: pip install 'odtf[plot]' brings matplotlib"]
    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure = draw(pyplot, *arguments)
    if figure is None:
        return []
    content = io.BytesIO()
    figure.savefig(content, dpi=120, format=path.suffix.removeprefix("."))
    pyplot.close(figure)
    write_bytes(path, content.getvalue())
    return [str(path)]
