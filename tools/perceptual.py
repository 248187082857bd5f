"""Converts torchvision's VGG16 into the features that style and feature losses of images compare.

    python tools/perceptual.py --state_dict=vgg16-397923af.pth --features=vgg16.keras

The state dict is read as data: no PyTorch is needed, and nothing of it is run. `odtf.models.perceptual_features` loads
the result. What odtf needs must be installed.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from absl import flags

from odtf.commands import cli
from odtf.errors import UserError
from odtf.quiet import import_tensorflow


def convert(state_dict, features):
    """Writes the .keras file that a file of PyTorch weights becomes.

    Args:
        state_dict: path of torchvision's VGG16.
        features: path to write.

    Raises:
        UserError: if either is another kind of file.
    """
    from odtf.models.perception import torchvision_vgg16

    if pathlib.Path(features).suffix != ".keras":
        raise UserError(f"The features become a .keras file. Received: {features}.")
    torchvision_vgg16(state_dict).save(features)
    print(f"{features}: the maps relu1_2, relu2_2, relu3_3 and relu4_3 of {state_dict}, of images in [-1, 1]")


def main(argv):
    cli.no_arguments(argv)
    paths = cli.required(state_dict), cli.required(features)
    import_tensorflow()
    convert(*paths)


if __name__ == "__main__":
    state_dict = flags.DEFINE_string("state_dict", None, "The .pth file of torchvision's VGG16.")
    features = flags.DEFINE_string("features", None, "The .keras file to write.")
    cli.run(main, __doc__)
