"""TAKD, distillation through teacher assistants: a chain of networks, each taught by the one before it.

    odtf-train --config=takd:family=resnet,data=cifar100 --workdir=DIR --config.data.data_dir=DATA

The protocol is that of the released code (imirzadeh/Teacher-Assistant-Knowledge-Distillation): for each network 160
epochs, batch 128, SGD with momentum 0.9, weight decay 1e-4, no augmentation; learning rate 0.01 throughout for plain
networks and 0.1, 0.01, 0.001 from half and three quarters for ResNets. (That is what the code means to do: by a slip
its ResNets never see 0.1.) lambda and T were tuned for every case, from 0.05 to 1 and 1 to 20; 0.5 and 5 are a DESIGN
CHOICE. The code's divergence is a mean over batch and classes (`kl=elementmean`): its lambdas belong to that one.

Top-1 without distillation, with plain distillation, with assistants, from memory of the paper (Mirzadeh et al., AAAI
2020), UNVERIFIED:

    family   data       chain      none   plain  TAKD
    plain    cifar10    10-4-2     70.16  72.57  73.51
    plain    cifar100   10-4-2     41.09  44.57  44.92
    resnet   cifar10    110-20-8   88.52  88.65  88.98
    resnet   cifar100   110-20-8   61.37  61.41  61.82

The plain network of 6 layers for CIFAR-100 has a last pooling here that the released one has not. Plain distillation is
a chain of two, the student alone one of one: `chain=10-2`, `chain=2`.

Arguments: family (plain, resnet), data (cifar10, cifar100), chain (layers of the networks, from the teacher down; "":
as in the table), share (lambda), temperature, kl (batchmean, elementmean), online (all at once), epochs (of each
network), smoke (an epoch each on digits).
"""

from odtf.training.config import choose, default_config, free, parse_arg, rising, smoke

# Channels and number of the convolutions of each stage, and the dense layer before the classifier.
PLAIN = {
    "cifar10": {
        "2": ((16, 16), (1, 1), 0),
        "4": ((16, 32), (2, 2), 0),
        "6": ((16, 32, 64), (2, 2, 2), 0),
        "8": ((16, 32, 64, 128), (2, 2, 2, 2), 64),
        "10": ((32, 64, 128, 256), (2, 2, 2, 4), 128),
    },
    "cifar100": {
        "2": ((32, 32), (1, 1), 0),
        "4": ((32, 64), (2, 2), 0),
        "6": ((32, 64, 128), (2, 2, 2), 0),
        "8": ((32, 64, 128, 256), (2, 2, 2, 2), 64),
        "10": ((32, 64, 128, 256), (2, 2, 2, 4), 512),
    },
}
CHAINS = {"plain": "10-4-2", "resnet": "110-20-8"}
SMALL = {"plain": "6-4-2", "resnet": "14-8-8"}


def network(family, data, layers):
    """Returns the specification of one network of a family."""
    if family == "resnet":
        return {"name": "cifar_resnet", "depth": int(layers)}
    widths, counts, embedding = choose("chain", layers, PLAIN[data])
    return {"name": "plain_cnn", "widths": widths, "layers": counts, "embedding": embedding, "padding": "symmetric"}


def get_config(arg=None):
    """Returns the experiment's `ConfigDict`; see the module's docstring for `arg`."""
    arg = parse_arg(
        arg,
        family="plain",
        data="cifar100",
        chain="",
        share=0.5,
        temperature=5.0,
        kl="batchmean",
        online=False,
        epochs=160,
        smoke=False,
    )
    plain = choose("family", arg.family, {"plain": True, "resnet": False})
    choose("data", arg.data, PLAIN)
    config = default_config()
    config.data.name = arg.data
    config.data.mean = (0.507, 0.487, 0.441)
    config.data.std = (0.267, 0.256, 0.276)
    config.batch_size = 128
    config.weight_decay = 1e-4
    config.schedule.name = "constant" if plain else "piecewise"
    config.schedule.learning_rate = 0.01 if plain else 0.1
    config.schedule.milestones = () if plain else rising([arg.epochs // 2, arg.epochs * 3 // 4])
    chain, epochs = arg.chain or CHAINS[arg.family], arg.epochs
    if arg.smoke:
        smoke(config)
        chain, epochs = SMALL[arg.family], 1
    *teachers, student = (network(arg.family, arg.data, layers) for layers in chain.split("-"))
    if arg.smoke and not plain:
        *teachers, student = ({**spec, "width": 8} for spec in (*teachers, student))
    config.network = free(student)
    config.method = free({"name": "Solo"})
    if teachers:
        config.method = free(
            {
                "name": "TAKD",
                "teacher_network": teachers[0],
                "assistant_networks": teachers[1:],
                "step_epochs": () if arg.online else (epochs,),
                "temperature": arg.temperature,
                "share": arg.share,
                "kl_reduction": arg.kl,
            }
        )
    steps = 1 if arg.online else len(teachers) + 1
    config.epochs = steps * epochs
    config.schedule.restarts = tuple(epochs * step for step in range(1, steps))
    return config
