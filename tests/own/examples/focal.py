"""Loss terms of one's own: `--config.task.supervised=focal.py:focal --config.task.distil=focal.py:squares`."""

from keras import ops


def focal(targets, output):
    """The focal loss (1 - p)^2 (-log p) of the target's probability p, one value per example."""
    log_p = ops.sum(ops.one_hot(targets, output.shape[-1]) * ops.log_softmax(output), axis=-1)
    return ops.square(1.0 - ops.exp(log_p)) * -log_p


def squares(teacher, student, temperature):
    """Half the squared distance of the logits: what T^2 KL becomes at high temperatures, but for a factor."""
    return 0.5 * ops.mean(ops.square(teacher - student), axis=-1)
