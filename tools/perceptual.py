"""Converts torchvision's VGG16 into the features that style and feature losses of images compare.

    python tools/perceptual.py --state_dict=vgg16-397923af.pth --out=vgg16.keras

The state dict is read as data: no PyTorch is needed, and nothing of it is run. `odtf.models.perceptual_features` loads
the result. What odtf needs must be installed.
"""

import pathlib
import sys

from absl import flags

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from odtf.commands import cli
from odtf.errors import UserError

_STATE_DICT = flags.DEFINE_string("state_dict", None, "The .pth file of torchvision's VGG16.")
_OUT = flags.DEFINE_string("out", None, "The .keras file to write.")


def main(argv):
    del argv
    source, out = cli.required(_STATE_DICT), pathlib.Path(cli.required(_OUT))
    if out.suffix != ".keras":
        raise UserError(f"The features become a .keras file. Received: --out={out}.")

    from odtf.models.perceptual_features import torchvision_vgg16

    torchvision_vgg16(source).save(out)
    print(f"{out}: the maps relu1_2, relu2_2, relu3_3 and relu4_3 of {source}, for images in [-1, 1]")


if __name__ == "__main__":
    cli.run(main, __doc__)
