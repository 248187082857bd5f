"""What a network checks of its arguments before it builds anything."""

import keras
import numpy as np

from odtf.models import heads


def network_input(input_shape, head):
    """The input of a network, checked together with its head.

    Args:
        input_shape: `(height, width, channels)`.
        head: number of classes, or a head of `odtf.models.heads`.

    Returns:
        KerasTensor `[batch, height, width, channels]`.

    Raises:
        ValueError: if the shape is not three positive integers, the image smaller than 4x4, there are fewer than
            two classes, or `head` is no head.
    """
    shape = tuple(input_shape)
    if len(shape) != 3 or not all(isinstance(n, (int, np.integer)) and n > 0 for n in shape):
        raise ValueError(f"An input shape is (height, width, channels), all known. Received: input_shape={shape}")
    if min(shape[:2]) < 4:
        raise ValueError(f"Images must be at least 4x4: every network halves them. Received: input_shape={shape}")
    heads.find(head)
    return keras.layers.Input(tuple(int(n) for n in shape), name="image")


def checked_width(width):
    """The number of channels that was asked for.

    Args:
        width: positive integer.

    Returns:
        `width`, a Python integer.

    Raises:
        ValueError: if `width` is no positive integer.
    """
    if not isinstance(width, (int, np.integer)) or isinstance(width, bool) or width < 1:
        raise ValueError(f"The width of a network is a positive integer. Received: width={width!r}")
    return int(width)


def stage_widths(width, stages=3):
    """Channels of the stages: `width` and its double, four times and so on, or each stage's own.

    Args:
        width: positive integer, or a sequence of one a stage.
        stages: number of stages.

    Returns:
        Tuple of `stages` integers.

    Raises:
        ValueError: if `width` is neither.
    """
    if isinstance(width, (list, tuple)):
        if len(width) != stages:
            raise ValueError(f"The network has {stages} stages, each of a width. Received: widths={tuple(width)}")
        return tuple(checked_width(n) for n in width)
    return tuple(checked_width(width) * 2**stage for stage in range(stages))


def blocks_per_stage(depth, layers_per_block, others=2):
    """Blocks in each of the three stages of a network of `depth` layers.

    Args:
        depth: number of weighted layers, `3 * layers_per_block * n + others`.
        layers_per_block: 2 in a basic block, 3 in a bottleneck.
        others: layers outside of the blocks: stem and classifier, and the projections or transitions that count.

    Returns:
        The integer n.

    Raises:
        ValueError: if `depth` is not of that form.
    """
    period = 3 * layers_per_block
    if not isinstance(depth, (int, np.integer)) or depth < period + others or (depth - others) % period:
        count = round((int(depth) - others) / period) if isinstance(depth, (int, float)) else 1
        nearest = period * max(1, count) + others
        raise ValueError(f"The depth must be {period}n+{others}, the nearest is {nearest}. Received: depth={depth!r}")
    return (depth - others) // period


def known_depth(depth, layouts):
    """Blocks in each stage of a network that comes in some depths only.

    Args:
        depth: one of the depths.
        layouts: mapping from a depth to what it stands for.

    Returns:
        The entry of `layouts`.

    Raises:
        ValueError: if there is no such depth.
    """
    if depth not in layouts:
        raise ValueError(f"The network comes in the depths {', '.join(map(str, layouts))}. Received: depth={depth!r}")
    return layouts[depth]


def scaled(channels, multiplier):
    """Channels times a width multiplier, rounded down as in the published networks, and 1 at least.

    Args:
        channels: positive integer.
        multiplier: positive number.

    Returns:
        Integer.

    Raises:
        ValueError: if the multiplier is not positive.
    """
    if not isinstance(multiplier, (int, float, np.number)) or not multiplier > 0:
        raise ValueError(f"A width multiplier is a positive number. Received: width_multiplier={multiplier!r}")
    return max(1, int(channels * multiplier))
