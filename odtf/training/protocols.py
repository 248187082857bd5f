"""ImageNet's data and protocol, which the configs of several methods share. Nothing here imports TensorFlow."""

from __future__ import annotations

from typing import TYPE_CHECKING

from odtf.training.config import free, rising

if TYPE_CHECKING:
    import ml_collections

EPOCHS = 90
STATISTICS = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}


def imagenet_photos(config: ml_collections.ConfigDict) -> None:
    """Sets the data: random parts of 8 to 100 % of a photo, enlarged to 224x224, and flips; validation sees the centre.

    ImageNet in folders, `train/<class>/` and `validation/<class>/`, is read with --config.data.name=folder:PATH.
    """
    config.data.name = "imagenet2012"
    config.data.update(STATISTICS)
    config.data.image_size = (224, 224)
    config.data.resize = "crop"
    config.data.augment = free({"crop_area": (0.08, 1.0), "flip": True, "cutout": 0})


def imagenet(config: ml_collections.ConfigDict, epochs: int = 0) -> None:
    """Turns a config for CIFAR into one for ImageNet; what it keeps are method, network and optimiser.

    The protocol is that of FFSD's released code: batch 256, 90 epochs, learning rate 0.1 times 0.1 at epochs 30, 60 and
    80 after five of linear warm-up, weight decay 1e-4. For every other method it is a DESIGN CHOICE.

    Args:
        config: of `default_config`, changed in place.
        epochs: of the run, with which warm-up and milestones scale; 0: 90.
    """
    imagenet_photos(config)
    config.batch_size = 256
    config.epochs = epochs = epochs or EPOCHS
    config.weight_decay = 1e-4
    config.schedule.name = "piecewise"
    config.schedule.learning_rate = config.schedule.factor = 0.1
    config.schedule.warmup_epochs = min(5.0, epochs / 4)
    config.schedule.milestones = rising(epochs * share // 9 for share in (3, 6, 8))
