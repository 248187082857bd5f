"""The usual scales of pixels on their way into a network, by name. It imports nothing."""

# What the pixels 0 and 255 become.
RANGES = {"0..255": (0.0, 255.0), "0..1": (0.0, 1.0), "-1..1": (-1.0, 1.0)}
