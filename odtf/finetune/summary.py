"""The result of a fine-tuning as a table on the terminal."""

from odtf.tables import table
from odtf.training.report import shown


def render(row, metric):
    """Returns the text for a row of report.json's "finetuned".

    Args:
        row: the row.
        metric: what `odtf.training.report.metric_of` returned.
    """
    mode, file, plain = row["mode"], row["file"], row["post_training"]
    rows = [
        (
            "network",
            f"val {metric['title']}",
            f"test {metric['title']}",
            "zeros",
            "values",
            "bytes",
            "gzip",
            "latency p50",
            "file",
        ),
        ("student, float32", *_shares(row["float"], metric), "", "", "", "", "", ""),
        ("student, int8", *_line(plain, metric)),
        (f"after {mode}", *_shares(row["tuned"], metric), "", "", "", "", "", ""),
        (f"after {mode}, int8", *_line(file, metric)),
    ]
    stages = ", ".join(f"{stage['name']} of epoch {stage['epoch']}" for stage in row["stages"])
    text = f"{table(rows)}\n\n{row['peer']}, taught by: {row['teacher'] or 'the labels'}. "
    text += f"Chosen on validation: {stages}."
    if row["left_dense"]:
        text += f"\nLeft as they are: {', '.join(row['left_dense'])}."
    if path := row["sparse_path"]:
        text += (
            f"\nfloat32 on this machine: dense {path['dense_us_p50']:.0f} us, {path['dense_bytes']:,} bytes; "
            f"sparse-coded {path['sparse_us_p50']:.0f} us, {path['sparse_bytes']:,} bytes"
        )
        text += f" ({path['reason']})." if path["reason"] else "."
    return text


def _shares(figures, metric):
    return tuple(shown(figures[f"{split}_{metric['name']}"], metric) for split in ("val", "test"))


def _line(figures, metric):
    sizes = f"{figures['bytes']:,}", f"{figures['gzip_bytes']:,}"
    latency = f"{figures['latency_us_p50']:.0f} us"
    return (
        *_shares(figures, metric),
        f"{figures['sparsity']:.2%}",
        str(figures["clusters"]),
        *sizes,
        latency,
        figures["path"],
    )
