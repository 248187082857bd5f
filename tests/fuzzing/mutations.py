"""Seeded mutations of bytes, of JSON and of text; every function takes a `random.Random` first."""

import copy
import json
import math

from odtf import sealed

# Values that no key and no flag was made for, and some that one was.
STRANGE = (
    *(None, True, False, 0, 1, -1, 2, 255, 2**31, -(2**31), 2**40, 2**63, 2**64, 10**400),
    *(0.0, -0.0, 0.5, 1.0, -1.5, 1e-30, 1e30, 1e308, math.inf, -math.inf, math.nan),
    *(
        "",
        " ",
        "x",
        "0",
        "nan",
        "None",
        "a" * 10_000,
        "\x00",
        "\n",
        "Bäume",
        "\ud800",
        "../..",
        "/",
        "~",
        "*",
        "${HOME}",
    ),
    *("/dev/null", "/nowhere", "x.py:y", "odtf:nothing", "folder:", "folder:/nowhere", "digits", "int8", "all"),
    *([], {}, [[]], [None], [1, 2, 3], [0.1, "a"], {"name": None}, {"name": "x"}, {"": ""}, [{"name": 3}]),
)


def strange(draw):
    """A strange value, a copy of it."""
    return copy.deepcopy(draw.choice(STRANGE))


def near(draw, value):
    """A value that is near to another: of its type, or of none that it should have."""
    if draw.random() < 0.5:
        return strange(draw)
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + draw.choice((-1, 1, -value, 1000, 2**31, -2 * value, 2**70))
    if isinstance(value, float):
        return value * draw.choice((-1.0, 0.0, 1e-12, 1e12, 1e300, 0.5, math.nan))
    if isinstance(value, str):
        return draw.choice(
            (value[:-1], value * 2, value.upper(), f" {value}", f"{value}:x", f"{value}\x00", value[::-1])
        )
    if isinstance(value, (list, tuple)):
        return draw.choice(
            (list(value)[:-1], [*value, *value], [list(value)], [*value, strange(draw)], list(value)[::-1])
        )
    return strange(draw)


# Bytes ----------------------------------------------------------------------------------------------------------------


def damaged(draw, content):
    """Bytes with one to three changes."""
    for _ in range(draw.choice((1, 1, 1, 2, 3))):
        content = draw.choice(_CHANGES)(draw, content or b"\0")
    return content


def _flip(draw, content):
    changed = bytearray(content)
    changed[draw.randrange(len(changed))] ^= 1 << draw.randrange(8)
    return bytes(changed)


def _cut(draw, content):
    return content[: draw.randrange(len(content))]


def _drop(draw, content):
    start = draw.randrange(len(content))
    return content[:start] + content[start + draw.choice((1, 4, 100)) :]


def _insert(draw, content):
    start = draw.randrange(len(content))
    return content[:start] + draw.randbytes(draw.choice((1, 4, 100))) + content[start:]


def _repeat(draw, content):
    start = draw.randrange(len(content))
    return content[: start + draw.choice((4, 64))] + content[start:]


def _word(draw, content):
    """Sets four bytes, as an offset, a length or a scale may be."""
    start = draw.randrange(len(content)) & ~3
    word = draw.choice(
        (b"\0\0\0\0", b"\xff\xff\xff\xff", b"\0\0\0\x80", b"\xff\xff\xff\x7f", b"\0\0\xc0\x7f", b"\1\0\0\0")
    )
    return content[:start] + word + content[start + 4 :]


def _blank(draw, content):
    start, length = draw.randrange(len(content)), draw.choice((8, 256))
    return content[:start] + bytes(min(length, len(content) - start)) + content[start + length :]


def _append(draw, content):
    return content + draw.choice((b"\0", b"PK\5\6" + bytes(18), content[:50], draw.randbytes(30)))


_CHANGES = (_flip, _flip, _flip, _cut, _drop, _insert, _repeat, _word, _word, _blank, _append)


# JSON -----------------------------------------------------------------------------------------------------------------


def other_json(draw, value):
    """A copy of what JSON holds with one value that is another, or gone, or has another name."""
    value = copy.deepcopy(value)
    places = list(_places(value))
    if not places or draw.random() < 0.02:
        return strange(draw)
    holder, key = draw.choice(places)
    kind = draw.random()
    if kind < 0.2:
        del holder[key]
    elif kind < 0.3 and isinstance(holder, dict):
        holder[f"{key}x"] = holder.pop(key)
    else:
        holder[key] = near(draw, holder[key])
    return value


def _places(value):
    """Yields (dict or list, key) of every value inside."""
    for key in list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield value, key
        yield from _places(value[key])


def record(draw, content):
    """Bytes of a record that are damaged, or say something else with a digest that is right, or without any.

    Returns:
        (bytes, whether it is a damage that the digest must show: else whoever made it has meant it).
    """
    kind = draw.random()
    if kind < 0.4:
        return damaged(draw, content), True
    if kind < 0.45:
        return draw.choice(
            (b"", b"null", b"[]", b"{}", b"[" * 100_000, b'{"a":' * 50_000, b"\xff\xfe", b"9" * 5000)
        ), True
    said = json.loads(content)
    digests = [key for key in (sealed.DIGEST, "sha256") if isinstance(said.get(key), str)][:1]
    bare = {key: value for key, value in said.items() if key not in digests}
    other = other_json(draw, bare)
    if kind < 0.6 and isinstance(other, dict):
        return json.dumps({**other, **{key: said[key] for key in digests}}).encode(), True
    if kind < 0.9 and isinstance(other, dict):
        return json.dumps({**other, **{key: sealed.digest(other) for key in digests}}).encode(), False
    return json.dumps(other).encode(), False
