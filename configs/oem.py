"""OEM, online ensemble model compression: five students of different sizes from one training.

    odtf-train --config=oem:network=resnet20,data=cifar10 --workdir=DIR --config.data.data_dir=DATA
    odtf-export --workdir=DIR --target=soc --peer=peer_4

The first command trains students of 1, 4/5, 3/5, 2/5 and 1/5 of the channels on one base and exports the one that
validation chooses, mostly the largest; the second exports any other, here the smallest. `student=N` trains number N
(1 to 5) alone: the baseline, with the same uncompressed stem and the same protocol.

The protocol is the paper's (Walawalkar, Shen, Savvides, ECCV 2020): SGD with Nesterov momentum 0.9, learning rate 0.1
times 0.1 at half and three quarters of 350 epochs (CIFAR-10), 450 (CIFAR-100), 50 (SVHN) or 100 (ImageNet), T = 2,
weights 0.7, 0.15, 0.15. Batch 128 (48 for DenseNet, 64 for ResNet-20 on CIFAR-100), weight decay 1e-4, zero-padded
crops and flips and the normalisation (none for CIFAR-100) are those of the released code (Devwalkar/BOC-KD), for the
paper gives none; those of SVHN and ImageNet are UNVERIFIED: no flips of house numbers, random parts of photos of 8 to
100 % of their area.

Parameters of the five students for 10 classes, equal to the paper's percentages:

    resnet20         272,474  171,536   97,018   42,231  10,773
    resnet32         466,906  293,560  165,442   71,555  17,745
    resnet44         661,338  415,584  233,866  100,879  24,717
    resnet56         855,770  537,608  302,290  130,203  31,689
    resnet110      1,730,714 1,086,716 610,198  262,161  63,063
    densenet100_12   769,162  446,170  279,482  102,410  33,002

Top-1 alone -> trained as an ensemble, from the paper (mean of five runs of the best epoch on the test set):

    network        data          student 1     student 2     student 3     student 4     student 5
    resnet20       cifar10       91.34->92.13  91.12->92.18  90.89->91.78  90.16->91.45  89.67->91.03
    resnet32       cifar10       92.12->92.95  91.94->92.76  91.56->92.45  91.07->92.11  90.47->91.78
    resnet44       cifar10       92.94->93.45  92.67->93.29  92.24->93.11  91.97->92.89  91.23->92.56
    resnet110      cifar10       93.51->94.24  93.25->94.18  93.11->93.98  92.86->93.57  92.27->93.28
    densenet100_12 cifar10       94.02->94.76  93.78->94.51  93.52->94.29  93.24->94.08  92.85->93.57
    resnet32       cifar100      70.21->70.97  67.87->68.24  64.17->65.67  61.85->61.17  39.12->42.17
    resnet44       cifar100      71.12->71.76  68.42->69.12  65.69->67.04  62.31->62.87  40.82->43.11
    resnet56       cifar100      71.59->72.16  68.45->68.39  65.37->66.21  62.42->62.21  41.19->43.27
    resnet110      cifar100      72.64->72.81  69.53->70.14  67.12->67.73  64.58->65.08  42.26->46.76
    densenet100_12 cifar100      75.79->75.96  71.97->72.39  70.23->70.09  67.13->68.14  45.41->49.12
    resnet20       svhn_cropped  96.64->97.10  95.03->96.92  94.45->95.53  92.12->92.03  89.58->92.67
    resnet32       svhn_cropped  96.78->96.92  95.67->96.31  94.85->94.61  92.78->95.03  90.75->92.89
    resnet44       svhn_cropped  97.23->97.46  96.38->96.26  95.35->96.32  93.26->95.76  91.24->93.47
    resnet110      svhn_cropped  97.64->97.87  96.61->97.84  95.83->96.81  93.73->95.90  91.77->93.78
    densenet100_12 svhn_cropped  97.92->98.03  97.31->98.02  96.12->97.59  94.58->94.25  92.15->94.17
    resnet18       imagenet2012  69.73->70.47  67.27->67.61  62.98->64.88  59.47->61.17  55.23->58.52
    resnet34       imagenet2012  73.22->74.13  71.95->73.64  67.62->69.32  63.07->64.19  60.76->61.29
    resnet50       imagenet2012  76.18->76.52  75.43->75.32  70.16->71.93  66.89->69.46  62.24->66.78
    resnet101      imagenet2012  77.31->77.97  76.27->76.71  73.49->74.04  69.47->71.10  65.79->68.57

Some students lose. The paper's ResNeXt, EfficientNet and DenseNet-121 are not here.

Arguments: network (those above, and resnet8 for small budgets; resnet20, on ImageNet resnet18), data (cifar10,
cifar100, svhn_cropped, imagenet2012), peers (students; fraction i is (S - i + 1) / S), student (0: all; N: number N
alone), base_gradient (all, pseudo_teacher), epochs (0: the paper's; milestones scale with it), smoke (two epochs on
digits, three students).
"""

from odtf.training.config import choose, default_config, free, parse_arg, rising, smoke
from odtf.training.protocols import imagenet_photos

RESNET = {"name": "cifar_resnet"}
NETWORKS = {
    **{f"resnet{depth}": {**RESNET, "depth": depth} for depth in (8, 20, 32, 44, 56, 110)},
    "densenet100_12": {"name": "densenet", "depth": 100, "taps": "transitions", "stem_width": 24},
    **{f"resnet{depth}": {"name": "resnet", "depth": depth} for depth in (18, 34, 50, 101)},
}
CUTS = {"cifar_resnet": "stem_relu", "densenet": "stem", "resnet": "stage1"}
DATA = {
    "cifar10": {"mean": (0.4914, 0.4822, 0.4465), "std": (0.2023, 0.1994, 0.2010)},
    "cifar100": {"mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0)},
    "svhn_cropped": {},
    "imagenet2012": {},
}
EPOCHS = {"cifar10": 350, "cifar100": 450, "svhn_cropped": 50, "imagenet2012": 100}


def students(spec, count, widths=(16, 32, 64)):
    """Returns the specifications of the students: fractions of the channels after the base, rounded down."""
    specs = []
    for i in range(count):
        if spec["name"] == "densenet":
            specs.append({**spec, "growth": 12 * (count - i) // count})
        elif spec["name"] == "resnet":
            specs.append({**spec, "widths": (64, *(c * (count - i) // count for c in (128, 256, 512)))})
        else:
            narrow = tuple(c * (count - i) // count for c in widths)
            specs.append({**spec, "widths": narrow, "stem_width": widths[0]})
    return specs


def get_config(arg=None):
    """Returns the experiment's `ConfigDict`; see the module's docstring for `arg`."""
    arg = parse_arg(arg, network="", data="cifar10", peers=5, student=0, base_gradient="all", epochs=0, smoke=False)
    network = arg.network or ("resnet18" if arg.data == "imagenet2012" else "resnet20")
    config = default_config()
    config.data.name = arg.data
    config.data.update(choose("data", arg.data, DATA))
    config.data.augment = free({"pad": 4, "pad_mode": "zero", "flip": arg.data != "svhn_cropped", "cutout": 0})
    if arg.data == "imagenet2012":
        imagenet_photos(config)
    config.batch_size = 128
    if network == "densenet100_12":
        config.batch_size = 48
    elif (network, arg.data) == ("resnet20", "cifar100"):
        config.batch_size = 64
    config.epochs = arg.epochs or EPOCHS[arg.data]
    config.weight_decay = 1e-4
    config.optimizer.nesterov = True
    config.schedule.name = "piecewise"
    config.schedule.learning_rate = 0.1
    config.schedule.milestones = rising([config.epochs // 2, config.epochs * 3 // 4])
    specs = students(choose("network", network, NETWORKS), arg.peers)
    if arg.smoke:
        smoke(config)
        specs = students({**RESNET, "depth": 8}, 3, widths=(8, 16, 32))
    config.network = free(choose("student", arg.student, {0: specs[0], **dict(enumerate(specs, start=1))}))
    config.method = free({"name": "Solo"})
    if not arg.student:
        cut = CUTS[specs[0]["name"]]
        config.method = free(
            {"name": "OnlineEnsemble", "networks": specs, "cut": cut, "base_gradient": arg.base_gradient}
        )
    return config
