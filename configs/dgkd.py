"""DGKD, densely guided distillation: all larger networks of a chain teach every smaller one.

    odtf-train --config=dgkd:family=plain,data=cifar100 --workdir=DIR --config.data.data_dir=DATA

The protocol is that of the released code (wonchulSon/DGKD): for each network 160 epochs, batch 128, SGD with momentum
0.9, weight decay 1e-4, no augmentation; learning rate 0.01 throughout for plain networks and 0.1, 0.01, 0.001 from half
and three quarters for ResNets; T = 5, lambda = 1 (labels teach the teacher alone), one term dropped at every step, the
chain of plain networks 10-8-6-4-2. The chain of ResNets is a DESIGN CHOICE. The code's divergence is a mean over batch
and classes, `kl=elementmean`.

From the abstract (Son et al., ICCV 2021): better than TAKD on CIFAR-10, CIFAR-100 and ImageNet for plain networks,
ResNets, wide ResNets and VGG. The numbers are UNVERIFIED, so none is given. configs/takd.py has the baselines: the same
chain there, plain distillation (a chain of two), the student alone.

Arguments: family (plain, resnet), data (cifar10, cifar100), chain (layers of the networks, from the teacher down; "":
as above), dropped (terms left out at every step; 0: the plain form), labels (code, paper: the weight of the labels),
share (lambda), temperature, kl (batchmean, elementmean), online (all at once), epochs (of each network), smoke (an
epoch each on digits).
"""

import pathlib

from odtf.training.config import choose, load_config, parse_arg

CHAINS = {"plain": "10-8-6-4-2", "resnet": "110-56-32-20-8"}


def get_config(arg=None):
    """Returns the experiment's `ConfigDict`; see the module's docstring for `arg`."""
    arg = parse_arg(
        arg,
        family="plain",
        data="cifar100",
        chain="",
        dropped=1,
        labels="code",
        share=1.0,
        temperature=5.0,
        kl="batchmean",
        online=False,
        epochs=160,
        smoke=False,
    )
    of_takd = {key: value for key, value in arg.items() if key not in ("dropped", "labels")}
    of_takd["chain"] = arg.chain or choose("family", arg.family, CHAINS)
    text = ",".join(f"{key}={value}" for key, value in of_takd.items())
    config = load_config(pathlib.Path(__file__).with_name("takd.py"), text)
    config.method.name = "DGKD"
    config.method.num_dropped = arg.dropped
    config.method.labels_weight = arg.labels
    return config
