"""Another data set of pictures with image and picture exchanged: from B to A where that goes from A to B."""

from odtf.data import sources
from odtf.data.dataset import Split
from odtf.data.picture_pairs import Exchanged, picture_of
from odtf.data.samples import check
from odtf.data.unpaired import Unpaired
from odtf.errors import UserError

FORM = "'reversed:NAME' of pictures"


def open_source(argument, *, data_dir, image_size, targets):
    """Opens the other data set.

    Args:
        argument: its name.
        data_dir, image_size: as for that.
        targets: a picture, with a pair or apart.

    Returns:
        (), splits by name.

    Raises:
        UserError: if other targets are wanted, or as the other data set.
    """
    if not argument:
        raise sources.unknown("reversed:")
    if picture_of(targets) is None:
        check(f"reversed:{argument}", {"picture": "as large as its image"}, targets)
    open_other, name = sources.find(argument)
    _, found = open_other(name, data_dir=data_dir, image_size=image_size, targets=targets)
    return (), {part: _exchanged(split, argument) for part, split in found.items()}


def _exchanged(split, argument):
    if isinstance(split, Unpaired):
        return split.exchanged()
    if any(target.apart for target in split.store.targets.values()):
        raise UserError(f"A set without pairs is opened as odtf.data.Unpaired, to be exchanged. Received: {argument}.")
    return Split(Exchanged(split.store), split.rows)


def download(argument, data_dir):
    """Downloads the other data set, see `odtf.data.download`."""
    sources.download(argument, data_dir)
