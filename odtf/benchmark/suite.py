"""The benchmark of training: every measurement, its table and its JSON.

The JSON, stable, times in milliseconds:

    benchmark      "train"
    environment    of the run: versions, cores, threads, device, load_average, depth, batch_size, num_peers, repeats
    seconds        that it took
    measurements   name -> list of comparisons: case, name, baseline, ms and baseline_ms {median, min, max}, ratio
                   {median, min, max, of_fastest}, at_most (the goal or null), met (true, false or null)
"""

import dataclasses
import time

from odtf.benchmark import forms, reading, shared_trunks, single_layers, steps
from odtf.benchmark.environment import environment
from odtf.tables import table

FUNCTIONS = {
    "group_conv": single_layers.group_conv,
    "cheap_layers": single_layers.cheap_layers,
    "forms": forms.convolution_forms_of,
    "batch_norm": lambda setup: [*single_layers.batch_norm(setup), *steps.batch_norm(setup)],
    "cropping": single_layers.cropping,
    "joint_step": steps.joint_step,
    "ensemble_step": shared_trunks.ensemble_step,
    "shared_trunk": shared_trunks.shared_trunk,
    "distillation": steps.distillation,
    "pipeline": steps.pipeline,
    "reading": reading.reading,
}


def run(setup):
    """Runs measurements one after the other and prints their table.

    Args:
        setup: `odtf.benchmark.setup.Setup`.

    Returns:
        dict, the JSON above.
    """
    started, results = time.monotonic(), {}
    facts = environment()
    for name in setup.measurements:
        setup.log(f"{name} ...")
        before = time.monotonic()
        results[name] = FUNCTIONS[name](setup)
        setup.log(f"{name}: {time.monotonic() - before:.0f} s")
    setup.log(f"\n{render(results)}")
    shared = {key: value for key, value in dataclasses.asdict(setup).items() if key not in ("only", "log")}
    return {
        "benchmark": "train",
        "environment": {**facts, **shared},
        "seconds": round(time.monotonic() - started, 1),
        "measurements": {name: [row.to_json() for row in rows] for name, rows in results.items()},
    }


def render(results):
    """Returns the comparisons of every measurement (a dict) as one table of text."""
    rows = [("case", "what", "ms", "against", "ms", "ratio [min, max]", "of fastest", "goal")]
    for row in (row for comparisons in results.values() for row in comparisons):
        facts, ratio = row.to_json(), row.ratio
        ms, baseline = (f"{facts[key]['median']:.2f}" for key in ("ms", "baseline_ms"))
        ratios = f"{ratio['median']:.3f} [{ratio['min']:.3f}, {ratio['max']:.3f}]", f"{ratio['of_fastest']:.3f}"
        goal = "" if row.at_most is None else f"<= {row.at_most:g} {'met' if row.met else 'MISSED'}"
        rows.append((row.case, row.name, ms, row.baseline, baseline, *ratios, goal))
    return table(rows)
