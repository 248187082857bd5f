"""What one stage of a fine-tuning is to the loop that trains it."""


class Stage:
    """A model to train, and what belongs to it beside the gradient.

    Args:
        model: `tf_keras.Model` from normalised images to logits.
        trainable: its variables that learn; None for all that it calls trainable.

    Attributes:
        model: the same.
        trainable: list of variables.
        first_choice: the first step after which validation may choose; before it the model is not what was asked for.
        left_dense: names of the layers that the stage leaves as they are.
    """

    first_choice = 0
    left_dense = ()

    def __init__(self, model, trainable=None):
        self.model = model
        self.trainable = list(model.trainable_variables if trainable is None else trainable)

    @property
    def variables(self):
        """All variables that a checkpoint of this stage holds."""
        return list(self.model.variables)

    def after_step(self):
        """Runs inside the graph of the training step, after the optimizer."""

    def weights(self):
        """What the stage has made of the twin: name of a layer -> list of arrays, as `get_weights` orders them."""
        return {layer.name: layer.get_weights() for layer in self.model.layers if layer.weights}
