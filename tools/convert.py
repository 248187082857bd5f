"""odtf-export from a checkout, without an installation of odtf: the student of a run as verified TFLite files.

    python tools/convert.py --workdir=runs/digits --target=phone

The arguments are those of `odtf-export`; --help explains them. What odtf needs must be installed.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from odtf.commands.export import main

if __name__ == "__main__":
    main()
