"""Tensors as PyTorch's files describe them: views of storages, by offset, shape and strides."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class Storage:
    """A block of numbers of a file.

    Attributes:
        key: its name in the file.
        dtype: of numpy, with the byte order.
        count: how many numbers it has.
    """

    key: str
    dtype: str
    count: int

    @property
    def size(self):
        """Its bytes."""
        return self.count * np.dtype(self.dtype).itemsize


@dataclasses.dataclass(frozen=True)
class Tensor:
    """A view of a storage; offset and strides are in numbers, not in bytes."""

    storage: Storage
    offset: int
    shape: tuple
    strides: tuple

    def array(self, storages):
        """Returns the numbers, a numpy array of its own.

        Args:
            storages: dict from storages' keys to bytes.

        Raises:
            ValueError: if the view leaves its storage, or the bytes are too few.
        """
        numbers = np.frombuffer(storages[self.storage.key], self.storage.dtype)
        whole = (self.offset, *self.shape, *self.strides)
        if len(self.shape) != len(self.strides) or not all(type(n) is int and n >= 0 for n in whole):
            raise ValueError(f"a tensor of shape {self.shape} and strides {self.strides}")
        last = self.offset + sum((n - 1) * stride for n, stride in zip(self.shape, self.strides, strict=True))
        empty = 0 in self.shape
        if len(numbers) != self.storage.count or (not empty and last >= len(numbers)):
            raise ValueError(f"a tensor that leaves its storage {self.storage.key}")
        strides = [stride * numbers.itemsize for stride in self.strides]
        return np.lib.stride_tricks.as_strided(numbers[self.offset :], self.shape, strides).copy()
