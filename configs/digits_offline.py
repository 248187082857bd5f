"""Classical distillation on digits, from a standard ResNet-8 trained before (Hinton et al., 2015; T = 4, alpha = 0.9).

    odtf-train --config=digits_offline:teacher=train --workdir=runs/digits_teacher
    odtf-train --config=digits_offline:teacher=runs/digits_teacher --workdir=runs/digits_offline

The first command trains the teacher alone, the second distils it into a depthwise student. No paper reports this data
set. Arguments: teacher ("train", or the workdir of the finished teacher), epochs.
"""

import pathlib

from odtf.training.config import free, load_config, parse_arg


def get_config(arg=None):
    """Returns the experiment's `ConfigDict`; see the module's docstring for `arg`."""
    arg = parse_arg(arg, teacher="train", epochs=40)
    config = load_config(pathlib.Path(__file__).with_name("digits.py"), f"epochs={arg.epochs}")
    if arg.teacher == "train":
        config.network = free({"name": "cifar_resnet", "depth": 8, "conv": "standard", "width": 32})
        config.method = free({"name": "Solo"})
        config.export.targets = ()
    else:
        config.method = free(
            {"name": "OfflineDistillation", "teacher_workdir": arg.teacher, "temperature": 4.0, "alpha": 0.9}
        )
    return config
