"""The result of a fine-tuning as a table on the terminal."""

from odtf.tables import table


def render(row):
    """Returns the text for a row of report.json's "finetuned"."""
    mode, file, plain = row["mode"], row["file"], row["post_training"]
    rows = [
        ("network", "val top-1", "test top-1", "zeros", "values", "bytes", "gzip", "latency p50", "file"),
        ("student, float32", *_shares(row["float"]), "", "", "", "", "", ""),
        ("student, int8", *_line(plain)),
        (f"after {mode}", *_shares(row["tuned"]), "", "", "", "", "", ""),
        (f"after {mode}, int8", *_line(file)),
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


def _shares(figures):
    return f"{figures['val_top1']:.2%}", f"{figures['test_top1']:.2%}"


def _line(figures):
    sizes = f"{figures['bytes']:,}", f"{figures['gzip_bytes']:,}"
    latency = f"{figures['latency_us_p50']:.0f} us"
    return *_shares(figures), f"{figures['sparsity']:.2%}", str(figures["clusters"]), *sizes, latency, figures["path"]
