"""Names of classes in the form in which every file can carry them."""

import unicodedata

from odtf.errors import UserError

# Characters that are no text: control characters such as a line feed, halves of pairs, separators of lines.
_REFUSED = ("Cc", "Cs", "Zl", "Zp")


def cleaned(names, source, distinct=True):
    """Returns names of classes as they are written everywhere: files of labels, metadata, C++ sources, CSV, pictures.

    A name is one line of UTF-8. Spaces around it go, and an accent and its letter become one character, so that what
    looks alike is alike, on whatever system a folder was named.

    Args:
        names: sequence of names, of any type.
        source: where they are from, for errors.
        distinct: whether no two may be equal; outputs that nobody asks for may be.

    Returns:
        tuple of str, as many and in the same order.

    Raises:
        UserError: if a name is blank, no UTF-8, more than a line, or equal to another that it must not be.
    """
    found, texts = {}, []
    for name in names:
        text = unicodedata.normalize("NFC", str(name)).strip()
        problem = _problem(text)
        if problem is None and distinct and text in found:
            problem = f"equal to {found[text]!a}, but for spaces or the way accents are written"
            if str(name) == found[text]:
                problem = "there twice"
        if problem is not None:
            raise UserError(
                f"A class name is one line of UTF-8 text, not blank and not that of another class: rename it. "
                f"Received: {str(name)!a} of {source}, which is {problem}."
            )
        found[text] = str(name)
        texts.append(text)
    return tuple(texts)


def _problem(text):
    if not text:
        return "blank"
    kinds = {unicodedata.category(character) for character in text}
    if "Cs" in kinds:
        return "no UTF-8"
    return "no line of text" if kinds.intersection(_REFUSED) else None
