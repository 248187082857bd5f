"""The type of a tensor, as editors show it; docstrings say its shape and what is in it."""

from typing import Any, TypeAlias

# Of Keras' backend, or what Keras' operations take for one, such as a NumPy array.
Tensor: TypeAlias = Any
