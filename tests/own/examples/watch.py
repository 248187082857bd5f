"""An export target of one's own: `odtf-export --workdir=DIR --target=watch.py:WATCH`."""

import dataclasses

from odtf.targets import TARGETS

WATCH = dataclasses.replace(TARGETS["micro"], name="watch", title="a watch with TFLite Micro", c_array=False)
