"""Maps brought to another size."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="odtf")
class Resize2D(keras.layers.Layer):
    """Resizes maps; to a converter one operator, where Keras' UpSampling2D would be five.

    Args:
        height: integer, of the output.
        width: integer, of the output.
        interpolation: "nearest" or "bilinear".
        **kwargs: the arguments of `keras.layers.Layer`.
    """

    def __init__(self, height, width, interpolation="nearest", **kwargs):
        super().__init__(**kwargs)
        self.height, self.width, self.interpolation = height, width, interpolation

    def call(self, inputs):
        return ops.image.resize(
            inputs, (self.height, self.width), interpolation=self.interpolation, data_format="channels_last"
        )

    def compute_output_shape(self, input_shape):
        return (input_shape[0], self.height, self.width, input_shape[3])

    def deploy(self, x):
        """Applies the stock layer.

        Args:
            x: KerasTensor `[batch, height, width, channels]`.

        Returns:
            KerasTensor, the output.
        """
        return keras.layers.Resizing(self.height, self.width, self.interpolation, dtype="float32", name=self.name)(x)

    def get_config(self):
        size = {"height": self.height, "width": self.width}
        return {**super().get_config(), **size, "interpolation": self.interpolation}
