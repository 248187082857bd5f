"""Loss terms that a config chooses: the divergence, and functions of the user's own in place of those of its task."""

import inspect

import tensorflow as tf

from odtf import own_code
from odtf.errors import UserError

# Keys of `config.task`, whatever the task: methods of `odtf.tasks.Task`, and what they give to what stands in for them.
TERMS = {
    "supervised": lambda targets, output: (targets, output),
    "distil": lambda teacher, student, temperature=1.0: (teacher, student, temperature),
}


class Term:
    """A function of the user's own as a term of a task.

    Args:
        key: of `TERMS`.
        name: FILE.py:FUNCTION or package.module:FUNCTION of a function of (targets, output), or of (teacher, student,
            temperature), made of operations of `keras.ops` or TensorFlow. It returns a tensor `[batch]`, one value per
            example.

    Attributes:
        used: whether a method has called it.

    Raises:
        UserError: if there is no such function.
    """

    def __init__(self, key, name):
        if not own_code.is_own(name):
            raise UserError(
                f"config.task.{key} is FILE.py:FUNCTION or package.module:FUNCTION of your own. Received: {name!r}."
            )
        self.title = f"config.task.{key}={name}"
        self.used = False
        self._arguments = TERMS[key]
        takes = str(inspect.signature(self._arguments)).replace("=1.0", "")
        self._function = own_code.find(name, "a loss", f"a function of {takes}")
        try:
            inspect.signature(self._function).bind(*self._arguments(*range(len(takes.split(",")))))
        except TypeError as error:
            raise UserError(f"A loss at config.task.{key} must take {takes}. Received: {name!r}: {error}.") from error

    def __call__(self, *arguments, **named):
        self.used = True
        values = tf.convert_to_tensor(self._function(*self._arguments(*arguments, **named)))
        if values.shape.rank != 1 or not values.dtype.is_floating:
            raise UserError(
                f"{self.title} must return one float per example, a tensor of shape [batch]; the mean is taken later. "
                f"Received: {values.dtype.name} {values.shape}."
            )
        return tf.cast(values, tf.float32)


def install(task, options, given):
    """Puts the user's functions in place of a task's terms.

    Args:
        task: `odtf.tasks.Task`, changed in place.
        options: dict, the arguments that the task was made with.
        given: dict from keys of `TERMS` to names of functions; None for the task's own term.

    Raises:
        UserError: if there is no such function, or an argument of the task is of meaning in its own term alone.
    """
    for key, name in given.items():
        if name is None:
            continue
        setattr(task, key, Term(key, name))
        defaults = inspect.signature(type(task)).parameters
        for argument in task.arguments_of_terms.get(key, ()):
            if argument in options and options[argument] != defaults[argument].default:
                raise UserError(
                    f"config.task.{argument} is of the term that config.task.{key} takes the place of: leave one out. "
                    f"Received: {argument}={options[argument]!r}."
                )


def check(method, image_shape, num_views, epochs, strategy):
    """Traces the loss of a compiled method, in every phase, to show that it takes what the config has chosen.

    Nothing is computed. A method with its task's own terms alone is not traced.

    Args:
        method: `odtf.methods.Method`.
        image_shape: (height, width, channels).
        num_views: int, of each image.
        epochs: int, of the run.
        strategy: `tf.distribute.Strategy` of the method.

    Raises:
        UserError: if a function returns something else than a value per example, or the method has no use for it or
            for the divergence.
    """
    terms = [term for term in vars(method.task).values() if isinstance(term, Term)]
    if not terms and method.divergence.is_default:
        return
    views = (num_views,) if num_views > 1 else ()
    images = tf.zeros((2, *views, *image_shape))
    if method.stored_shape is not None:
        images = {"images": images, "answers": tf.zeros((2, *method.stored_shape))}
    targets = {
        name: tf.zeros((2, *target.array_shape(image_shape)), target.dtype)
        for name, target in method.task.targets.items()
    }
    targets = next(iter(targets.values())) if len(targets) == 1 else targets

    def step():
        outputs = method.with_targets(method(images, training=True), targets, training=True)
        return method.loss_terms(targets, outputs)

    phase = method.phase
    for method.phase in sorted({method.phase_at(epoch) for epoch in range(epochs)}):
        # Steps have no control flow on tensors, and an error of the user's code is to be seen as it is.
        tf.function(lambda: strategy.run(step), autograph=False).get_concrete_function()
    method.phase = phase
    if not (method.divergence.is_default or method.divergence.used):
        raise UserError(
            f"{type(method).__name__} compares no answers as the config has it: a positive weight of that term, or "
            f"config.method.divergence left out, would be right. Received: divergence={method.divergence.name!r}."
        )
    for term in terms:
        if not term.used:
            raise UserError(
                f"{type(method).__name__} never asks its task for this term: another method, or the key left out, "
                f"would be right. Received: {term.title}."
            )
