"""CamVid's maps of labels to photographs, 64x64: what a small generator learns alone, and by OMGD from larger ones.

    odtf-train --config=camvid_photos:data=PICTURES,segmenter=SEGMENTER --workdir=DIR
    odtf-train --config=camvid_photos:data=PICTURES,segmenter=SEGMENTER,method=distances --workdir=DIR

PICTURES has trainA/ and trainB/, the same of val and test, and classes.txt: A are the maps in colours, B the
photographs. From CamVid in `camvid`, as configs/camvid.py describes it, Python makes it:

    import pathlib
    import shutil
    from PIL import Image

    colors = [(128, 128, 128), (128, 0, 0), (192, 192, 128), (128, 64, 128), (0, 0, 192), (128, 128, 0)]
    colors += [(192, 128, 128), (64, 64, 128), (64, 0, 128), (64, 64, 0), (0, 128, 192), (0, 0, 0)]
    camvid, pictures = pathlib.Path("camvid"), pathlib.Path("pictures")
    for split in ("train", "val", "test"):
        shutil.copytree(camvid / split / "images", pictures / f"{split}B")
        (pictures / f"{split}A").mkdir()
        for path in sorted((camvid / split / "labels").iterdir()):
            labels = Image.open(path).convert("L")
            labels.putpalette([level for color in colors for level in color])
            labels.convert("RGB").save(pictures / f"{split}A" / path.name)
    names = (camvid / "classes.txt").read_text().split()
    rows = (" ".join([name, *map(str, color)]) for name, color in zip(names, colors, strict=True))
    (pictures / "classes.txt").write_text("\\n".join(rows) + "\\n")

SEGMENTER is the workdir of a run on the same photographs, whose mIoU on what a generator paints is measured:

    odtf-train --config=camvid:method=teacher --workdir=SEGMENTER --config.data.name=folder:camvid \\
        --config.data.image_size="(64, 64)" --config.export.targets="('phone',)"

Networks are U-Nets with a quarter of the released script's widths: student 4, wide teacher 16, deep teacher 4,
discriminator 32; the teachers' pace and all weights but two are those of the script for U-Nets on Cityscapes. A batch
has 8 pictures, not 4, and the rate is twice as large. Features are those of a classifier of CIFAR-100, zoo:standard,
for the Fréchet distance too. Beside torchvision's VGG16 they are of another scale: the two weights that belong to it
are fitted so that each of the terms begins at 10, as much as the term of structure can be. Size, widths, batch, length
and this fit are a DESIGN CHOICE. PSNR chooses.

The methods: omgd; wide and deep (one teacher alone); stages (the teachers in the first half, then the student); alone
(the student with a discriminator of its own); distances (the student by the mean absolute difference, nothing else).

Arguments: method, data, segmenter (none: no mIoU), epochs (60), smoke (three epochs on noisy digits, synthetic).
"""

from odtf.training.config import choose, default_config, free, parse_arg

# Fitted weights have the terms begin at 1e4 and 10 times these.
_FEATURES, _BEGIN = "zoo:standard", {"style": 1e-3, "feature": 1.0}


def get_config(arg=None):
    """Returns the experiment's `ConfigDict`; see the module's docstring for `arg`."""
    arg = parse_arg(arg, method="omgd", data="PICTURES", segmenter="", epochs=60, smoke=False)
    config = default_config()
    config.data.name, config.data.image_size = f"folder:{arg.data}", (64, 64)
    config.data.augment = free({"load_size": 72, "flip": True})
    config.task = free({"name": "translation", "features": _FEATURES, "chosen_by": ("psnr",)})
    if arg.segmenter:
        config.task.segmenter = arg.segmenter
    config.batch_size, config.epochs = 8, arg.epochs
    config.optimizer = free({"name": "adam", "beta_1": 0.5})
    config.schedule.name, config.schedule.learning_rate = "linear", 4e-4
    config.network = free(network(4))
    if arg.smoke:
        config.data.name, config.data.image_size, config.epochs = "digit_pictures", (64, 64), 3
        config.data.max_train_examples, config.batch_size = 100, 20
        config.export.calibration_examples = 32
    config.schedule.milestones = (max(1, config.epochs * 2 // 5),)  # As 300 of the script's 750 epochs.
    config.precision = "float32" if arg.smoke else "mixed_bfloat16"
    config.method = free(choose("method", arg.method, methods(config.epochs)))
    config.export.targets = ("phone", "soc")
    return config


def network(width, deep=False):
    """Returns the specification of a U-Net of six levels, which images of 64x64 have."""
    return {"name": "unet_generator", "levels": 6, "width": width, **({"deep": True} if deep else {})}


def methods(epochs):
    """Returns `config.method` for each value of the argument."""
    common = {
        "name": "OnlineMultiGranularity",
        "features": _FEATURES,
        "reference_means": _BEGIN,
        "channel_weight": 50.0,
        "teachers_every": 3,
        "discriminator_width": 32,
        "discriminator_norm": "batch",
        "shared_blocks": 5,
    }
    wide, deep = {"wide_network": network(16)}, {"deep_network": network(4, deep=True)}
    return {
        "omgd": {**common, **wide, **deep},
        "wide": {**common, **wide},
        "deep": {**common, **deep, "channel_weight": 0.0},
        "stages": {**common, **wide, **deep, "teacher_epochs": max(1, epochs // 2)},
        "alone": {**common, "alone": True, "reference_means": None, "channel_weight": 0.0, "teachers_every": 1},
        "distances": {"name": "Solo"},
    }
