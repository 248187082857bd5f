"""Spirit Distillation with few images: from CamVid by day, with labels, to 52 or 16 labelled images of CamVid at dusk.

    odtf-train --config=spirit:method=teacher --workdir=T
    odtf-train --config=spirit:method=source --workdir=S
    odtf-train --config=spirit:method=esd,teacher=T --workdir=DIR
    odtf-train --config=spirit:method=finetune,start=S --workdir=DIR

The domains are CamVid's sequences, which the names of its files begin with: the source 0016E5 (day, 204 images, and 101
to validate), the proximity domain 0006R0 (day, 101 images whose labels are not used) and the target 0001TP (dusk: 62
images, 10 of which validate, and 62 of the test split). From CamVid in `camvid`, as configs/camvid.py describes it,
bash makes the folder `domains` of links:

    join() {
        mkdir -p domains/$3/images domains/$3/labels
        for kind in images labels; do ln -sr camvid/$1/$kind/$2_* domains/$3/$kind; done
    }
    join train 0016E5 source/train; join val 0016E5 source/val; join test 0001TP source/test
    join train 0001TP target/train; join test 0001TP target/test; join train 0006R0 proximity
    for domain in source target; do cp camvid/classes.txt domains/$domain; done

The teacher is a DeepLabV3 of standard convolutions on a ResNet-18; the student has its rear, and a front in which all
3x3 convolutions of the four stages are depthwise with a 1x1 convolution. At 180x240 and 11 classes they have 892,907
and 290,235 parameters, 653.2 M and 221.6 M MACs: 0.34 of the teacher's (the abstracts' "41.8 % FLOPs" are of other
networks, at an unknown size).

The methods: teacher (that network on the source; its test split is the target's) and source (the student's network,
likewise, to start from); on the target, scratch (the student's network from random weights), finetune (from what source
has learned: plain fine-tuning), sd (the front imitates the teacher's on images of target and proximity) and esd (on
those of the source too). Images of all domains are in one shuffled pool, see `odtf.data.pools`. The protocol is a
DESIGN CHOICE throughout: networks, cut, stages, rates, and that all methods on the target make as many steps. Of these,
sd and esd spend 0.6 on imitation, 0.03 on statistics, 0.07 on fine-tuning with the rear frozen, the rest on all.

    odtf-compare --seeds=3 --json=spirit.json --workdir=runs --override=checkpoint.keep=1 \\
        --config=spirit:method=finetune,start=S --config=spirit:method=sd,teacher=T \\
        --config=spirit:method=esd,teacher=T \\
        --ratio_to=spirit:method=finetune,start=S --ratio_to="spirit:method=esd,teacher=T teacher"

gives shares of good images, variances as a ratio to plain fine-tuning, and MACs as a ratio to the teacher's; the
network alone is scratch. With 16 images ten to choose by would be no experiment of so few: --at_end shows the last
epoch.

Arguments: method, teacher (workdir of method=teacher), start (workdir of method=source), images (of the target: 52, or
fewer such as 16), near and day (how many images of proximity and source join: 101, 204; 0 for none), steps (1200),
epochs (of teacher and source: 100), rate, smoke (a few epochs on synthetic scenes, whose domains are all alike).
"""

from odtf.training.config import choose, default_config, free, parse_arg

BATCH = 8
# Shares of the steps.
IMITATION, STATISTICS, FROZEN = 0.6, 0.03, 0.07
TEACHER = {
    "name": "deeplab_v3",
    "backbone": {"name": "resnet", "depth": 18, "conv": "standard", "width": 16},
    "conv": "standard",
    "output_stride": 8,
    "rates": (2, 4, 6),
    "width": 48,
}
FRONT = {"conv": "depthwise", "where": ("stage1_*", "stage2_*", "stage3_*", "stage4_*")}
CUT = "stage4"


def get_config(arg=None):
    """Returns the experiment's `ConfigDict`; see the module's docstring for `arg`."""
    arg = parse_arg(
        arg,
        **{"method": "esd", "teacher": "", "start": "", "images": 52, "near": 101, "day": 204},
        **{"steps": 1200, "epochs": 100, "rate": 0.05, "smoke": False},
    )
    config = default_config()
    config.task = free({"name": "segmentation"})
    config.network = free(TEACHER if arg.method == "teacher" else {**TEACHER, "cheap": FRONT})
    config.data.name = "folder:domains/target"
    config.data.validation_fraction = 10 / 62
    config.data.max_train_examples = arg.images
    # One for all domains, whatever a run trains on: the teacher's images are the student's. ImageNet's, as is usual.
    config.data.mean, config.data.std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    config.data.augment = free({"flip": True, "scale": (0.7, 1.8), "rotate": 5.0, "color": 0.2})
    config.batch_size = BATCH
    per_epoch = max(1, arg.images // BATCH)
    config.epochs = -(-arg.steps // per_epoch)
    config.method = free(choose("method", arg.method, methods(arg, per_epoch)))
    if arg.method in ("teacher", "source"):
        config.data.name = "folder:domains/source"
        config.data.max_train_examples = None
        config.epochs = arg.epochs
    if arg.method == "finetune":
        config.network.init = {"source": arg.start, "head": True, "changed": True}
    config.data.domains = domains(arg, config.method)
    config.weight_decay = 1e-4
    config.precision = "mixed_bfloat16"
    config.schedule.name = "cosine"
    config.schedule.learning_rate = arg.rate
    config.export.targets = ()
    if arg.smoke:
        shrink(config)
    return config


def methods(arg, per_epoch):
    """Returns `config.method` for each value of the argument."""
    stages = {"imitation_epochs": IMITATION, "statistics_epochs": STATISTICS, "frozen_epochs": FROZEN}
    lengths = {stage: max(1, round(share * arg.steps / per_epoch)) for stage, share in stages.items()}
    spirit = {"name": "SpiritDistillation", "teacher_workdir": arg.teacher or None, "cut": CUT, **lengths}
    alone = {method: {"name": "Solo"} for method in ("teacher", "source", "scratch", "finetune")}
    return {**alone, "sd": spirit, "esd": spirit}


def domains(arg, method):
    """Returns `config.data.domains`: what the front imitates on beside the target, none of it with labels."""
    wanted = {"sd": {"proximity": arg.near}, "esd": {"proximity": arg.near, "source": arg.day}}.get(arg.method, {})
    return tuple(
        {"name": f"folder:domains/{name}", "images": count, "epochs": (0, method.imitation_epochs), "labels": False}
        for name, count in wanted.items()
        if count
    )


def shrink(config):
    """Synthetic scenes and small networks, for the smoke test; without workdirs of other runs."""
    config.data.name, config.data.mean, config.data.std = "digit_scenes", None, None
    config.data.max_train_examples, config.data.validation_fraction = None, 0.1
    config.batch_size, config.epochs, config.precision = 40, 4, "float32"
    backbone = {"name": "resnet", "depth": 10, "conv": "standard", "width": 4}
    small = {**TEACHER, "backbone": backbone, "rates": (1, 2), "width": 8}
    config.network = free({**small, **({"cheap": FRONT} if "cheap" in config.network else {})})
    if config.method.name == "SpiritDistillation":
        stages = {"imitation_epochs": 1, "statistics_epochs": 1, "frozen_epochs": 0}
        teacher = {"teacher_workdir": None, "teacher_network": small, "teacher_epochs": 1}
        config.method = free({**config.method.to_dict(), **stages, **teacher})
        config.data.domains = tuple(
            {**domain, "name": "digit_scenes", "images": 60, "epochs": (1, 2)} for domain in config.data.domains
        )
        config.schedule.restarts = (1,)
    config.export.targets = ("soc",)
    config.export.calibration_examples = 64
