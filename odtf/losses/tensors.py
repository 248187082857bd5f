"""Types of tensors and targets, as editors show them; docstrings say their shapes and what is in them."""

from typing import Any, TypeAlias

# Of Keras' backend, or what Keras' operations take for one, such as a NumPy array.
Tensor: TypeAlias = Any
# Of a batch, as a task has them: the one target as a tensor, or a mapping of several by name.
Targets: TypeAlias = Any
