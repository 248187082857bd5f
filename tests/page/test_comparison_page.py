"""The page of a comparison."""

import json

from odtf.compare import pairing
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


def test_gains_values_and_budgets_are_there(tmp_path):
    rows = []
    for label, method, gains in (("a.py", "OnlineEnsemble", (0.02, 0.04)), ("b.py", "Codistillation", (-0.01, 0.0))):
        pairs = [pair(seed, gain) for seed, gain in enumerate(gains)]
        about = {"label": label, "method": method, "batch_size": 64, "learning_rate": 0.05}
        rows.append({**about, "pairs": pairs, **pairing.summary(pairs, METRIC)})
    path = tmp_path / "compare.json"
    path.write_text(json.dumps({"seeds": [0, 1], "equal": "epochs", "metric": METRIC, "rows": rows}))
    said = comparison_page.write(comparison_page.read(path), tmp_path / "compare.html")
    assert said == str(tmp_path / "compare.html")
    page = (tmp_path / "compare.html").read_text()
    text = text_of(page)
    for part in ("Comparison of 2 configs", "+3.00%, OnlineEnsemble", "+3.00 ± 1.41", "-0.50 ± 0.71", "960", "4,321"):
        assert part in text, part
    assert text.count("64.00%") == 1 and "Codistillation" in page and page.count("<svg") == 1
