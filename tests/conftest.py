"""What every test may use: two logical CPUs for replicas, optional packages, real data that lie beside the checkout."""

import contextlib
import gc
import os
import pathlib
import subprocess
import sys
import tempfile
import types
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import pytest
import tensorflow as tf
from keras.src.trainers import trainer
from tensorflow.lite.python import lite
from tensorflow.python.distribute import cross_device_ops
from tensorflow.python.util import tf_stack

from odtf import paths

# Possible only before the first operation of the process.
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)

_SHARED_DATA = pathlib.Path(__file__).resolve().parents[2] / "shared" / "data"

# Files that take minutes: last, they would leave one of two processes idle.
_LONG = (
    "test_notebooks.py",
    "test_processes.py",
    "test_replicas.py",
    "test_turns_in_runs.py",
    "test_conformance.py",
    "test_experiment.py",
    "test_bad_input.py",
)

# A package that only an extra brings -> the extra, and the package that pip does not install in the same call.
_OPTIONAL = {
    "ethosu": ("soc", None),
    "mediapipe": ("phone", "tensorflow_model_optimization"),
    "tensorflow_model_optimization": ("finetune", "mediapipe"),
    "tflite_micro": ("micro", None),
}


def require(package):
    """Skips what needs a package that is missing; in CI, whose two environments have all of them, it fails.

    Args:
        package: name of an import; in CI it may be absent only where the package that excludes it is present.
    """
    if find_spec(package):
        return
    extra, rival = _OPTIONAL[package]
    missing = f"{package} is missing: pip install '.[{extra}]'"
    if os.environ.get("CI") == "true" and not (rival and find_spec(rival)):
        pytest.fail(f"CI must run every test. {missing}", pytrace=False)
    pytest.skip(missing, allow_module_level=True)


def pytest_runtest_setup(item):
    """Heeds the mark `needs`, before any fixture is made."""
    for mark in item.iter_markers("needs"):
        require(mark.kwargs["package"])


def pytest_collection_modifyitems(config, items):
    """Runs the long files first, all others in their order; one process alone runs them as they are given."""
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: _LONG.index(item.path.name) if item.path.name in _LONG else len(_LONG))


@contextlib.contextmanager
def eager(wanted=True):
    """Steps run as they are written, without a graph: of a few, tracing would be most of the time."""
    before = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(wanted)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(before)


@contextlib.contextmanager
def folder_on_store(name):
    """An empty folder ram://NAME, on the store that is the memory of this process; it goes in the end."""
    place = paths.at(f"ram://{name}")
    place.mkdir(parents=True)
    yield place
    place.rmtree()


@pytest.fixture(scope="module")
def eagerly():
    """All steps of a file are `eager`."""
    with eager():
        yield


@pytest.fixture(autouse=True, scope="session")
def garbage_of_tests_alone():
    """What the imports have made is no garbage: the collector passes it by, and looks at all the rest less often.

    A look at all objects of a process of many tests takes two seconds, a tenth of the time of all tests together.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(700, 10, 300)


@pytest.fixture(autouse=True, scope="session")
def one_stack_for_all_operations():
    """TensorFlow notes for every operation of a graph who made it, and below pytest the stack has a hundred frames."""
    stack = tf_stack.extract_stack()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tf_stack, "extract_stack", lambda stacklevel=1: stack)
        yield


@pytest.fixture(autouse=True, scope="session")
def conversions_that_collect_nothing():
    """The converter collects all garbage whenever it has converted: half a second each in a process of many tests."""
    lite.gc = types.SimpleNamespace(collect=lambda: None)


@pytest.fixture(autouse=True, scope="session")
def xla_where_it_is_asked_for():
    """Keras compiles with XLA whatever a plain model learns or predicts: seconds on a CPU, for a few small batches."""
    trainer.Trainer._resolve_auto_jit_compile = lambda model: False


@pytest.fixture(scope="session")
def mirrored():
    """Two replicas on this machine; one strategy for all tests, since a second would number its collectives alike.

    Eagerly it would start five threads for every sum over replicas: here two serve all of them.
    """
    with ThreadPoolExecutor(2) as threads, pytest.MonkeyPatch.context() as patch:
        pool = types.SimpleNamespace(map=lambda *given: list(threads.map(*given)), close=lambda: None)
        patch.setattr(cross_device_ops.multiprocessing.pool, "ThreadPool", lambda _: pool)
        yield tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])


@pytest.fixture(scope="session")
def zygote():
    """A process that has imported everything, for command lines; it imports once for all files of tests."""
    from tests.zygote import Zygote

    with Zygote() as running:
        yield running


@pytest.fixture(scope="session")
def cifar_data_dir():
    """A folder in which TFDS has prepared CIFAR-10: ODTF_DATA_DIR, or one made from the archives and kept."""
    given = os.environ.get("ODTF_DATA_DIR")
    if given and (pathlib.Path(given) / "cifar10").is_dir():
        return given
    script = _SHARED_DATA / "prepare.py"
    if not script.is_file():
        if os.environ.get("CI") == "true":
            pytest.fail(f"CI must have the CIFAR archives: no {script}")
        pytest.skip(f"no CIFAR archives: no {script}")
    kept = pathlib.Path(tempfile.gettempdir()) / f"odtf-test-data-{os.getuid()}"
    # A folder of one's own: what another user has put there is not to be trusted.
    kept.mkdir(mode=0o700, exist_ok=True)
    if kept.stat().st_uid != os.getuid():
        pytest.fail(f"{kept} belongs to another user")
    # A process of its own, which may bring its own TensorFlow settings; it leaves alone what is prepared already.
    subprocess.run([sys.executable, str(script), str(kept), "cifar10"], check=True, capture_output=True, timeout=300)
    return str(kept)
