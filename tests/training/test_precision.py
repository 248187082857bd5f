"""The precision that a run chooses by itself, and keeps."""

import types

import keras
import pytest
import tensorflow as tf

from odtf import runs
from odtf.errors import UserError
from odtf.training import cohorts, precision
from odtf.training.config import differences, free, to_json
from tests.training.test_experiment import small, train


@pytest.fixture
def native(monkeypatch):
    """A machine with bfloat16."""
    monkeypatch.setattr(precision, "native_bfloat16", lambda: "a CPU with amx_bf16")


def solo(**values):
    config = small(precision="auto", deterministic=False, **values)
    config.method = free({"name": "Solo"})
    return config


@pytest.mark.usefixtures("native")
def test_bfloat16_is_for_methods_that_hold_their_accuracy():
    assert precision.choose(solo()) == (
        "mixed_bfloat16",
        "a CPU with amx_bf16 computes it natively, and Solo holds its accuracy",
    )
    assert precision.choose(small(precision="auto", deterministic=False)) == (
        "float32",
        "OnlineDistillationCheap has not been measured in bfloat16",
    )


@pytest.mark.usefixtures("native")
def test_bit_equal_and_int8_runs_are_float32():
    config = solo()
    config.deterministic = True
    assert precision.choose(config) == ("float32", "config.deterministic")
    config = solo()
    config.quantization.aware = True
    assert precision.choose(config) == ("float32", "config.quantization.aware")


def test_a_machine_without_it_is_float32(monkeypatch):
    monkeypatch.setattr(precision, "native_bfloat16", lambda: None)
    assert precision.choose(solo())[0] == "float32"


@pytest.mark.parametrize(
    ("flags", "found"), [("fpu avx512f avx512_bf16 amx_bf16", "avx512_bf16"), ("fpu avx512f avx2", None)]
)
def test_what_the_kernel_says_of_a_cpu(tmp_path, monkeypatch, flags, found):
    (tmp_path / "cpuinfo").write_text(f"processor : 0\nflags\t\t: {flags}\nprocessor : 1\nflags : none\n")
    known = precision._cpu_flags(tmp_path / "cpuinfo")
    assert known == set(flags.split())
    monkeypatch.setattr(precision, "_cpu_flags", lambda: known)
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind=None: [])
    said = precision.native_bfloat16()
    assert found in said if found else said is None


@pytest.mark.parametrize(("capability", "native"), [((8, 0), True), ((7, 5), False)])
def test_what_tensorflow_says_of_a_gpu(monkeypatch, capability, native):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind=None: ["a"])
    details = {"device_name": "B", "compute_capability": capability}
    monkeypatch.setattr(tf.config.experimental, "get_device_details", lambda gpu: details)
    assert precision.native_bfloat16() == ("B" if native else None)


def test_a_run_records_what_it_chose_and_keeps_it(tmp_path, monkeypatch, capsys):
    """Begun with bfloat16, it goes on with it where there is none."""
    before = keras.config.dtype_policy()
    monkeypatch.setattr(precision, "native_bfloat16", lambda: "a CPU with amx_bf16")
    try:
        report = train(solo(epochs=1), tmp_path)
        assert "precision mixed_bfloat16: a CPU with amx_bf16 computes it natively" in capsys.readouterr().out
        assert report["config"]["precision"] == runs.Run(tmp_path).config.precision == "mixed_bfloat16"
        monkeypatch.setattr(precision, "native_bfloat16", lambda: None)
        again = train(solo(epochs=1), tmp_path)
    finally:
        keras.config.set_dtype_policy(before)
    assert again["config"]["precision"] == "mixed_bfloat16"
    assert "precision mixed_bfloat16: as the run was begun" in capsys.readouterr().out


def test_what_is_no_run_computes_in_float32():
    before = keras.config.dtype_policy()
    try:
        keras.config.set_dtype_policy("mixed_bfloat16")
        cohorts.set_runtime(solo())
        assert keras.config.dtype_policy().name == "float32"
    finally:
        keras.config.set_dtype_policy(before)


def test_named_precisions_still_have_to_agree():
    one, two = (to_json(small(precision=name)) for name in ("float32", "mixed_bfloat16"))
    assert differences(one, two) == ["precision: float32 -> mixed_bfloat16"]
    assert differences(one, to_json(small(precision="auto"))) == []


def test_several_workers_do_not_choose():
    placement = types.SimpleNamespace(num_workers=2)
    with pytest.raises(UserError, match=r"must be named where several workers train.*Received: 'auto'"):
        precision.resolved(solo(), None, placement.num_workers)
