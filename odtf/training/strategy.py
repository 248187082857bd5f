"""Where training runs: one device, several devices of one machine, or several machines."""

from __future__ import annotations

import dataclasses
import json
import os
import re
from typing import TYPE_CHECKING

import tensorflow as tf

from odtf.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any


# Of the logical devices that a CPU is split into, each takes threads and memory.
_MAX_CPUS = 64

# What a collective raises on the workers that are left when another one dies.
WORKER_LOST = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
)


@dataclasses.dataclass(frozen=True)
class Placement:
    """A distribution strategy and this process's place in it.

    Attributes:
        strategy: `tf.distribute.Strategy`; the default one for a single device.
        worker: int, this process's index among the workers.
        num_workers: int.
    """

    strategy: tf.distribute.Strategy
    worker: int = 0
    num_workers: int = 1

    @property
    def is_chief(self) -> bool:
        """Whether this process writes the files."""
        return self.worker == 0

    @property
    def num_replicas(self) -> int:
        """How many replicas share the global batch, over all workers."""
        return self.strategy.num_replicas_in_sync

    @property
    def replicas(self) -> tuple[int, ...]:
        """The global indices of this worker's replicas."""
        local = self.num_replicas // self.num_workers
        return tuple(range(self.worker * local, (self.worker + 1) * local))

    @property
    def on_cpu(self) -> bool:
        """Whether the replicas are CPUs."""
        return not tf.config.list_logical_devices("GPU") and not tf.config.list_logical_devices("TPU")

    def distribute(self, make_dataset: Callable[[Sequence[int], int], tf.data.Dataset]) -> Iterable[Any]:
        """Returns what a training step iterates over.

        Args:
            make_dataset: callable `make_dataset(replicas, num_replicas)` that returns a `tf.data.Dataset` of batches
                for one replica each, in turn.
        """
        if self.num_replicas == 1:
            return make_dataset(self.replicas, 1)
        return self.strategy.distribute_datasets_from_function(
            lambda context: make_dataset(self.replicas, self.num_replicas)
        )


def make_placement(name: str = "one", devices: Sequence[str] = ()) -> Placement:
    """Creates the strategy; must come before TensorFlow touches a device.

    Args:
        name: "one" (a single device), "mirrored" (several devices of this machine) or "multiworker" (several
            processes or machines; TF_CONFIG says which).
        devices: names such as "GPU:0" or "CPU:1"; empty for all GPUs, or the one CPU. A CPU index above 0 splits the
            CPU into logical devices, which is how replicas are tried out without a GPU.

    Returns:
        `Placement`.

    Raises:
        UserError: on an unknown name or device, or a TF_CONFIG that is missing or not valid.
    """
    devices = tuple(devices)
    if name == "one":
        if len(devices) > 1:
            raise UserError(f"--strategy=one takes one device. Received: --devices={','.join(devices)}.")
        if devices:
            return Placement(tf.distribute.OneDeviceStrategy(_existing(devices)[0]))
        return Placement(tf.distribute.get_strategy())
    if name == "mirrored":
        return Placement(tf.distribute.MirroredStrategy(_existing(devices) or None))
    if name == "multiworker":
        if devices:
            raise UserError(
                "--strategy=multiworker takes all devices of each worker; CUDA_VISIBLE_DEVICES limits them. "
                f"Received: --devices={','.join(devices)}."
            )
        return _multiworker()
    raise UserError(f"--strategy must be one, mirrored or multiworker. Received: {name!r}.")


def _existing(devices):
    """Returns the devices as TensorFlow names them, after splitting the CPU where more than one is asked for."""
    wanted = [device.strip().upper() for device in devices]
    for i, device in enumerate(wanted):
        if not re.fullmatch(r"(CPU|GPU|TPU)(:\d{1,9})?", device) or device in wanted[:i]:
            raise UserError(
                "--devices must name different devices, such as GPU:0,GPU:1 or CPU:0,CPU:1. "
                f"Received: {','.join(devices)}."
            )
    cpus = [int(index) for kind, _, index in (device.partition(":") for device in wanted) if kind == "CPU" and index]
    if max(cpus, default=0) >= _MAX_CPUS:
        raise UserError(
            f"--devices=CPU:N splits the CPU into N + 1 devices, of which there may be {_MAX_CPUS}. "
            f"Received: {','.join(devices)}."
        )
    if max(cpus, default=0) > 0:
        tf.config.set_logical_device_configuration(
            tf.config.list_physical_devices("CPU")[0],
            [tf.config.LogicalDeviceConfiguration() for _ in range(max(cpus) + 1)],
        )
    have = [device.name.removeprefix("/device:") for device in tf.config.list_logical_devices()]
    for device in wanted:
        if (device if ":" in device else f"{device}:0") not in have:
            raise UserError(f"This machine has the devices {', '.join(have)}. Received: {device}.")
    return wanted


def _multiworker():
    try:
        config = json.loads(os.environ["TF_CONFIG"])
        cluster, task = config["cluster"], config["task"]
        workers, index = cluster["worker"], int(task["index"])
        addresses = isinstance(workers, list) and all(map(_is_address, workers))
        if not addresses or set(cluster) != {"worker"} or task["type"] != "worker" or not 0 <= index < len(workers):
            raise ValueError
    except (AttributeError, KeyError, TypeError, ValueError):
        received = os.environ.get("TF_CONFIG", "nothing")
        raise UserError(
            '--strategy=multiworker needs TF_CONFIG={"cluster": {"worker": ["HOST:PORT", ...]}, '
            f'"task": {{"type": "worker", "index": N}}}}. Received: {received}.'
        ) from None
    options = tf.distribute.experimental.CommunicationOptions()
    try:
        strategy = tf.distribute.MultiWorkerMirroredStrategy(communication_options=options)
    except tf.errors.OpError as error:
        raise UserError(
            f"The server of worker {index} cannot start at {workers[index]}: its own address, and a port that nothing "
            f"listens on, would be right. Received: {error.message}"
        ) from error
    return Placement(strategy, index, len(workers))


def _is_address(text):
    host, _, port = text.rpartition(":")
    return bool(host) and port.isdecimal() and 0 < int(port) < 2**16


def worker_lost(error: Exception, placement: Placement) -> Exception:
    """Returns the `UserError` to raise for one of `WORKER_LOST`; without other workers, the error itself."""
    if placement.num_workers == 1:
        return error
    return UserError(
        f"Worker {placement.worker} lost another worker and stops; the same command on all of them goes on from the "
        f"last checkpoint. Received: {type(error).__name__}: {str(error).splitlines()[0]}"
    )
