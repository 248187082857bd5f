"""Pruning: the smallest weights become zero, ever more of them, and stay zero."""

import math

import tensorflow as tf

from odtf.errors import UserError
from odtf.finetune.settings import parse_pattern
from odtf.finetune.stage import Stage
from odtf.finetune.tfmot import Pruning, tfmot

# How many times the masks grow between begin and end.
_UPDATES = 20


class Pruned(Stage):
    """A twin that is pruned by magnitude while it trains, along TFMOT's polynomial schedule.

    The masks are made by TFMOT's `Pruning`, without its layer wrappers, which know neither 1x1 kernels as matrices nor
    a training loop that resumes: after each step the masks are updated where the schedule says so, and multiplied in.
    Depthwise kernels stay dense, a shift's above all: they are few weights, and no runtime gains from their zeros.

    Args:
        twin: `tf_keras.Model` as `twin_of` gives it; trained in place.
        settings: `Settings`. The pattern M:N takes its zeros at the first step, all at once, and neither `sparsity`
            nor the schedule: M of every N neighbouring inputs of a filter. A block is HEIGHT inputs by WIDTH filters.
        total_steps: of the stage.

    Raises:
        UserError: if the network has no kernel that the pattern fits.

    Reference:
        Zhu, Gupta, "To prune, or not to prune", 2017 (the schedule); Mishra et al., "Accelerating Sparse Deep Neural
        Networks", 2021 (2:4).
    """

    def __init__(self, twin, settings, total_steps):
        super().__init__(twin)
        pattern = parse_pattern(settings.sparsity_pattern)
        kernels = {layer.name: layer.kernel for layer in twin.layers if hasattr(layer, "kernel")}
        depthwise = [layer.name for layer in twin.layers if hasattr(layer, "depthwise_kernel")]
        fitting = {name: kernel for name, kernel in kernels.items() if _fits(kernel, pattern)}
        if not fitting:
            raise UserError(
                f"The network has no kernel for this pattern: M:N takes kernels of N inputs and more, blocks take 1x1 "
                f"convolutions and dense layers. Received: --sparsity_pattern={settings.sparsity_pattern}."
            )
        self.left_dense = [name for name in (*kernels, *depthwise) if name not in fitting]
        self._step = tf.Variable(0, dtype=tf.int64, trainable=False, name="pruning_step")
        self._masks = [
            (kernel, tf.Variable(tf.ones_like(kernel), trainable=False), tf.Variable(0.0, trainable=False))
            for kernel in fitting.values()
        ]
        begin = math.floor(settings.pruning_begin * total_steps)
        frequency = max(1, (math.floor(settings.pruning_end * total_steps) - begin) // _UPDATES)
        # On a whole number of updates, so that the last one is at the end.
        updates = max(1, (math.floor(settings.pruning_end * total_steps) - begin) // frequency)
        end = min(begin + updates * frequency, total_steps)
        begin = min(begin, end - 1)
        self.first_choice = 1 if "sparsity_m_by_n" in pattern else end
        self._pruning = _AnyKernel(
            training_step_fn=lambda: self._step,
            pruning_vars=self._masks,
            pruning_schedule=tfmot.sparsity.keras.PolynomialDecay(
                0.0, settings.sparsity, begin_step=begin, end_step=end, frequency=frequency
            ),
            **{"block_size": (1, 1), "block_pooling_type": "AVG", **pattern},
        )

    @property
    def variables(self):
        return [*super().variables, self._step, *(v for _, *state in self._masks for v in state)]

    def after_step(self):
        self._step.assign_add(1)
        self._pruning.conditional_mask_update()
        for kernel, mask, _ in self._masks:
            kernel.assign(kernel * mask)


class _AnyKernel(Pruning):
    """TFMOT's masks; blocks also of 1x1 kernels, which it squeezes to matrices but refuses all the same."""

    def _validate_block(self):
        pass


def _fits(kernel, pattern):
    if "sparsity_m_by_n" in pattern:
        return kernel.shape[-2] >= pattern["sparsity_m_by_n"][1]
    if "block_size" in pattern:
        # Squeezed, the kernel has to be a matrix.
        return all(size == 1 for size in kernel.shape[:-2]) and min(kernel.shape[-2:]) > 1
    return True
