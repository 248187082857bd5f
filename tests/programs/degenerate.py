"""Gives the degenerate networks of tests/export to every target, in every form, and says how their files answer.

    python tests/programs/degenerate.py [--output=docs/results/degenerate_networks.md]

A cell is the share of test images on which a file agrees with its student, and the root mean square difference of its
logits or scores, beyond a step, in units of the standard deviation of the student's; or that it is refused. Takes
some minutes.
"""

import argparse
import pathlib
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

# Targets that take the same file share a column.
COLUMNS = {
    "soc, micro, ethos-u55, ethos-u65 int8": ("soc", "int8"),
    "the same, int16x8": ("soc", "int16x8"),
    "phone, web int8": ("phone", "int8"),
    "int16x8": ("phone", "int16x8"),
    "dynamic": ("phone", "dynamic"),
    "float16": ("phone", "float16"),
    "float32": ("phone", "float32"),
    "phone-gpu float16": ("phone-gpu", "float16"),
}
AWARE = {"soc int8, trained so": ("soc", "int8"), "phone int8, trained so": ("phone", "int8")}


def cells(network, dataset, wanted):
    """Yields the text of the cells of a network."""
    from odtf import export
    from odtf.errors import UserError

    memory = {}
    for target, quantization in wanted:
        with tempfile.TemporaryDirectory(prefix="odtf-") as folder:
            options = {"target": target, "quantization": quantization, "memory": memory}
            try:
                row = export.export_student(network, dataset, folder, **options)
            except UserError as error:
                yield f"refused: {error}"
                continue
        yield f"{row['agreement']:.1%}, {row['error']:.3f}"


def main(arguments):
    """Prints the table, and writes it where it is asked for."""
    from odtf import data
    from odtf.quiet import import_tensorflow
    from tests.export.degenerate_networks import CASES, DEAD, make, trained_quantized

    import_tensorflow()
    dataset = data.load("digits")
    heading = ("network", *COLUMNS, *AWARE)
    lines = [f"| {' | '.join(heading)} |", "|" + "---|" * len(heading)]
    for name, changes in {**CASES, "dead": DEAD}.items():
        network = make(changes, dataset)
        aware = trained_quantized(network, dataset)
        row = [name, *cells(network, dataset, COLUMNS.values()), *cells(aware, dataset, AWARE.values())]
        lines.append(f"| {' | '.join(row)} |")
        print(lines[-1], flush=True)
    if arguments.output:
        pathlib.Path(arguments.output).write_text("\n".join([_ABOUT, *lines]) + "\n", "utf-8")


_ABOUT = """# Networks with parts that compute nothing

`python tests/programs/degenerate.py` gives networks of `tests/export/degenerate_networks.py`, each with a dead, a
constant or an oddly scaled part, to every target in every form that it takes, quantised after training and in it. They
were fitted to the 8 x 8 digits; 359 test images, 256 for calibration. A cell is the agreement with the network and the
root mean square difference of the answers, beyond one stored step, in units of their standard deviation.
`tests/export/test_degenerate.py` asks the same of fewer images.
"""

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", help="a Markdown file to write")
    main(parser.parse_args())
