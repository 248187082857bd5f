"""Changes inside of a step to what all replicas hold a copy of."""

import tensorflow as tf


def assign_together(variables, values):
    """Assigns to variables inside of a step, on all replicas together: else their copies would drift apart.

    Args:
        variables: list of `keras.Variable`.
        values: list of tensors, for each what this replica's copy becomes.
    """
    variables = [variable.value for variable in variables]

    def assign(variable, value):
        variable.assign(value)

    def across_replicas(strategy, *values):
        for variable, value in zip(variables, values, strict=True):
            strategy.extended.update(variable, assign, args=(value,), group=False)

    tf.distribute.get_replica_context().merge_call(across_replicas, args=tuple(values))
