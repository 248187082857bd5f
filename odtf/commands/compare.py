"""Compares methods on the same data and seeds: each deployed student against the same network trained alone.

    odtf-compare --config=cifar10_od:depth=8 --config=oem --seeds=3 --json=compare.json \\
        --workdir=runs/compare --override=epochs=4 --override=data.max_train_examples=10000

For every config and seed it trains the method, and the network of its student alone (`Solo`): same protocol, same seed,
the rate that the student has, and its part of the schedule where the method trains in stages. Configs may differ in all
but task and data. Validation chooses; test is read at the end of each run. The same command goes on where it stopped,
and says how long is left.

At the end: a JSON file, Markdown tables and plots beside it. Of every gain there are mean, standard deviation, least,
greatest, and the 95 % interval of the paired difference by Student's t; relative gains, compression and seconds;
methods on the same student side by side; learning curves. With --images=1000,5000,all every config is trained on so
many images each, and a table and a plot show the gain against their number. --every_peer compares each peer of a
cohort with its own network alone.

With another --equal than epochs the network alone has another length, and its schedule is stretched with it. A teacher
that was trained in another run counts for nothing.
"""

from absl import flags

from odtf import files, names
from odtf.commands import cli
from odtf.compare.plan import EQUAL
from odtf.errors import UserError
from odtf.targets import TARGETS
from odtf.training import config_file

_CONFIGS = flags.DEFINE_multi_string("config", None, "A config, as odtf-train takes it; give it several times.")
_SEEDS = flags.DEFINE_integer("seeds", 3, "How many seeds: --first_seed and those after it.", lower_bound=1)
_FIRST_SEED = flags.DEFINE_integer(
    "first_seed", 0, "The first of them: what was chosen by some seeds is shown on others.", 0, upper_bound=2**31
)
_JSON = flags.DEFINE_string("json", None, "Where the result goes; .md and .png files of the same name go beside it.")
_WORKDIR = flags.DEFINE_string("workdir", None, "Where the runs go.")
_OVERRIDES = flags.DEFINE_multi_string(
    "override", [], "KEY=VALUE, changed in every config, such as epochs=4; or N:KEY=VALUE, in the N-th alone."
)
_IMAGES = flags.DEFINE_list("images", [], "Numbers of training images, or all: a row of every config for each of them.")
_EVERY_PEER = flags.DEFINE_bool("every_peer", False, "Whether each peer has a row too, beside its own network alone.")
_EQUAL = flags.DEFINE_enum(
    "equal",
    "epochs",
    list(EQUAL),
    f"Shared by a student and its network alone: {'; '.join(f'{name}: {meaning}' for name, meaning in EQUAL.items())}.",
)
_RATIO_TO = flags.DEFINE_multi_string(
    "ratio_to",
    [],
    "A config as it was given, for one more table: all figures of the test split and the costs, of students, networks "
    "alone and teachers, and their ratio to those of its student; with ' alone' or ' teacher' behind it, to those.",
)
_AT_END = flags.DEFINE_bool("at_end", False, "In that table: figures after the last epoch, not at validation's choice.")
_ALLOW_CODE = cli.define_allow_code("the workdir of a teacher")
_DOWNLOAD = cli.define_download()
_PEER = flags.DEFINE_string("peer", None, "The peer to compare where a method has it; validation's choice by default.")


def _main(argv):
    cli.no_arguments(argv)
    paths, workdir, target = cli.required(_CONFIGS), cli.required(_WORKDIR), cli.required(_JSON)
    files.check_file(target, "json")
    from odtf.compare import markdown, pairing, plan, ratios

    seeds = range(_FIRST_SEED.value, _FIRST_SEED.value + _SEEDS.value)
    made = plan.make_plan(paths, _OVERRIDES.value, seeds, _EQUAL.value, _images(_IMAGES.value))
    ratios.check([label for label, _ in made["entries"]], _RATIO_TO.value)
    if _DOWNLOAD.value:
        from odtf import data

        _, config = made["entries"][0]  # All have the same data.
        data.download(config.data.name, config.data.data_dir)
    options = {"peer": _PEER.value, "every_peer": _EVERY_PEER.value, "allow_code": _ALLOW_CODE.value}
    result = pairing.run(made, workdir, log=print, **options)
    print(markdown.write(result, target, _RATIO_TO.value, _AT_END.value))


def _images(given):
    """Returns the numbers of --images, None for all."""
    for text in given:
        if text != "all" and not (text.isdecimal() and int(text)):
            raise UserError(f"--images takes numbers above 0, and all. Received: {text!r}.")
    return [None if text == "all" else int(text) for text in dict.fromkeys(given)]


def main():
    """Entry point of `odtf-compare`."""
    cli.run(_main, __doc__, lambda: names.in_configs(TARGETS), config_file.explain)


if __name__ == "__main__":
    main()
