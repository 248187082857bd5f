"""AT, attention transfer, on CIFAR-100: for the pairs of networks of RepDistiller.

    odtf-train --config=at:pair=resnet110_resnet32 --workdir=DIR --config.data.data_dir=DATA

trains teacher and student in one run; see configs/kd.py for a teacher of its own and for the protocol. CE + 1000 times
the mean squared differences of the attention maps of all stages; alpha=0.9 mixes in distillation at T = 4, as the
authors' released code (szagoruyko/attention-transfer) can.

Top-1 on CIFAR-100 as printed in RepDistiller's README:

    pair                    teacher   student alone   AT
    wrn40_2_wrn16_2         75.61     73.26           74.08
    wrn40_2_wrn40_1         75.61     71.98           72.77
    resnet56_resnet20       72.34     69.06           70.55
    resnet110_resnet20      74.31     69.06           70.22
    resnet110_resnet32      74.31     71.14           72.31
    resnet32x4_resnet8x4    79.42     72.50           73.44
    vgg13_vgg8              74.64     70.36           71.43
    vgg13_mobilenetv2       74.64     64.60           59.40

The last map of a WRN is read after its normalisation and ReLU, those of a VGG after pooling; RepDistiller reads both
before.

Also resnet110_resnet20, in another recipe, of the README of AberHu/Knowledge-Distillation-Zoo: 69.28 on CIFAR-100 and
93.21 on CIFAR-10.

Arguments: alpha (the share of distillation) and those of configs/kd.py: pair, data, teacher, conv, epochs, smoke.
"""

import pathlib

from odtf.training.config import load_config, parse_arg


def get_config(arg=None):
    """Returns the experiment's `ConfigDict`; see the module's docstring for `arg`."""
    arg = parse_arg(
        arg,
        alpha=0.0,
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
    if config.method.name == "OfflineDistillation":
        config.method.update({"name": "AttentionTransfer", "beta": 1000.0, "alpha": arg.alpha})
    return config
