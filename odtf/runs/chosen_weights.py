"""The weights that validation chose, in the workdir of a run."""

from odtf.errors import UserError


def path_of(workdir, report):
    """Returns the path of the weights that validation chose.

    Args:
        workdir: `pathlib.Path` of the run.
        report: dict, its report.
    """
    return workdir / "chosen" / f"step-{report['student']['step']}.npz"


def weights_of(workdir, report, name):
    """Returns the weights of a peer, a dict from variables' paths to arrays.

    Args:
        workdir: `pathlib.Path` of the run.
        report: dict, its report.
        name: of the peer.

    Raises:
        UserError: if they are absent or damaged, or do not say which are the peer's.
    """
    from odtf.training import checkpoints

    path = path_of(workdir, report)
    check_weights(path, report)
    arrays = checkpoints.peer_arrays(name, path)
    if arrays is None:
        raise UserError(f"The weights in {path} must say which are those of {name}; 0.2 and later do. Received: none.")
    return dict(arrays)


def check_weights(path, report):
    """Raises UserError if the weights at a path are not those that a report was made of."""
    from odtf.training import checkpoints

    checkpoints.check_digest(path, report["student"].get("sha256"))
