"""The losses again, in numpy, and what the tests of gradients share."""

import keras
import numpy as np
import tensorflow as tf


def log_softmax(z):
    z = z - z.max(-1, keepdims=True)
    return z - np.log(np.exp(z).sum(-1, keepdims=True))


def divergence(p, q, temperature):
    """Mean over the batch of T^2 KL(p || q)."""
    p, q = log_softmax(p / temperature), log_softmax(q / temperature)
    return temperature**2 * (np.exp(p) * (p - q)).sum(-1).mean()


def cross_entropy(labels, z):
    return -log_softmax(z)[np.arange(len(labels)), labels].mean()


def at_epoch(method, epoch):
    """Compiles a method as if so many epochs were over."""
    method.compile(keras.optimizers.SGD(0.1), steps_per_epoch=1)
    method.optimizer.iterations.assign(epoch)
    return method


def random_outputs(method, names, seed=3, batch=8, classes=10):
    """Random logits and labels: (labels, logits as arrays, outputs as a method has them)."""
    rng = np.random.default_rng(seed)
    logits = {name: rng.normal(0, 2, (batch, classes)) for name in names}
    return (
        rng.integers(0, classes, batch),
        logits,
        {k: {"logits": tf.constant(z, "float32")} for k, z in logits.items()},
    )


def total(method, labels, outputs):
    """The loss of a method on outputs."""
    return sum(float(tf.reduce_mean(term)) for term in method.loss_terms(tf.constant(labels), outputs).values())


def moved(method, batch, term, parts):
    """Says of every part (a model) whether the gradient of a term reaches any of its variables.

    Args:
        term: name of a term, or a function of the outputs.
        parts: dict of models.
    """
    variables = {name: [v.value for v in part.trainable_variables] for name, part in parts.items()}
    with tf.GradientTape() as tape:
        outputs = method(batch[0], training=True)
        loss = term(outputs) if callable(term) else method.loss_terms(tf.constant(batch[1]), outputs)[term]
    gradients = tape.gradient(loss, variables)
    return {
        name: any(g is not None and np.abs(g.numpy()).max() > 1e-9 for g in found) for name, found in gradients.items()
    }


def count(variables):
    """Number of scalars in a list of variables."""
    return sum(int(np.prod(v.shape)) for v in variables)
