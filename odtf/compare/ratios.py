"""A table of all that was measured on the test split, each figure beside its ratio to that of one row."""

import statistics

from odtf.errors import UserError

# Whose figures there are of a config, and what its row is called.
_PARTIES = {"student": "{}", "alone": "{} alone", "teacher": "{} teacher"}


def check(labels, names):
    """Shows, before anything is trained, that rows can have given names.

    Args:
        labels: of the configs that are compared.
        names: iterable of str.

    Raises:
        UserError: if one cannot.
    """
    known = [form.format(label) for label in labels for form in _PARTIES.values()]
    for name in names:
        if name not in known:
            raise UserError(f"--ratio_to takes one of the rows {', '.join(known)}. Received: {name!r}.")


def table(result, name, at_end=False):
    """Returns a table of what each student, network alone and teacher costs and reaches on the test split.

    A cell is the mean over the seeds (± standard deviation), and the mean over the seeds of the ratio to the figure of
    the same seed in the named row. A teacher has costs where it is a network of its own.

    Args:
        result: dict, what `odtf.compare.pairing.run` returned.
        name: of the row: a config's label, for its student; with " alone" or " teacher" behind it, for those.
        at_end: bool, the figures after the last epoch in place of those of the epoch that validation chose.

    Returns:
        As `odtf.compare.cells` has it.

    Raises:
        UserError: if there is no such row.
    """
    prefix = "last_test_" if at_end else "test_"
    rows = {
        form.format(row["label"]): [pair[party] for pair in row["pairs"]]
        for row in result["rows"]
        for party, form in _PARTIES.items()
        if all(pair[party] for pair in row["pairs"])
    }
    if name not in rows:
        raise UserError(f"--ratio_to takes one of the rows {', '.join(rows)}. Received: {name!r}.")
    reference = rows[name]
    keys = ["params", "macs", *dict.fromkeys(key for row in rows.values() for key in row[0] if key.startswith(prefix))]
    when = "after the last epoch" if at_end else "at the epoch that validation chose"
    text = (
        f"Figures of the test split {when}, mean ± standard deviation over {len(result['seeds'])} seeds; in brackets "
        f"the ratio to {name}, paired."
    )
    head = ("", *(key.removeprefix(prefix) for key in keys))
    return text, [head, *((title, *(_cell(row, reference, key) for key in keys)) for title, row in rows.items())]


def _cell(row, reference, key):
    values, others = ([figures.get(key) for figures in each] for each in (row, reference))
    if None in values:
        return "-"
    text = f"{values[0]:,}" if isinstance(values[0], int) else f"{statistics.fmean(values):.4g}"
    if len(set(values)) > 1:
        text += f" ± {statistics.stdev(values):.2g}"
    if all(others):
        text += f" ({statistics.fmean(v / other for v, other in zip(values, others, strict=True)):.3f})"
    return text
