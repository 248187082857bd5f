"""report.json: what a run gave, for people and scripts; and its table on the terminal.

The form is stable; keys may be added, none is renamed or removed:

    config      the whole configuration
    method, dataset, seed
    normalization   mean and std of pixels scaled to [0, 1], a number for each channel: those of the config, or measured
    resize      the way of images to their size: "stretch", "fit" or "crop"
    remarks     what is worth knowing of the data, a list of lines: classes of few images, pictures passed over or
                in two splits
    task        name, and metric, the one that chooses: METRIC below; its title, better ("max" or "min") and share;
                agreement: its share, null where the task has none
    peers       for each: name, params, macs, network (what it was built from; a list where it is made of several),
                val_METRIC, test_METRIC (at the chosen epoch), last_val_METRIC, last_test_METRIC (at the end); the same
                of all other metrics of the task and the method. role: "teacher", of one that is there to teach alone.
                Where it started from trained weights: start (source,
                and by layer how many weights it has taken, which are new and which of the source have no place)
    teacher     test_METRIC, val_METRIC and the same at the end; params and macs of a network that teaches alone; null
                where the method has no teacher
    student     the peer that validation chose: as in peers, with epoch and step of the choice, and the sha256 of
                the names and values of the chosen weights (null in a run that was begun before there was one)
    exports     for each: target, quantization, path, bytes, sha256, test_METRIC, agreement, latency_us_p50, ops, ...
    seconds     train, export
    disagreement    only of several peers: for each two, "ONE-OTHER", the share of the validation images on which their
                answers differ (where answers are no classes: the task's agreement)
    diversity   only of several peers, val_VALUE, test_VALUE and the same at the end: disagreement, the mean over the
                pairs; mean_METRIC, of the mean of the peers' answers; chooser_METRIC, of one who knows for every image
                which peer is best (METRIC the one that chooses, where it is a mean over images)
    finetuned   only after odtf-finetune, for each: mode, peer, target, teacher, float (val_METRIC, test_METRIC), stages
                (name, epoch, step, val_METRIC), tuned (the model before conversion), post_training and file (as in
                exports, with val_METRIC, gzip_bytes, sparsity, clusters, kernels), left_dense, sparse_path, seconds

    digest      of all the rest, by which damage shows; see `odtf.sealed`

Shares are in [0, 1]. The test split is read once, after the last step, and chooses nothing.
"""

from odtf.tables import table


def task_row(task):
    """Returns what a report says of the task: its name and the metric that chooses."""
    metric = task.metrics[task.choice]
    row = {"title": metric.title, "better": metric.better.__name__, "share": metric.share}
    agreement = task.agreement and {"share": task.agreement.share}
    return {"name": task.name, "metric": task.choice, **row, "agreement": agreement}


def metric_of(report):
    """Returns the metric by which a run was chosen: a dict of name, title, better ("max" or "min") and share."""
    row = report.get("task")
    if row is None:  # Of a run made before 0.2, when there was one task.
        from odtf.tasks import Classification

        row = task_row(Classification())
    return {"name": row["metric"], **{key: row[key] for key in ("title", "better", "share")}}


def shown(value, metric, signed=False):
    """Returns a value, or a difference of two, of what `metric_of` returned, as tables show it."""
    sign = "+" if signed else ""
    return f"{value:{sign}.2%}" if metric["share"] else f"{value:{sign}.4g}"


def figures(name, chosen, last):
    """Returns the values of all metrics of one network: of both splits, at the chosen epoch and at the end.

    Args:
        name: the name of a peer, or "teacher".
        chosen: {"val": {"NAME/METRIC": value}, "test": ...} at the chosen epoch.
        last: the same at the end of training.
    """
    metrics = [key.removeprefix(f"{name}/") for key in last["test"] if key.startswith(f"{name}/")]
    return {
        f"{when}{split}_{metric}": round(values[split][f"{name}/{metric}"], 6)
        for metric in metrics
        for when, values in (("", chosen), ("last_", last))
        for split in ("val", "test")
    }


def cost_of(network, task):
    """Returns the part of a report that says what a network of a task costs: params and macs."""
    from odtf import models

    cost = models.cost(network, output=task.output)
    # A file of another framework shows no operator that could be counted.
    return {"params": cost.params, "macs": cost.macs or None}


def diversity(chosen, last):
    """Returns the part of a report that says how far the answers of peers differ, empty where there is one peer.

    Args:
        chosen, last: as for `figures`.
    """
    mark = "disagreement/"
    found = {key.removeprefix(mark): round(v, 6) for key, v in chosen["val"].items() if key.startswith(mark)}
    values = figures("diversity", chosen, last)
    return ({"disagreement": found} if found else {}) | ({"diversity": values} if values else {})


def titled(peer, report):
    """Returns the name of a peer as tables show it, with what it is there for."""
    role = "student" if peer["name"] == report["student"]["name"] else peer.get("role")
    return f"{peer['name']} ({role})" if role else peer["name"]


def teachers_of(report):
    """Returns the rows of all that teaches and does not become the student: a dict from its name."""
    found = {peer["name"]: peer for peer in report["peers"] if peer.get("role") == "teacher"}
    return found | ({"teacher": report["teacher"]} if report.get("teacher") else {})


def taught_by(report, row):
    """Returns in words what taught a peer, and how many times as large it is; empty where that is not known.

    Args:
        report: dict.
        row: the peer's, in it.
    """
    parts = []
    for name, teacher in teachers_of(report).items():
        if name != row["name"] and teacher.get("params") and row.get("params"):
            words = f"{name}, of {teacher['params'] / row['params']:.1f} times the parameters"
            if teacher.get("macs") and row.get("macs"):
                words += f" and {teacher['macs'] / row['macs']:.1f} times the multiply-accumulates"
            parts.append(words)
    return "; ".join(parts)


def _costs(row):
    return f"{row['params']:,}", "-" if row["macs"] is None else f"{row['macs']:,}"


def render(report):
    """Returns the result as a table of text."""
    metric = metric_of(report)
    name, title = metric["name"], metric["title"]
    keys = f"val_{name}", f"test_{name}", f"last_test_{name}"
    rows = [
        ("network", "parameters", "MACs", f"val {title}", f"test {title}", f"test {title} at the end"),
        *(
            (
                titled(peer, report),
                *_costs(peer),
                *(shown(peer[key], metric) for key in keys),
            )
            for peer in report["peers"]
        ),
    ]
    teacher = report["teacher"]
    if teacher:
        costs = _costs(teacher) if "params" in teacher else ("", "")
        rows.append(("teacher", *costs, *(shown(teacher[key], metric) for key in keys)))
    student = report["student"]
    text = table(rows)
    text += f"\n\nChosen on validation: {student['name']} of epoch {student['epoch']}. "
    text += f"Training took {report['seconds']['train']:.0f} s."
    if report["exports"]:
        # Of a run whose report does not say what agreement is, it is a share.
        share = (report.get("task") or {}).get("agreement") or {"share": True}
        text += f"\n\n{render_exports(report['exports'], metric, share, student['name'])}"
    return text


def render_exports(exports, metric, agreement, student=None):
    """Returns rows of `"exports"` as a table of text.

    Args:
        exports: list of rows.
        metric: as of `metric_of`.
        agreement: mapping with "share", of the task's agreement.
        student: name of the peer whose rows are not marked with a name.
    """
    rows = [("export", "quantisation", "bytes", f"test {metric['title']}", "agreement", "latency p50", "file")]
    for row in exports:
        agreed = "-" if row["agreement"] is None else shown(row["agreement"], agreement)
        quality = shown(row[f"test_{metric['name']}"], metric), agreed
        latency = f"{row['latency_us_p50']:.0f} us"
        # A budget, or --peer, may have chosen another than validation.
        target = f"{row['target']} ({row['peer']})" if row.get("peer", student) != student else row["target"]
        rows.append((target, row["quantization"], f"{row['bytes']:,}", *quality, latency, row["path"]))
    return table(rows)
