"""The precision of a run whose config leaves it to the machine: config.precision="auto".

It is bfloat16 where the processor or the GPU computes it natively and the method has been shown to hold its accuracy,
and float32 elsewhere: also with config.deterministic, and where students train for int8, whose levels 16 bits cannot
hold. What was chosen is recorded as the precision of the run, which then keeps it on any machine.

The table of methods is measured by comparing each with itself, on a machine that has bfloat16, three seeds:

    odtf-compare --config=recipe:method=DeepMutualLearning --config=recipe:method=DeepMutualLearning \\
        --override=2:precision=mixed_bfloat16 --seeds=3 --workdir=DIR --json=precision.json

with a pair of rows for every other method that `configs/recipe.py` takes; a method holds its accuracy where the mean of
its second row is no more than a standard deviation below that of the first. "auto" becomes the default when the table
has been measured for all of them; until then that is float32.

Nothing here imports TensorFlow before a GPU is asked for.
"""

import sys

from odtf import paths
from odtf.errors import UserError
from odtf.quiet import import_tensorflow
from odtf.training import config as config_lib

AUTO = "auto"

# Methods that have been shown to hold their accuracy in bfloat16, and what was measured: the mean test accuracy of
# three seeds in float32 and in bfloat16.
HOLDS = {"Solo": (0.6534, 0.6569)}  # cifar_resnet 8, 5,000 images of CIFAR-10 at 16x16, 60 epochs.

# As /proc/cpuinfo has them: AVX-512's dot products and AMX's tiles.
_CPU_FLAGS = {"avx512_bf16", "amx_bf16"}
# From Ampere on.
_COMPUTE_CAPABILITY = (8, 0)


def choose(config):
    """Chooses the precision of a run.

    Args:
        config: `ConfigDict`.

    Returns:
        "float32" or "mixed_bfloat16", and why, as text.
    """
    method = config.method.name
    if config.deterministic:
        return "float32", "config.deterministic"
    if config.quantization.aware:
        return "float32", "config.quantization.aware"
    if method not in HOLDS:
        return "float32", f"{method} has not been measured in bfloat16"
    if (device := native_bfloat16()) is None:
        return "float32", "this machine does not compute bfloat16 natively"
    return "mixed_bfloat16", f"{device} computes it natively, and {method} holds its accuracy"


def resolved(config, recorded=None, num_workers=1):
    """Returns a config whose precision is named, and a line that says what was chosen, None where nothing was.

    Args:
        config: `ConfigDict`; it stays as it is.
        recorded: `ConfigDict` of the run that goes on, which has been chosen for before; None: it begins.
        num_workers: int.

    Raises:
        UserError: if several workers would each choose for themselves.
    """
    if config.precision != AUTO:
        return config, None
    if num_workers > 1:
        raise UserError(
            "config.precision must be named where several workers train, which may be different machines: float32 or "
            "mixed_bfloat16 would be right. Received: 'auto'."
        )
    made = config_lib.from_json(config_lib.to_json(config))
    if recorded is not None:
        made.precision, reason = recorded.precision, "as the run was begun"
    else:
        made.precision, reason = choose(config)
    return made, f"precision {made.precision}: {reason}"


def native_bfloat16():
    """Returns what computes bfloat16 natively here, as text: the GPUs where there are any, else the CPU; or None."""
    import_tensorflow()
    import tensorflow as tf

    if gpus := tf.config.list_physical_devices("GPU"):
        details = [tf.config.experimental.get_device_details(gpu) for gpu in gpus]
        native = all(each.get("compute_capability", (0, 0)) >= _COMPUTE_CAPABILITY for each in details)
        return f"{details[0].get('device_name', 'the GPU')}" if native else None
    flags = _CPU_FLAGS & _cpu_flags()
    return f"a CPU with {', '.join(sorted(flags))}" if flags else None


def _cpu_flags(path="/proc/cpuinfo"):
    """Returns the flags of the first processor as the kernel lists them; of other systems none."""
    if not sys.platform.startswith("linux"):
        return set()
    try:
        lines = paths.at(path).read_text("utf-8").splitlines()
    except OSError:
        return set()
    return set(next((line for line in lines if line.startswith("flags")), "").partition(":")[2].split())
