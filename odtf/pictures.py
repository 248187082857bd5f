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
        content = rendered(draw, *arguments, form=path.suffix.removeprefix("."))
    except ImportError:
        return [f"no {word}: pip install matplotlib"]
    if content is None:
        return []
    write_bytes(path, content)
    return [str(path)]


def rendered(draw, *arguments, form="png"):
    """Draws a picture.

    Args:
        draw, *arguments: as of `save`.
        form: format, as matplotlib calls it.

    Returns:
        bytes, or None where nothing was drawn.

    Raises:
        ImportError: if matplotlib is missing.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure = draw(pyplot, *arguments)
    if figure is None:
        return None
    content = io.BytesIO()
    figure.savefig(content, dpi=120, format=form)
    pyplot.close(figure)
    return content.getvalue()
