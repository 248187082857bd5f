"""Learning curves from the logs of runs."""

import json
import types

from odtf.compare import learning_curves


def run(path, values, name="peer_0"):
    path.mkdir()
    lines = [{"step": 5, "kind": "train", "loss": 1.0}]
    lines += [
        {"step": 10 * epoch, "kind": "validation", "epoch": epoch, f"{name}/quality": value, "peer_9/quality": 0.0}
        for epoch, value in values.items()
    ]
    (path / "log.jsonl").write_text("\n".join(map(json.dumps, lines)) + '\n{"step": 40, "ki')
    return types.SimpleNamespace(workdir=path, student="peer_0")


def test_curves_are_means_over_the_seeds_that_got_so_far(tmp_path):
    methods = [run(tmp_path / f"m{i}", values, "peer_1") for i, values in enumerate(({1: 0.1, 2: 0.4}, {1: 0.3}))]
    alone = [run(tmp_path / f"a{i}", {1: 0.2}) for i in range(2)]
    found = learning_curves.of([(m, "peer_1", a) for m, a in zip(methods, alone, strict=True)], "quality")
    assert [(point["epoch"], point["n"]) for point in found["student"]] == [(1, 2), (2, 1)]
    assert [round(point["mean"], 6) for point in found["student"]] == [0.2, 0.4]
    assert (found["student"][0]["least"], found["student"][0]["greatest"]) == (0.1, 0.3)
    assert [point["mean"] for point in found["alone"]] == [0.2]


def test_runs_without_logs_have_no_plot(tmp_path):
    one = types.SimpleNamespace(workdir=tmp_path, student="peer_0")
    found = learning_curves.of([(one, "peer_0", one)], "quality")
    assert found == {"student": [], "alone": []}
    metric = {"title": "quality", "share": True}
    assert learning_curves.draw(None, {"metric": metric, "rows": [{"curves": found}]}) is None


def test_the_plot_has_a_field_for_each_row(tmp_path):
    from matplotlib import pyplot

    one = run(tmp_path / "a", {1: 0.2, 2: 0.5})
    row = {"method": "M", "label": "x.py", "curves": learning_curves.of([(one, "peer_0", one)], "quality")}
    figure = learning_curves.draw(pyplot, {"metric": {"title": "quality", "share": True}, "rows": [row, row]})
    assert len([axes for axes in figure.axes if axes.get_visible()]) == 2
    assert figure.axes[0].lines[0].get_ydata().tolist() == [20.0, 50.0]
    assert all(tick == int(tick) for tick in figure.axes[0].get_xticks())  # Epochs are whole.
    pyplot.close(figure)
