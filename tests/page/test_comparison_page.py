"""The page of a comparison."""

import json

from odtf.compare import comparison_record, pairing
from odtf.page import comparison_page
from tests.page.test_run_page import text_of

METRIC = {"name": "top1", "title": "top-1", "better": "max", "share": True}


def pair(seed, gain):
    student = {"name": "peer_0", "params": 4321, "val_top1": 0.5 + gain, "test_top1": 0.6 + gain}
    alone = {"val_top1": 0.5, "test_top1": 0.6}
    got = {"epochs": 3, "steps": 30, "images": 960, "seconds": 12.0}
    return {
        "seed": seed,
        "members": 1,
        **{"student": student, "alone": alone, "typical": student},
        **{"val_gain": gain, "test_gain": gain},
        "got": {"run": got, "student": {**got, "seconds": None}, "alone": got},
    }


def row(label, method, gains, **about):
    pairs = [pair(seed, gain) for seed, gain in enumerate(gains)]
    kept = {"label": label, "method": method, "peer": None, "images": None, "train_images": None, "compression": None}
    kept |= {"network": {"name": "resnet"}, "batch_size": 64, "learning_rate": 0.05}
    kept |= {"curves": {"student": [], "alone": []}, **about}
    return {**kept, "pairs": pairs, **pairing.summary(pairs, METRIC)}


def written(tmp_path, rows):
    path = tmp_path / "compare.json"
    path.write_text(json.dumps({"seeds": [0, 1], "equal": "epochs", "metric": METRIC, "rows": rows}))
    return path


def test_gains_values_and_budgets_are_there(tmp_path):
    path = written(tmp_path, [row("a.py", "OnlineEnsemble", (0.02, 0.04)), row("b.py", "Codistillation", (-0.01, 0))])
    said = comparison_page.write(comparison_record.read(path), tmp_path / "compare.html")
    assert said == str(tmp_path / "compare.html")
    page = (tmp_path / "compare.html").read_text()
    text = text_of(page)
    for part in (
        "Comparison of 2 configs",
        "+3.00%, OnlineEnsemble",
        "+3.00 ± 1.41",
        "-0.50 ± 0.71",
        "-9.71 to +15.71",
        "960",
        "4,321",
    ):
        assert part in text, part
    assert text.count("64.00%") == 1 and "Codistillation" in page and page.count("<svg") == 1
    assert "Learning curves" not in text


def test_what_not_every_comparison_has(tmp_path):
    points = [{"epoch": epoch, "n": 2, "mean": 0.5, "std": 0.1, "least": 0.4, "greatest": 0.6} for epoch in (1, 2)]
    about = {"images": 1000, "curves": {"student": points, "alone": points}}
    rows = [row("a.py images=1000", "OnlineEnsemble", (0.02, 0.04), **about)]
    rows += [row("a.py images=5000", "OnlineEnsemble", (0.01, 0.02), **{**about, "images": 5000})]
    rows += [row("b.py images=1000", "Codistillation", (0.01, 0.01), **about)]
    comparison_page.write(comparison_record.read(written(tmp_path, rows)), tmp_path / "compare.html")
    page = (tmp_path / "compare.html").read_text()
    text = text_of(page)
    for part in ("Learning curves", "The gain against the number of images", "1,000", "One student side by side"):
        assert part in text, part
    assert page.count("<svg") == 3  # Gains, by images, curves.
