"""Networks with dead, constant and oddly scaled parts: every target takes them, quantised after training or in it."""

import functools

import keras
import numpy as np
import pytest

from odtf import quantization
from odtf.errors import UserError
from odtf.export import TARGETS, every_target, export_each, export_student
from tests.export.conftest import normalized
from tests.export.degenerate_networks import CASES, DEAD, make


def exported(network, digits, folder, chosen):
    rows, refused = export_each(
        network, digits, chosen, lambda target: folder / target.name, calibration_examples=32, max_examples=64
    )
    assert not refused
    return rows


# What a phone's file has besides is an input of three channels, a softmax, and on a GPU numbers of 16 bits.
FOR_EVERY_TARGET = ("dead branch", "huge kernel under its norm", "large activations", "constant logits")


@pytest.fixture(scope="module")
def network(digits):
    """Function from a case to its network, which several files are made of."""
    return functools.cache(lambda case: make(CASES[case], digits))


@pytest.mark.parametrize("case", CASES)
def test_quantised_after_training(case, network, digits, tmp_path):
    chosen = [(TARGETS["soc"], "int8"), (TARGETS["soc"], "int16x8")]
    if case in FOR_EVERY_TARGET:
        chosen = [*every_target("int8"), (TARGETS["soc"], "int16x8")]
    rows = exported(network(case), digits, tmp_path, chosen)
    assert len(rows) == len(chosen)
    assert all(row["error"] < 0.3 for row in rows), {(row["target"], row["quantization"]): row["error"] for row in rows}


@pytest.mark.parametrize("case", CASES)
def test_trained_quantised(case, network, digits, tmp_path):
    image_range = quantization.pixel_range(digits.mean, digits.std)
    aware = quantization.quantization_aware(network(case), input_range=image_range)
    for layer in aware._flatten_layers():
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable = False  # Its statistics are part of the case.
    images, _ = digits.splits["train"].take(np.arange(64))
    aware(normalized(images, digits), training=True)
    exported(aware, digits, tmp_path, [(TARGETS["soc"], "int8")])


def test_a_dead_network_ends_no_process(digits, tmp_path):
    """Its int16x8 file has scales that are Inf, of which LiteRT's sum aborts."""
    network = make(DEAD, digits)
    with pytest.raises(UserError, match=r"Scales of a file are positive, finite numbers.*Received: inf"):
        export_student(network, digits, tmp_path / "out", quantization="int16x8", calibration_examples=32)
    assert not (tmp_path / "out").exists()
