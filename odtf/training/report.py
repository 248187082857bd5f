"""report.json: what a run gave, for people and scripts; and its table on the terminal.

The form is stable; keys may be added, none is renamed or removed:

    config      the whole configuration
    method, dataset, seed
    peers       for each: name, params, macs, val_top1, test_top1 (at the chosen epoch),
                last_val_top1, last_test_top1 (at the end); the same of further metrics of a method, such as val_map
    teacher     test_top1, val_top1 and the same at the end; null where the method has no teacher
    student     the peer that validation chose: as in peers, with epoch and step of the choice
    exports     for each: target, quantization, path, bytes, sha256, test_top1, agreement, latency_us_p50, ops, ...
    seconds     train, export
    finetuned   only after odtf-finetune, for each: mode, peer, target, teacher, float (val_top1, test_top1), stages
                (name, epoch, step, val_top1), tuned (the model before conversion), post_training and file (as in
                exports, with val_top1, gzip_bytes, sparsity, clusters, kernels), left_dense, sparse_path, seconds

Accuracies are shares in [0, 1]. The test split is read once, after the last step, and chooses nothing.
"""

from odtf.tables import table


def accuracies(name, chosen, last):
    """Returns the four accuracies of one network, and as many values of every other metric it has.

    Args:
        name: the name of a peer, or "teacher".
        chosen: {"val": {"NAME/top1": share}, "test": ...} at the chosen epoch.
        last: the same at the end of training.
    """
    metrics = [key.removeprefix(f"{name}/") for key in last["test"] if key.startswith(f"{name}/")]
    return {
        f"{when}{split}_{metric}": round(values[split][f"{name}/{metric}"], 6)
        for metric in metrics
        for when, values in (("", chosen), ("last_", last))
        for split in ("val", "test")
    }


def render(report):
    """Returns the result as a table of text."""
    rows = [
        ("network", "parameters", "MACs", "val top-1", "test top-1", "test top-1 at the end"),
        *(
            (
                f"{peer['name']} (student)" if peer["name"] == report["student"]["name"] else peer["name"],
                f"{peer['params']:,}",
                f"{peer['macs']:,}",
                *(f"{peer[key]:.2%}" for key in ("val_top1", "test_top1", "last_test_top1")),
            )
            for peer in report["peers"]
        ),
    ]
    teacher = report["teacher"]
    if teacher:
        rows.append(("teacher", "", "", *(f"{teacher[k]:.2%}" for k in ("val_top1", "test_top1", "last_test_top1"))))
    student = report["student"]
    text = table(rows)
    text += f"\n\nChosen on validation: {student['name']} of epoch {student['epoch']}. "
    text += f"Training took {report['seconds']['train']:.0f} s."
    if report["exports"]:
        rows = [("export", "quantisation", "bytes", "test top-1", "agreement", "latency p50", "file")]
        for row in report["exports"]:
            share = [f"{row[key]:.2%}" for key in ("test_top1", "agreement")]
            latency = f"{row['latency_us_p50']:.0f} us"
            # A budget, or --peer, may have chosen another than validation.
            other = row.get("peer", student["name"]) != student["name"]
            name = f"{row['target']} ({row['peer']})" if other else row["target"]
            rows.append((name, row["quantization"], f"{row['bytes']:,}", *share, latency, row["path"]))
        text += f"\n\n{table(rows)}"
    return text
