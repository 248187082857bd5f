"""odtf-benchmark from a checkout, without an installation of odtf.

    python tools/benchmark.py edge student.tflite --threads=1,2

The arguments are those of `odtf-benchmark`; --help explains them. What odtf needs must be installed.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from odtf.commands.benchmark import main

if __name__ == "__main__":
    main()
