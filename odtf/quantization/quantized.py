"""Any layer without weights that computes: what it gives is brought to a range."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras

from odtf.quantization.parts import Parts

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from odtf.losses.tensors import Tensor
    from odtf.quantization.range import Range
    from odtf.quantization.schedule import Schedule


@keras.saving.register_keras_serializable(package="odtf")
class Quantized(Parts):
    """A layer and the range of its output.

    Sums, products, means and activations take their inputs at whatever scales they have. Layers whose int8 operator
    does otherwise are subclasses, one a kind.

    Args:
        layer: layer without a kernel. It becomes a part of this layer.
        output_range: `Range` of the output, or None where the next layer brings it to a range of its own.
        schedule: `Schedule`.
        x: KerasTensor, the input, where the layer must know its levels.
        **kwargs: the arguments of `keras.layers.Layer`.
    """

    # Whether the inputs must have the scale of the output.
    needs_equal_scales = False

    def __init__(
        self,
        layer: keras.layers.Layer,
        output_range: Range | None,
        schedule: Schedule,
        x: keras.KerasTensor | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**{"name": layer.name, "x": x if self.knows_input else None, **kwargs})
        self.layer = layer
        self.output_range = output_range
        self.schedule = schedule

    def parts(self) -> dict[str, Any]:
        return {"layer": self.layer, "output_range": self.output_range, "schedule": self.schedule}

    def build(self, input_shape: Any) -> None:
        if not self.layer.built:
            self.layer.build(input_shape)
        if self.output_range is not None and not self.output_range.built:
            self.output_range.build(input_shape)

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        y = self.computed(inputs, training)
        return y if self.output_range is None else self.output_range(y, training=training)

    def computed(self, inputs: Tensor, training: bool) -> Tensor:
        """Returns what the operator gives before it is brought to a range."""
        return self.layer(inputs)

    def compute_output_shape(self, input_shape: Any) -> tuple[Any, ...]:
        return self.layer.compute_output_shape(input_shape)

    def deploy(self, x: keras.KerasTensor | Sequence[keras.KerasTensor]) -> keras.KerasTensor:
        """Applies the stock layer, without the range.

        Args:
            x: KerasTensor, or a list of them.

        Returns:
            KerasTensor, the output.
        """
        return self.deploy_part(self.layer, x)

    def lower(self, x: keras.KerasTensor | Sequence[keras.KerasTensor]) -> keras.KerasTensor:
        """Applies the layers of which a converter makes the int8 operator.

        Args:
            x: KerasTensor, or a list of them.

        Returns:
            KerasTensor, the output before it is brought to a range.
        """
        return self.deploy(x)
