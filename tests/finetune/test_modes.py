"""Every mode from a finished run to its verified file and its row in the report."""

import json

import numpy as np
import pytest

from odtf import export
from odtf.finetune import compression
from odtf.finetune.settings import MODES
from odtf.finetune.summary import render
from odtf.training.report import metric_of
from tests.finetune.conftest import OPTIONS

every_mode = pytest.mark.parametrize("mode", MODES)


def content_of(row, workdir, which="file"):
    return (workdir / row[which]["path"]).read_bytes()


@every_mode
def test_a_verified_int8_file_and_a_row(mode, tuned, workdir, digits):
    row = tuned(mode)
    content = content_of(row, workdir)
    assert row["file"]["bytes"] == len(content) and row["file"]["gzip_bytes"] < len(content)
    assert (row["mode"], row["peer"]) == (mode, json.loads((workdir / "report.json").read_text())["student"]["name"])
    images, labels = digits.splits["test"].take(np.arange(100))
    runner = export.Runner(content)
    assert np.mean(runner.predict(images).argmax(-1) == labels) > 0.2, "it tells digits apart"
    ops = export.operators(content)
    assert not ops.keys() & {"MUL", "SUB", "CAST"}
    ends = [ops.get(name, 0) for name in ("QUANTIZE", "DEQUANTIZE", "SOFTMAX")]
    assert ends == {"soc": [0, 0, 0], "phone": [1, 1, 1]}[row["target"]], "uint8 outside, int8 inside, scores in float"
    assert (ops["CONV_2D"] + ops.get("DEPTHWISE_CONV_2D", 0), ops["FULLY_CONNECTED"]) == (3, 2), "BN is folded"
    assert [stage["name"] for stage in row["stages"]] == list(MODES[mode])
    assert len(compression.kernels(content)) == 5, "every kernel is int8"


def test_the_model_that_was_taught_is_the_file(tuned):
    for mode in ("qat", "pqat", "cqat"):
        row = tuned(mode)
        assert abs(row["file"]["test_top1"] - row["tuned"]["test_top1"]) < 0.01
        assert row["file"]["agreement"] > 0.98


def test_all_rows_stand_in_the_report(tuned, workdir):
    rows = [tuned(mode) for mode in MODES]
    report = json.loads((workdir / "report.json").read_text())
    # One for each mode; another test may have asked for other targets beside.
    own = {mode: OPTIONS[mode].get("target", "soc") for mode in MODES}
    kept = [row["mode"] for row in report["finetuned"] if row["target"] == own[row["mode"]]]
    assert sorted(kept) == sorted(MODES)
    assert {"config", "peers", "student", "exports", "seconds"} <= report.keys()
    wanted = {"qat": "online teacher", "prune": "ensemble of 2", "cluster": None}
    assert wanted.items() <= {row["mode"]: row["teacher"] for row in rows}.items()
    for row in rows:
        text = render(row, metric_of(report))
        assert f"after {row['mode']}, int8" in text and row["file"]["path"] in text


def test_two_of_four_inputs_are_zero_in_the_file(tuned, workdir):
    row = tuned("prune")
    for name, kernel, _ in compression.kernels(content_of(row, workdir))[2:]:
        fours = kernel[..., : kernel.shape[-1] // 4 * 4].reshape(-1, 4)
        assert np.all(np.sum(fours == 0, axis=-1) >= 2), name
    before = compression.kernels(content_of(row, workdir, "post_training"))[2][1]
    assert np.mean(before == 0) < 0.2
    assert row["left_dense"] == ["stage1_conv1"], "one input channel has no four neighbours"
    assert row["sparse_path"]["reason"].startswith("the network does not begin with")
    assert row["sparse_path"]["sparse_bytes"] < row["sparse_path"]["dense_bytes"]


def test_blocks_of_weights_are_zero_in_the_file(tuned, workdir):
    row = tuned("pqat")
    dense = [kernel for name, kernel, _ in compression.kernels(content_of(row, workdir)) if name == "FULLY_CONNECTED"]
    # The file holds [outputs, inputs]; a block is one input by four outputs.
    hidden, logits = dense
    blocks = hidden.reshape(-1, 4, hidden.shape[1])
    zero = np.all(blocks == 0, axis=1)
    assert np.mean(zero) == pytest.approx(0.5, abs=0.02)
    assert np.mean(blocks[~np.broadcast_to(zero[:, None], blocks.shape)] == 0) < 0.2, "zeros come in blocks"
    assert 0.3 < np.mean(logits == 0) < 0.7
    assert row["left_dense"] == ["stage1_conv1", "stage2_conv1"]


@pytest.mark.parametrize("mode", ["cluster", "cqat"])
def test_a_filter_has_as_many_values_as_there_are_clusters(mode, tuned, workdir):
    row = tuned(mode)
    kernels = compression.kernels(content_of(row, workdir))
    values = [len(np.unique(channel)) for _, kernel, axis in kernels[1:] for channel in np.moveaxis(kernel, axis, 0)]
    assert max(values) <= OPTIONS[mode]["clusters"]
    assert row["file"]["clusters"] == max(values) > 2
    assert row["post_training"]["clusters"] > OPTIONS[mode]["clusters"]
