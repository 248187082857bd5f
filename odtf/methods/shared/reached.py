"""Which variables the loss of a run has reached: what none of it reached would be deployed as it was initialised."""

import keras

from odtf.errors import UserError


class Reached:
    """Variables that had a gradient in some step, over all phases of a run.

    Whether there is a gradient is known when a step is traced; nothing is computed for it.
    """

    def __init__(self):
        self._ids = set()

    def note(self, variables, gradients):
        """Notes which variables have a gradient in this step.

        Args:
            variables: list of `keras.Variable`.
            gradients: list of tensors or None, one for each.
        """
        self._ids.update(id(v) for v, gradient in zip(variables, gradients, strict=True) if gradient is not None)

    def follow(self, pairs):
        """Notes averages of what was reached: pairs of (average, variable)."""
        self._ids.update(id(average) for average, variable in pairs if id(variable) in self._ids)

    def positions(self, variables):
        """Returns the positions of those of the variables that were reached, to be kept with a checkpoint."""
        return [i for i, v in enumerate(variables) if id(v) in self._ids]

    def restore(self, variables, positions):
        """Notes what `positions` returned in the process that the run began in."""
        self._ids.update(id(variables[i]) for i in positions)

    def begun(self, network):
        """Returns whether any variable of a network was reached, or it has none that is trained."""
        variables = network.trainable_variables
        return not variables or any(id(v) in self._ids for v in variables)

    def check(self, name, network, output):
        """Refuses a network with a layer between its input and its answer that no loss reached.

        Args:
            name: of the network.
            network: functional `keras.Model` with named taps.
            output: name of the tap that is its answer.

        Raises:
            UserError: naming the network and the layer.
        """
        for layer in keras.Model(network.input, network.output[output]).layers:
            if any(id(v) not in self._ids for v in layer.trainable_variables):
                raise UserError(
                    f"No loss reaches the layer {layer.name} of {name}, through which its answer {output!r} goes: it "
                    "would stay as it was initialised. A term of the loss on the answer, or a task whose answer the "
                    f"method trains, would be right. Received: {layer.name} without a gradient in any step."
                )
