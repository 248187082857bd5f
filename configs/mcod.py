"""MCOD: AlexNet, VGG, a ResNet and a DenseNet teach each other through their ensemble, with interruptions.

    odtf-train --config=mcod:data=cifar100 --workdir=DIR --config.data.data_dir=DATA

Of the paper (Gao et al., Entropy 2019) the abstract was read, and no code was released: families, data sets and the
gains over independent training on CIFAR-100 are known, AlexNet +5.94, VGG +2.88, ResNet +5.07, DenseNet +1.28 points.
Absolute numbers are UNVERIFIED, depths are a DESIGN CHOICE.

DESIGN CHOICE as well, the CIFAR protocol of ONE, by one of the authors: 300 epochs, batch 128, SGD with momentum 0.9,
learning rate 0.1 times 0.1 at epochs 150 and 225 (AlexNet a tenth and VGG a half of it), weight decay 5e-4, zero-padded
crops and flips. The gate opens for the last two of every five epochs, the constraint rises over the whole run.

ImageNet is in the paper, its protocol is unknown. data=imagenet2012 is a DESIGN CHOICE too: FFSD's protocol (see
`odtf.training.protocols`), ResNet-18 and DenseNet-121; AlexNet and VGG-16 end in global pooling and one dense layer.

Arguments: data (cifar10, cifar100, imagenet2012), resnet (its depth, 0: 32; 110; on ImageNet 0: 18; 34, 50, 101), gate
(epoch, step), period, duty, enhancement (exponential, cycle), ensemble (uniform, accuracy), only (alexnet, vgg16,
resnet, densenet40_12, on ImageNet densenet121: one network alone, the baseline), epochs (0: the protocol's; milestones
scale with it), smoke (five epochs on digits, three small networks).
"""

from odtf.training.config import choose, default_config, free, parse_arg, rising, smoke
from odtf.training.protocols import imagenet

STATISTICS = {
    "cifar10": {"mean": (0.4914, 0.4822, 0.4465), "std": (0.2023, 0.1994, 0.2010)},
    "cifar100": {"mean": (0.5071, 0.4865, 0.4409), "std": (0.2673, 0.2564, 0.2762)},
    "imagenet2012": {},
}
SMALL = [
    {"name": "vgg", "depth": 8, "width": 8},
    {"name": "cifar_resnet", "depth": 8, "width": 8},
    {"name": "densenet", "depth": 10, "growth": 4},
]


def get_config(arg=None):
    """Returns the experiment's `ConfigDict`; see the module's docstring for `arg`."""
    arg = parse_arg(
        arg,
        data="cifar100",
        resnet=0,
        gate="epoch",
        period=5,
        duty=2,
        enhancement="exponential",
        ensemble="uniform",
        only="",
        epochs=0,
        smoke=False,
    )
    networks = {"alexnet": ({"name": "alexnet"}, 0.1), "vgg16": ({"name": "vgg", "depth": 16}, 0.5)}
    if arg.data == "imagenet2012":
        networks["resnet"] = ({"name": "resnet", "depth": arg.resnet or 18}, 1.0)
        networks["densenet121"] = ({"name": "densenet", "depth": 121, "growth": 32}, 1.0)
    else:
        networks["resnet"] = ({"name": "cifar_resnet", "depth": arg.resnet or 32}, 1.0)
        networks["densenet40_12"] = ({"name": "densenet", "depth": 40, "growth": 12}, 1.0)
    config = default_config()
    config.data.name = arg.data
    config.data.update(choose("data", arg.data, STATISTICS))
    config.data.augment = free({"pad": 4, "pad_mode": "zero", "flip": True, "cutout": 0})
    config.batch_size = 128
    config.epochs = arg.epochs or 300
    config.weight_decay = 5e-4
    config.schedule.name = "piecewise"
    config.schedule.learning_rate = 0.1
    config.schedule.milestones = rising([config.epochs // 2, config.epochs * 3 // 4])
    if arg.data == "imagenet2012":
        imagenet(config, arg.epochs)
    specs, rates = ([pair[i] for pair in networks.values()] for i in (0, 1))
    if arg.only:
        spec, rate = choose("only", arg.only, networks)
        config.network = free(spec)
        config.schedule.learning_rate = 0.1 * rate
        config.method = free({"name": "Solo"})
    if arg.smoke:
        smoke(config)
        specs, rates = SMALL, [0.5, 1.0, 1.0]
        config.epochs = max(arg.period, 2)
    if not arg.only:
        config.network = free(specs[0])
        config.method = free(
            {
                "name": "CollaborativeCrossArchitecture",
                "networks": specs,
                "rates": rates,
                "gate_unit": arg.gate,
                "period": arg.period,
                "duty": arg.duty,
                "enhancement": arg.enhancement,
                "ramp_epochs": config.epochs,
                "ensemble": arg.ensemble,
            }
        )
    elif arg.smoke:
        config.network = free(SMALL[0])
    return config
