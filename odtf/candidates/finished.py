"""A finished run as the candidates look at it."""

import functools
import hashlib
import pathlib

from odtf.errors import UserError
from odtf.tasks import Classification
from odtf.training import cohorts, records


class Run:
    """A finished run.

    Args:
        workdir: its directory.

    Attributes:
        config: its config.
        report: its report.json, a dict.
        task: its `odtf.tasks.Task`.

    Raises:
        UserError: if the directory holds no finished run.
    """

    def __init__(self, workdir):
        self.workdir = pathlib.Path(workdir)
        self.config, self.report = records.read_config(self.workdir), records.read_report(self.workdir)
        self.task = Classification()

    def dataset(self):
        """Returns the `odtf.data.ImageDataset` of the run."""
        return cohorts.load_dataset(self.config)

    def peer(self, name):
        """Returns a peer's network with the weights that validation chose."""
        return self._cohort.peers[name]

    def weights_digest(self):
        """Returns a digest of the weights that validation chose, hexadecimal.

        Raises:
            UserError: if they are not there.
        """
        path = records.chosen_path(self.workdir)
        try:
            return hashlib.sha256(path.read_bytes()).hexdigest()
        except OSError as error:
            raise UserError(f"There are no weights at {path}: has the training of this workdir ended?") from error

    @functools.cached_property
    def _cohort(self):
        info = self.dataset().info
        return cohorts.load_cohort(self.workdir, info.image_shape, len(info.names))
