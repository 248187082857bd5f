"""The folders `step-N` of a run, each there whole or not at all: on a disk by its name, on a store by its marker."""

import shutil

from odtf import paths

# What is written into a folder last.
MARKER = "progress.json"


def of(directory):
    """Returns the `StepFolders` of a directory, text or path."""
    return (MarkedFolders if paths.is_store(directory) else StepFolders)(paths.at(directory))


class StepFolders:
    """Folders on a disk: each is written beside its place and renamed into it.

    Args:
        directory: `pathlib.Path`.
    """

    def __init__(self, directory):
        self._directory = directory

    def path(self, step):
        """Returns the path of the folder of a step."""
        return self._directory / f"step-{step}"

    def steps(self):
        """Returns the steps of which there is a folder, a sorted list of int."""
        names = (path.name.removeprefix("step-") for path in self._directory.glob("step-*"))
        return sorted(int(name) for name in names if name.isdecimal())

    def write(self, step, fill):
        """Writes the folder of a step, in place of the one that is there.

        Args:
            step: int.
            fill: function that writes all that is in a folder, `MARKER` last; it is given the folder's path.
        """
        final, temporary = self.path(step), self._directory / f".step-{step}.tmp"
        self.sweep()
        temporary.mkdir(parents=True)
        try:
            fill(temporary)
            if final.exists():
                final.rename(self._directory / f".step-{step}.old.tmp")
            temporary.rename(final)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    def sweep(self):
        """Removes what was not written to its end, or not removed to it."""
        for path in self._directory.glob(".step-*.tmp"):
            shutil.rmtree(path)

    def remove(self, step):
        """Removes the folder of a step."""
        doomed = self._directory / f".step-{step}.tmp"
        self.path(step).rename(doomed)
        shutil.rmtree(doomed)


class MarkedFolders(StepFolders):
    """Folders on a store, where none is renamed: one counts that has its marker, which is written last and goes first.

    Args:
        directory: `odtf.store_path.StorePath`.
    """

    def steps(self):
        return [step for step in super().steps() if (self.path(step) / MARKER).exists()]

    def write(self, step, fill):
        folder = self.path(step)
        self.sweep()
        if folder.exists():
            self.remove(step)
        folder.mkdir(parents=True)
        fill(folder)

    def sweep(self):
        whole = {self.path(step) for step in self.steps()}
        for path in self._directory.glob("step-*"):
            if path not in whole:
                path.rmtree()

    def remove(self, step):
        (self.path(step) / MARKER).unlink(missing_ok=True)
        self.path(step).rmtree()
