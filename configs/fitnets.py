"""FitNets on CIFAR-100: hints from within the teacher, for the pairs of networks of RepDistiller.

    odtf-train --config=fitnets:pair=resnet110_resnet32 --workdir=DIR --config.data.data_dir=DATA

trains teacher and student in one run; see configs/kd.py for a teacher of its own and for the protocol. stages=1 is
RepDistiller's form: CE + 100 times the mean squared error at the second stage. stages=2 is the paper's: the hint alone
for an eighth of the student's epochs, then CE + alpha T^2 KL with alpha falling from 4 to 1 and T = 3; these values,
and the share of the epochs, are UNVERIFIED.

Top-1 on CIFAR-100 as printed in RepDistiller's README (one stage):

    pair                    teacher   student alone   FitNets
    wrn40_2_wrn16_2         75.61     73.26           73.58
    wrn40_2_wrn40_1         75.61     71.98           72.24
    resnet56_resnet20       72.34     69.06           69.21
    resnet110_resnet20      74.31     69.06           68.99
    resnet110_resnet32      74.31     71.14           71.06
    resnet32x4_resnet8x4    79.42     72.50           73.50
    vgg13_vgg8              74.64     70.36           71.02
    vgg13_mobilenetv2       74.64     64.60           64.14

The hint is the tap "stage2" everywhere: in a VGG that is the second stage after pooling, while RepDistiller takes the
third before pooling, of the same height and width.

Also resnet110_resnet20, in another recipe, of the README of AberHu/Knowledge-Distillation-Zoo: 69.81 on CIFAR-100 and
93.04 on CIFAR-10.

Arguments: stages (1, 2) and those of configs/kd.py: pair, data, teacher, conv, epochs, smoke.
"""

import pathlib

from odtf.training.config import choose, load_config, parse_arg


def get_config(arg=None):
    """Returns the experiment's `ConfigDict`; see the module's docstring for `arg`."""
    arg = parse_arg(
        arg,
        stages=1,
        pair="resnet110_resnet32",
        data="cifar100",
        teacher="here",
        conv="standard",
        epochs=240,
        smoke=False,
    )
    config = load_config(
        pathlib.Path(__file__).with_name("kd.py"),
        ",".join(f"{key}={arg[key]}" for key in ("pair", "data", "teacher", "conv", "epochs", "smoke")),
    )
    if config.method.name == "Solo":
        return config
    own = 2 if arg.smoke else arg.epochs
    hint_epochs = max(1, own // 8)
    forms = {
        1: {"temperature": 4.0, "alpha": 0.0, "hint": "stage2", "hint_weight": 100.0},
        2: {
            "temperature": 3.0,
            "alpha": 1.0,
            "alpha_start": 4.0,
            "anneal_epochs": own - hint_epochs,
            "hint": "stage2",
            "hint_epochs": hint_epochs,
        },
    }
    config.method.update({"name": "FitNets", **choose("stages", arg.stages, forms)})
    return config
