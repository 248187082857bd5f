"""Retrieval: a small embedder alone, and taught by the relations that a larger one sees (PKT, InDistill).

    odtf-train --config=retrieval:method=teacher --workdir=T --config.data.data_dir=DATA
    odtf-train --config=retrieval:method=pkt,teacher=T --workdir=DIR --config.data.data_dir=DATA

Methods: teacher, the larger network alone; alone, the student without one; both learn by the supervised contrastive
loss. pkt and indistill teach the student, without labels; with the latter it learns the teacher's pruned stages first,
a fifteenth of the epochs each. Without teacher=T the teacher is trained in the same run.

    odtf-compare --config=retrieval:method=pkt,teacher=T \\
        --config=retrieval:method=indistill,teacher=T --seeds=3 --workdir=DIR --json=DIR/compare.json \\
        --override=data.data_dir=DATA

has the student alone beside both. Validation chooses by mAP (cosine), the training images are the database.

Data: cifar10, of which `examples` training images are used, with CIFAR ResNets 20 and 8, the student of half the width
and with depthwise convolutions; cub200, CUB-200-2011 as TFDS prepares it (`caltech_birds2011`), with ResNets 34 and 18
at 112x112 pixels. Networks and schedule are a DESIGN CHOICE, in the case of cifar10 for minutes on two CPU cores. The
papers' networks for CUB-200, and InDistill's gain there of 14.27 points of mAP over prior methods by its abstract, are
UNVERIFIED; embedders for it usually start from ImageNet's weights, which these networks do not.

Arguments: data (cifar10, cub200), method (teacher, alone, pkt, indistill), teacher (workdir of a finished run, or "":
here), examples (of cifar10's training images, 0: all), epochs (of each network, 0: 20 and 120), labels (weight of the
labels beside the teacher), smoke (an epoch each, and one a stage, on digits).
"""

from odtf.training.config import choose, default_config, free, parse_arg, smoke

# Teacher, student, and their batches and images.
DATA = {
    "cifar10": {
        "networks": (
            {"name": "cifar_resnet", "depth": 20},
            {"name": "cifar_resnet", "depth": 8, "width": 8, "conv": "depthwise"},
        ),
        "data": {"name": "cifar10", "mean": (0.4914, 0.4822, 0.4465), "std": (0.2470, 0.2435, 0.2616)},
        "augment": {"pad": 4, "pad_mode": "zero", "flip": True, "cutout": 0},
        "batch_size": 128,
        "epochs": 20,
        "stages": ("stage1", "stage2", "stage3"),
        "database": 5_000,
    },
    "cub200": {
        "networks": (
            {"name": "resnet", "depth": 34},
            {"name": "resnet", "depth": 18, "width": 32, "conv": "depthwise"},
        ),
        "data": {"name": "caltech_birds2011", "image_size": (112, 112)},
        "augment": {"pad": 14, "pad_mode": "reflect", "flip": True, "cutout": 0},
        "batch_size": 256,  # Of 200 classes a smaller batch has few pairs.
        "epochs": 120,
        "stages": ("stage2", "stage3", "stage4"),
        "database": 10_000,
    },
}


def get_config(arg=None):
    """Returns the experiment's `ConfigDict`; see the module's docstring for `arg`."""
    arg = parse_arg(arg, data="cifar10", method="alone", teacher="", examples=15_000, epochs=0, labels=0.0, smoke=False)
    known = choose("data", arg.data, DATA)
    teacher, student = known["networks"]
    stages, epochs = known["stages"], arg.epochs or known["epochs"]
    layer_epochs = tuple(max(1, epochs // 15) for _ in stages)
    config = default_config()
    config.task = free({"name": "retrieval", "database_examples": known["database"]})
    config.data.update(known["data"])
    config.data.augment = free(known["augment"])
    if arg.data == "cifar10" and arg.examples:
        config.data.max_train_examples = arg.examples
    config.batch_size = known["batch_size"]
    config.optimizer = free({"name": "adam"})
    config.schedule.name = "cosine"
    config.schedule.learning_rate = 2e-3
    if arg.smoke:
        smoke(config)
        config.data.max_train_examples = None
        teacher, student = ({"name": "cifar_resnet", "depth": 8, "width": width} for width in (8, 4))
        stages, layer_epochs = ("stage1", "stage2"), (1, 1)
        epochs = 1 if arg.method in ("teacher", "alone") else 3
    config.network = free(teacher if arg.method == "teacher" else student)
    config.method = free(
        choose(
            "method",
            arg.method,
            {
                "teacher": {"name": "Solo"},
                "alone": {"name": "Solo"},
                "pkt": {"name": "PKT", "labels_weight": arg.labels},
                "indistill": {
                    "name": "InDistill",
                    "main": "pkt",
                    "layers": stages,
                    "layer_epochs": layer_epochs,
                    "labels_weight": arg.labels,
                },
            },
        )
    )
    config.epochs = epochs
    if arg.method in ("pkt", "indistill"):
        if arg.teacher:
            config.method.teacher_workdir = arg.teacher
        else:
            config.method.teacher_network = free(teacher)
            config.method.teacher_epochs = 1 if arg.smoke else epochs
            config.schedule.restarts = (config.method.teacher_epochs,)
            config.epochs += config.method.teacher_epochs
    return config
