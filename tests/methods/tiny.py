"""A network of a few layers, for tests of what happens over many steps."""

import keras


def tiny(widths=(4, 6), *, seed, name, classes=10):
    """Two stages of one convolution on 8x8 images, with the taps that all networks have.

    Args:
        widths: channels of the stages.
        seed: int.
        name: str.
        classes: int.
    """
    image = x = keras.Input((8, 8, 1), name="image")
    taps = {}
    for index, width in enumerate(widths):
        initializer = keras.initializers.HeNormal(seed=seed + index)
        layer = f"stage{index + 1}_conv" if index else "stem"
        x = keras.layers.Conv2D(width, 3, 2, "same", kernel_initializer=initializer, name=layer)(x)
        x = keras.layers.BatchNormalization(momentum=0.9, name=f"stage{index + 1}_norm")(x)
        x = taps[f"stage{index + 1}"] = keras.layers.Activation("relu", name=f"stage{index + 1}")(x)
    taps["embedding"] = x = keras.layers.GlobalAveragePooling2D(name="embedding")(x)
    initializer = keras.initializers.GlorotNormal(seed=seed + 100)
    taps["logits"] = keras.layers.Dense(classes, kernel_initializer=initializer, name="logits")(x)
    return keras.Model(image, taps, name=name)
