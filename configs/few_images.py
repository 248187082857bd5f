"""Every classification system on few images, in one regime: a small network of cheap convolutions, alone and taught.

    odtf-train --config=few_images:system=od_standard --workdir=DIR --config.data.data_dir=DATA
    odtf-compare --config=few_images:system=od_standard --config=few_images:system=dml --seeds=5 --first_seed=3 \\
        --workdir=DIR --json=few_images.json --override=data.data_dir=DATA

5,000 images of CIFAR-10 at 16x16, 2,000 for validation, batch 64, 60 epochs of every network, a cosine from 0.1 with
two epochs of warm-up, Nesterov, weight decay 5e-4, crops of images padded with zeros and flips, bfloat16. The student
is an OD-cheap ResNet-14 with depthwise convolutions (27,306 parameters), the standard network that teaches it, where
one does, a ResNet-20 (272,474). That is where people with a phone and a folder of photos stand; no number of a paper
belongs here.

    system         what learns with the student
    alone          nothing: `Solo`
    original       nothing, and it has the standard convolutions that the cheap ones stand for
    standard       nothing, and it is the standard network: the teacher of `kd`, for odtf-store
    kd             the standard network, before it; teacher=PATH: none, but what odtf-store has made of a trained one
    dml, codistillation, kdcl                     another such network (`kdcl` sees two views of an image)
    one, clilr, okddip, ffl, ffsd, pcl            branches on a shared trunk (`pcl` sees three views)
    od             two more, with a teacher on the maps of all three
    od_standard    the same, and the standard network, whose answers they follow
    oem            two narrower ones on the same stem (whose network is the ResNet-14 with one cheap layer for each 3x3)
    switokd        the standard network, which waits where it is too far ahead
    mcod           two more of other convolutions: depthwise, grouped and shift are the architectures
    takd, dgkd     a ResNet-14 between the standard network and it, each after the other
    indistill      the standard network, before it: first its stages, one after another, then as `kd`
    pacemaker      a ResNet-14, and the mean of that and the student, which is a ResNet-14 of 1x3 convolutions

Each method's own arguments are those of its config in this folder; of `od_standard`, whose paper has no released code
for that network, 0.1 of the labels and 0.9 of the divergence is a DESIGN CHOICE that was made on validation.

Arguments: system, teacher (of kd), block (depthwise, group, shift), depth (6n+2), images, size, epochs, smoke (digits).
"""

import pathlib

from odtf.training.config import choose, free, load_config, parse_arg


def get_config(arg=None):
    """Returns the experiment's `ConfigDict`; see the module's docstring for `arg`."""
    arg = parse_arg(
        arg,
        system="od_standard",
        teacher="",
        block="depthwise",
        depth=14,
        images=5000,
        size=16,
        epochs=60,
        smoke=False,
    )
    text = f"block={arg.block},depth={arg.depth},images={arg.images},size={arg.size},epochs={arg.epochs}"
    config = load_config(pathlib.Path(__file__).with_name("recipe.py"), f"{text},smoke={arg.smoke}")
    if not arg.smoke:
        config.precision = "mixed_bfloat16"
        config.data.validation_fraction = 0.04
    cheap, epochs = config.network.to_dict(), config.epochs
    original = {"name": "cifar_resnet", "depth": cheap["depth"]}
    standard = {"name": "cifar_resnet", "depth": 8 if arg.smoke else 20}
    steps = {"kd": 1 if arg.teacher else 2, "indistill": 2, "takd": 3, "dgkd": 3, "pacemaker": 3}.get(arg.system, 1)
    chain = {"teacher_network": standard, "assistant_networks": [original], "step_epochs": (epochs,)}
    kd = {"temperature": 4.0, "alpha": 0.9}
    taught = {**kd, "teacher_network": standard, "teacher_epochs": epochs}
    stages = tuple(max(1, epochs * share // 60) for share in (3, 4, 5))
    od = {"num_peers": 3, "temperature": 4.0}
    pulled = {"teacher_network": standard, "target": "network", "share": 0.9, "detach_teacher": True}
    of_oem = {**cheap, "name": "cifar_resnet", "stem_width": 16}
    sizes = [{**of_oem, "widths": [4 * quarters, 8 * quarters, 16 * quarters]} for quarters in (4, 3, 2)]
    cohort = [cheap] + [
        {"name": cheap["name"], "depth": cheap["depth"], "conv": conv, **options}
        for conv, options in {"depthwise": {}, "group": {"groups": 4}, "shift": {}}.items()
        if conv != arg.block
    ]
    systems = {
        "alone": {"name": "Solo"},
        "original": {"name": "Solo"},
        "standard": {"name": "Solo"},
        "kd": {"name": "OfflineDistillation", **({**kd, "teacher_workdir": arg.teacher} if arg.teacher else taught)},
        "dml": {"name": "DeepMutualLearning", "num_peers": 2, "temperature": 1.0},
        "codistillation": {"name": "Codistillation", "num_peers": 2, "burn_in_epochs": epochs // 30},
        "kdcl": {"name": "KDCL", "num_peers": 2, "target": "min_logit", "temperature": 2.0},
        "one": {"name": "ONE", "num_peers": 3, "student": "branch"},
        "clilr": {"name": "CLILR", "num_peers": 4, "temperature": 3.0},
        "okddip": {"name": "OKDDip", "num_peers": 4, "form": "branch"},
        "ffl": {"name": "FeatureFusion", "num_peers": 2, "student": "single"},
        "ffsd": {"name": "FeatureFusionSelfDistillation", "num_peers": 2, "base_rate": config.schedule.learning_rate},
        "pcl": {"name": "PeerCollaborative", "num_peers": 3, "student": "mean"},
        "od": {"name": "OnlineDistillationCheap", **od},
        "od_standard": {"name": "OnlineDistillationCheap", **od, **pulled},
        "oem": {"name": "OnlineEnsemble", "networks": sizes, "cut": "stem_relu"},
        "switokd": {"name": "SwitOKD", "teacher_network": standard, "temperature": 1.0},
        "takd": {"name": "TAKD", **chain, "temperature": 4.0, "share": 0.9},
        "dgkd": {"name": "DGKD", **chain, "temperature": 4.0, "share": 0.9, "num_dropped": 1},
        "mcod": {"name": "CollaborativeCrossArchitecture", "networks": cohort, "ramp_epochs": epochs},
        "indistill": {"name": "InDistill", **taught, "layer_epochs": stages, "retrieval_examples": 0},
        "pacemaker": {
            **{"name": "Pacemaker", "teacher_network": original, "cut": "stem", "step_epochs": (epochs,)},
            **{"temperature": 4.0, "share": 0.9},
        },
    }
    config.method = free(choose("system", arg.system, systems))
    line = {**original, "conv": "line"}
    networks = {"original": original, "standard": standard, "oem": sizes[0], "pacemaker": line}
    config.network = free(networks.get(arg.system, cheap))
    config.data.num_views = {"kdcl": 2, "pcl": 3}.get(arg.system, 1)
    config.epochs = steps * epochs
    config.schedule.restarts = tuple(epochs * step for step in range(1, steps))
    return config
