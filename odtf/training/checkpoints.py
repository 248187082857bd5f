"""Checkpoints: the newest whole one is found again after a kill at any moment."""

import contextlib
import hashlib
import re

import numpy as np
import tensorflow as tf

from odtf import archives, file_systems, paths, sealed
from odtf.errors import ARCHIVE_DAMAGE, UserError
from odtf.files import disk_errors
from odtf.training import step_folders

# Beside the values of all variables, `chosen/` says which of them are a peer's.
_PEERS = "peers/"
# What TensorFlow's reader raises on damaged files, depending on where the damage is.
_DAMAGE = (OSError, ValueError, IndexError, KeyError, RuntimeError, AssertionError, tf.errors.OpError, sealed.Damaged)


class Checkpoints:
    """The checkpoints of one run, and the weights that validation has chosen.

    A checkpoint is a directory `checkpoints/step-N` with the variables (the method's and its optimizer's, by
    `tf.train.Checkpoint`) and `progress.json` (the step, what validation has chosen). It is there whole or not at all,
    see `odtf.training.step_folders`. The chosen weights are `chosen/step-N.npz`, kept as long as a checkpoint refers to
    them.

    Args:
        workdir: directory of the run.
        method: the `Method`, compiled.
        keep: int, how many checkpoints to keep.
        is_chief: bool; only the chief writes, all workers read.
        log: callable that takes one line of text.
    """

    def __init__(self, workdir, method, *, keep=3, is_chief=True, log=print):
        self._method = method
        self._directory = paths.at(workdir) / "checkpoints"
        self._folders = step_folders.of(self._directory)
        self._chosen = paths.at(workdir) / "chosen"
        self._keep = keep
        self._is_chief = is_chief
        self._log = log
        # By position, not by attribute: a checkpoint of a Keras 3 model finds the trainable variables through the
        # optimizer but passes over the moving statistics of networks that a model holds in a dict.
        averages = getattr(getattr(method, "averaging", None), "averages", ())
        self._variables = tf.train.Checkpoint(
            method=[v.value for v in method.variables],
            **({"average": [v.value for v in averages]} if averages else {}),
            **{
                f"optimizer{i or ''}": [v.value for v in optimizer.variables]
                for i, optimizer in enumerate(method.update.optimizers)
            },
        )

    def save(self, progress):
        """Writes a checkpoint of this moment.

        Args:
            progress: mapping with "step", "chosen" (None or a mapping with "step") and what else JSON can hold.
        """
        if not self._is_chief:
            return

        def fill(folder):
            self._variables.write(str(folder / "variables"))
            sealed.write(folder / step_folders.MARKER, progress)

        with disk_errors(self._folders.path(progress["step"]), tf.errors.OpError):
            self._folders.write(progress["step"], fill)
            self._forget()

    def restore(self):
        """Restores the newest checkpoint that can be read; a damaged one is passed over with a warning.

        Returns:
            The mapping that was saved with it, or None where there is no checkpoint.

        Raises:
            UserError: if there are checkpoints and none can be read, or the store that has them does not answer.
        """
        steps, reasons = self._folders.steps(), []
        for step in reversed(steps):
            try:
                progress = self._progress(step)
                self._check_chosen(progress["chosen"])
                status = self._variables.read(str(self._folders.path(step) / "variables"))
                status.assert_consumed()
                return progress
            except _DAMAGE as error:
                reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
                if paths.is_store(self._directory) and file_systems.is_outage(error):
                    raise UserError(
                        f"The store of {self._directory} must let the checkpoint of step {step} be read; the same "
                        f"command tries it again. Received: {reason}."
                    ) from error
                self._log(f"warning: the checkpoint of step {step} is damaged; the one before it is tried ({reason})")
                reasons.append(reason.rstrip("."))
        if steps:
            raise UserError(
                f"No checkpoint in {self._directory} can be read; another workdir, or this one removed, starts anew. "
                f"Received: damaged checkpoints of step {', '.join(map(str, steps))}; the newest: {reasons[0]}."
            )
        return None

    def save_chosen(self, step):
        """Writes the weights of this moment as those that validation has chosen.

        Returns:
            The sha256 of what they are, for `progress["chosen"]`; None where nothing is written.
        """
        if not self._is_chief:
            return None
        final = self._chosen_path(step)
        temporary = final.with_name(f".{final.name}")
        with disk_errors(final):
            self._chosen.mkdir(parents=True, exist_ok=True)
            try:
                arrays = {name: v.numpy() for name, v in _named_variables(self._method).items()}
                arrays |= _members(self._method)
                with temporary.open("wb") as file:
                    np.savez(file, **arrays)
                temporary.replace(final)
            finally:
                temporary.unlink(missing_ok=True)
        return _digest(arrays)

    def load_chosen(self, step, sha256=None):
        """Loads the weights that validation chose at `step`; `sha256` is what `save_chosen` returned, or None."""
        check_digest(self._chosen_path(step), sha256)
        load_weights(self._method, self._chosen_path(step))

    def last_step(self):
        """Returns the step of the newest checkpoint, or None."""
        return max(self._folders.steps(), default=None)

    def _progress(self, step):
        """Returns what was saved beside the variables of a step.

        Raises:
            OSError: if it is not there, or the chosen weights that it refers to are not.
            ValueError, odtf.sealed.Damaged: if it is damaged.
        """
        path = self._folders.path(step) / step_folders.MARKER
        progress = sealed.read(path, {"step": int, "chosen": object}, "the checkpoint before would do")
        if progress["step"] != step:
            raise ValueError(f"progress.json is of another step than {step}")
        chosen = progress["chosen"]
        if chosen is None:
            return progress
        if words := sealed.misfit(chosen, {"step": int}, "chosen"):
            raise ValueError(f"progress.json: {words}")
        if not self._chosen_path(chosen["step"]).exists():
            raise OSError(f"no {self._chosen_path(chosen['step'])}")
        return progress

    def _check_chosen(self, chosen):
        """Raises ValueError if the chosen weights are damaged, or of no student: training could go on, and not end."""
        if chosen is None:
            return
        students = getattr(self._method, "students", ())
        if "peer" in chosen and chosen["peer"] not in students:
            raise ValueError(f"the chosen peer is {chosen['peer']!r}, which is none of {', '.join(students)}")
        try:
            check_digest(self._chosen_path(chosen["step"]), chosen.get("sha256"))
        except UserError as error:
            raise ValueError(str(error)) from error

    def _chosen_path(self, step):
        return self._chosen / f"step-{step}.npz"

    def _forget(self):
        """Removes checkpoints beyond `keep`, and chosen weights that no checkpoint refers to any more."""
        self._folders.sweep()
        steps = self._folders.steps()
        for step in steps[: -self._keep]:
            self._folders.remove(step)
        referred = set()
        for step in steps[-self._keep :]:
            with contextlib.suppress(*_DAMAGE):
                referred.add((self._progress(step)["chosen"] or {}).get("step"))
        for path in self._chosen.glob("*.npz"):
            if path not in {self._chosen_path(step) for step in referred}:
                path.unlink()


def _named_variables(method):
    """Returns name -> variable; the names of peers' variables repeat, so the position makes them distinct."""
    return {f"{i:04d}:{path_of(v)}": v for i, v in enumerate(method.variables)}


def path_of(variable):
    """Returns a variable's path as every process has it: Keras counts the seeds of dropout, process by process."""
    return re.sub(r"\bseed_generator_\d+/", "seed_generator/", variable.path)


def _members(method):
    """Returns which of a method's variables are a peer's: "peers/NAME" -> int array of positions, in its own order."""
    position = {id(v): i for i, v in enumerate(method.variables)}
    return {
        f"{_PEERS}{name}": np.array([position[id(v)] for v in network.variables], np.int32)
        for name, network in getattr(method, "peers", {}).items()
    }


def load_peer(network, name, path):
    """Loads the chosen weights of one peer into a network that was built by itself.

    Args:
        network: network as it is in the cohort.
        name: of the peer.
        path: what `Checkpoints.save_chosen` wrote.

    Returns:
        Whether the file says which weights are the peer's, and they are those of this network; else nothing was loaded.

    Raises:
        UserError: if the file is absent or damaged.
    """
    own = peer_arrays(name, path)
    wanted = [(path_of(v), tuple(v.shape)) for v in network.variables]
    if own is None or [(key, value.shape) for key, value in own] != wanted:
        return False
    for (_, value), variable in zip(own, network.variables, strict=True):
        variable.assign(value)
    return True


def peer_arrays(name, path):
    """Returns the chosen weights of one peer: a list of pairs of a variable's path and its array, in its own order.

    Args:
        name: of the peer.
        path: what `Checkpoints.save_chosen` wrote.

    Returns:
        The list, or None if the file does not say which weights are the peer's.

    Raises:
        UserError: if the file is absent or damaged.
    """
    values = _read(path)
    names = sorted(key for key in values if not key.startswith(_PEERS))
    if f"{_PEERS}{name}" not in values:
        return None
    return [(names[i].partition(":")[2], values[names[i]]) for i in values[f"{_PEERS}{name}"]]


def load_weights(method, path):
    """Loads the weights that `Checkpoints.save_chosen` wrote into a method of the same form.

    Raises:
        UserError: if the file is absent, damaged or of another method; then no variable has changed.
    """
    variables = _named_variables(method)
    values = {name: value for name, value in _read(path).items() if not name.startswith(_PEERS)}
    wanted = {name: tuple(v.shape) for name, v in variables.items()}
    if (found := {name: value.shape for name, value in values.items()}) != wanted:
        name = sorted(found.items() ^ wanted.items())[0][0]
        raise UserError(
            f"The weights in {path} are not those of the network of the config: {name} should be "
            f"{wanted.get(name, 'absent')}. Received: {found.get(name, 'nothing')}."
        )
    for name, variable in variables.items():
        variable.assign(values[name])


def check_digest(path, sha256):
    """Raises UserError if chosen weights cannot be read, or are not those of which `save_chosen` returned `sha256`.

    None is of a run that was begun before there were digests: then the checksums of the archive are all that there is.
    """
    found = _digest(_read(path))
    if sha256 not in (None, found):
        raise UserError(
            f"The weights in {path} are damaged; a copy of them, or training anew, would be right. "
            f"Received: the sha256 {found[:12]} in place of {str(sha256)[:12]}."
        )


def _digest(arrays):
    """Returns the sha256 of named arrays: an archive of equal ones has another with every second."""
    found = hashlib.sha256()
    for name, array in sorted(arrays.items()):
        found.update(f"{name} {array.dtype.itemsize} {array.shape}\n".encode())
        found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()


def _read(path):
    """Returns the arrays of a file of chosen weights by name."""
    path = paths.at(path)
    if not path.exists():
        raise UserError(f"Weights must be at {path}: has the training of this workdir ended? Received: no such file.")
    try:
        if not path.is_file():  # To read a pipe would be to wait.
            raise ValueError("it is no archive")
        with path.open("rb") as stream:
            return archives.arrays_in(stream)
    except ARCHIVE_DAMAGE as error:
        raise UserError(
            f"The weights in {path} are damaged; a copy of them, or training anew, would be right. Received: {error}."
        ) from error
