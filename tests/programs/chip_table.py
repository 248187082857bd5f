"""Which convolution for my chip: the students of the zoo side by side, measured on this machine, as a Markdown table.

    python tests/programs/chip_table.py --output=docs/results/chips.md [--accelerator=ethos-u55-128] [--names A B]

Quality and agreement are those of the cards, which `odtf-evaluate zoo/NAME` repeats; bytes, cycles by Vela, the arena
of TensorFlow Lite Micro and the latency by LiteRT are measured here. A column is empty where what measures it is not
installed. Nothing else should run beside it, for the latencies.
"""

import argparse
import pathlib

from odtf.benchmark import edge
from odtf.compare.cells import in_markdown
from odtf.zoo import students

HEADING = (
    *("student", "data", "convolution", "float", "int8", "agreement", "parameters", "bytes", "MACs"),
    *("Ethos-U cycles", "arena bytes", "LiteRT, 1 thread, us"),
)


def parsed():
    """Returns the arguments of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=pathlib.Path)
    parser.add_argument("--accelerator", default="ethos-u55-128")
    parser.add_argument("--names", nargs="+", default=students.names())
    parser.add_argument("--repeats", type=int, default=5)
    return parser.parse_args()


def row_of(name, card, measured):
    """Returns the row of a student.

    Args:
        name: of it.
        card: dict, see `odtf.zoo.students`.
        measured: its row of `odtf.benchmark.edge.run`.
    """
    vela, arena, conv = measured["vela"] or {}, measured["arena"] or {}, card["network"].get("conv", "standard")
    return (
        *(name, card["data"], f"{card['network']['name']}, {conv}"),
        *(f"{card['float']:.2%}", f"{card['quality']:.2%}", f"{card['agreement']:.2%}"),
        *(f"{card[key]:,}" for key in ("parameters", "bytes", "macs")),
        *(_number(vela.get("cycles")), _number(arena.get("bytes")), f"{measured['latency']['1']['p50_us']:,.0f}"),
    )


def _number(value):
    return "" if value is None else f"{value:,.0f}"


def main():
    """Measures the students and writes the table."""
    given = parsed()
    paths = [str(students.path(name)) for name in given.names]
    result = edge.run(paths, repeats=given.repeats, accelerator=given.accelerator, threads=(1,), log=lambda line: None)
    measured = {row["path"]: row for row in result["files"]}
    rows = [row_of(n, students.card(n), measured[path]) for n, path in zip(given.names, paths, strict=True)]
    text = in_markdown(f"Ethos-U: {given.accelerator}, by Vela.", [HEADING, *rows])
    if given.output:
        given.output.write_text(text, "utf-8")
    print(text)


if __name__ == "__main__":
    main()
