"""Measures the ingredients of fast training, alone and together, and prints one table.

    python tests/programs/recipes.py --workdir=DIR --data_dir=DATA --output=docs/results/recipes.md [--seeds=3]
        [--rows none ema lookahead+one_cycle ...] [--config=configs/recipe.py] [--arg=epochs=60] [--test]

Every row is configs/recipe.py with some of odtf.training.ingredients, for each seed, and each in as many steps. What
is shown is how much better a row's student is on validation than that of the plain recipe with the same seed, with the
95 % interval of this difference: the rows to keep are named from it, and --test, which shows the test split too, comes
after that. Runs go on where they stopped, those that are finished are read, and the table is written anew after each.
42 runs of a minute or two on one core: about an hour and a half. Nothing else should run beside it, for the seconds.
"""

import argparse
import pathlib

from odtf.compare import child_runs, spreads
from odtf.compare.cells import in_markdown, interval, mean_and_std
from odtf.training import config_file
from odtf.training.ingredients import INGREDIENTS
from odtf.training.report import metric_of, shown

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOGETHER = ("lookahead+alternating+reflect+one_cycle+norm_biases+norm_decay+whitened", "ema+alternating+reflect")
ROWS = ("none", *INGREDIENTS, *TOGETHER)


def parsed():
    """Returns the arguments of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workdir", required=True, type=pathlib.Path)
    parser.add_argument("--output", type=pathlib.Path)
    parser.add_argument("--data_dir")
    parser.add_argument("--config", default=str(ROOT / "configs" / "recipe.py"))
    parser.add_argument("--arg", default="", help="more of the config's arguments, such as epochs=20")
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--rows", nargs="+", default=ROWS)
    parser.add_argument("--test", action="store_true")
    return parser.parse_args()


def train(given, row, seed):
    """Trains a row with a seed, or reads the finished run; returns `odtf.runs.Run`."""
    arguments = ",".join(filter(None, (given.arg, f"recipe={row}")))
    config = config_file.load(f"{given.config}:{arguments}")
    config.seed, config.precision = seed, given.precision
    config.data.data_dir = given.data_dir
    config.export.targets = ()
    return child_runs.train(config, given.workdir / row / f"seed-{seed}")


def table(found, split):
    """Returns the table of what is found so far, rows of text with the heading first.

    Args:
        found: dict from a row's name to {seed: `odtf.runs.Run`}, "none" the first.
        split: "val" or "test".
    """
    rows = [("recipe", "seeds", f"{split}", "better than none", "95 % interval", "steps", "seconds")]
    for name, runs in found.items():
        metric = metric_of(next(iter(runs.values())).report)
        key, sign = f"{split}_{metric['name']}", 1.0 if metric["better"] == "max" else -1.0
        values = {seed: run.report["student"][key] for seed, run in runs.items()}
        plain = {seed: run.report["student"][key] for seed, run in found["none"].items()}
        gain = spreads.paired(sign * (values[seed] - plain[seed]) for seed in values)
        spread = spreads.spread_of(values.values())
        chosen = [(run.report["student"], run.config.epochs) for run in runs.values()]
        steps = {student["step"] // student["epoch"] * epochs for student, epochs in chosen}
        seconds = spreads.spread_of(run.report["seconds"]["train"] for run in runs.values())["mean"]
        rows.append(
            (
                name,
                f"{spread['n']}",
                mean_and_std(spread, metric),
                "" if name == "none" else shown(gain["mean"], metric, signed=True),
                "" if name == "none" else interval(gain, metric),
                ", ".join(f"{count:,}" for count in steps),
                f"{seconds:.0f}",
            )
        )
    return rows


def main():
    """Trains all rows, seed by seed, and writes the table after each run."""
    given, found = parsed(), {}
    names = ("none", *(row for row in given.rows if row != "none"))
    for seed in range(given.seeds):
        for row in names:
            found.setdefault(row, {})[seed] = train(given, row, seed)
            whole = {name: runs for name, runs in found.items() if runs}
            splits = ("val", "test") if given.test else ("val",)
            text = "\n".join(in_markdown("", table(whole, split)) for split in splits)
            if given.output:
                given.output.write_text(text, "utf-8")
            print(f"{row}, seed {seed}\n{text}", flush=True)


if __name__ == "__main__":
    main()
