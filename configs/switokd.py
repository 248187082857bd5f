"""SwitOKD on CIFAR: a large teacher learns beside a small student, and waits where it is too far ahead.

    odtf-train --config=switokd --workdir=DIR --config.data.data_dir=DATA

The protocol is that of the released code (hfutqian/SwitOKD): about 300 epochs, batch 128, SGD with momentum 0.9,
learning rate 0.1 times 0.1 at epochs 100, 150 and 200, weight decay 5e-4 for both networks, zero-padded crops and
flips, T = 1. It keeps the best epoch on the test set; here validation chooses.

Top-1 on CIFAR-10 of WRN-16-1 (0.18 M parameters) with WRN-16-8, three runs, as printed there: alone 91.45 +- 0.06, DML
91.96 +- 0.08, KDCL 91.86 +- 0.11, SwitOKD 92.50 +- 0.17.

Arguments: student, teacher (wrn16_1, wrn16_2, wrn16_8, resnet8, resnet20, resnet56), data (cifar10, cifar100), method
(switokd; dml: the same two networks as equal peers; kd: the teacher first, for as many epochs; solo), conv (standard,
depthwise, shift, line, ghost: what stands for the 3x3 convolutions of the student), epochs (milestones scale with it),
smoke (two epochs on digits).
"""

from odtf.training.config import choose, default_config, free, parse_arg, rising, smoke

NETWORKS = {
    "wrn16_1": {"name": "wide_resnet", "depth": 16, "widen": 1},
    "wrn16_2": {"name": "wide_resnet", "depth": 16, "widen": 2},
    "wrn16_8": {"name": "wide_resnet", "depth": 16, "widen": 8},
    "resnet8": {"name": "cifar_resnet", "depth": 8},
    "resnet20": {"name": "cifar_resnet", "depth": 20},
    "resnet56": {"name": "cifar_resnet", "depth": 56},
}
STATISTICS = {
    "cifar10": {"mean": (0.491, 0.482, 0.447), "std": (0.247, 0.243, 0.262)},
    "cifar100": {"mean": (0.5071, 0.4867, 0.4408), "std": (0.2675, 0.2565, 0.2761)},
}


def get_config(arg=None):
    """Returns the experiment's `ConfigDict`; see the module's docstring for `arg`."""
    arg = parse_arg(
        arg,
        student="wrn16_1",
        teacher="wrn16_8",
        data="cifar10",
        method="switokd",
        conv="standard",
        epochs=300,
        smoke=False,
    )
    student = {**choose("student", arg.student, NETWORKS), "conv": arg.conv}
    teacher = choose("teacher", arg.teacher, NETWORKS)
    epochs = arg.epochs
    config = default_config()
    config.data.name = arg.data
    config.data.update(choose("data", arg.data, STATISTICS))
    config.data.augment = free({"pad": 4, "pad_mode": "zero", "flip": True, "cutout": 0})
    config.batch_size = 128
    config.weight_decay = 5e-4
    config.schedule.name = "piecewise"
    config.schedule.learning_rate = 0.1
    config.schedule.milestones = rising(epochs * share // 6 for share in (2, 3, 4))
    if arg.smoke:
        smoke(config)
        student = {"name": "cifar_resnet", "depth": 8, "width": 8, "conv": arg.conv}
        teacher = {"name": "cifar_resnet", "depth": 8}
        epochs = 2
    config.network = free(student)
    config.method = choose(
        "method",
        arg.method,
        {
            "switokd": free({"name": "SwitOKD", "teacher_network": teacher, "temperature": 1.0}),
            "dml": free({"name": "DeepMutualLearning", "networks": [student, teacher], "temperature": 1.0}),
            "kd": free({"name": "OfflineDistillation", "teacher_network": teacher, "teacher_epochs": epochs}),
            "solo": free({"name": "Solo"}),
        },
    )
    config.epochs = epochs * (2 if arg.method == "kd" else 1)
    config.schedule.restarts = (epochs,) if arg.method == "kd" else ()
    return config
