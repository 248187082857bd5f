"""What lies in a folder that anybody may have filled: links that lead nowhere, pipes and devices among the files."""

import contextlib

from odtf import paths
from odtf.errors import UserError


def is_foreign(name):
    """Whether a name is that of what a system leaves in a folder: one that begins with a dot, or `__MACOSX`."""
    return name.startswith(".") or name == "__MACOSX"


@contextlib.contextmanager
def scanned(folder):
    """A context in which there is an iterator over the `os.DirEntry` of a folder.

    Raises:
        UserError: if it cannot be read.
    """
    try:
        with paths.scanned(folder) as found:
            yield found
    except OSError as error:
        raise UserError(f"The folder of images cannot be read. Received: {folder} ({error.strerror}).") from error


def entries(folder):
    """Lists a folder.

    Args:
        folder: path.

    Returns:
        List of `os.DirEntry`, by name, without those that are foreign.

    Raises:
        UserError: if it cannot be read.
    """
    with scanned(folder) as found:
        return sorted((entry for entry in found if not is_foreign(entry.name)), key=lambda entry: entry.name)


def is_folder(entry):
    """Whether an `os.DirEntry` is a folder, or a link to one; a link that leads nowhere is none."""
    try:
        return entry.is_dir()
    except OSError:  # Such as a link to itself.
        return False


def files(folder, extensions=("",)):
    """Lists the paths of all that lies in a folder and is none itself, by name.

    Pipes and broken links are among them: passed over, they would be missed by nobody; they are refused when they are
    read.

    Args:
        folder: path.
        extensions: tuple of lower-case ends of names that are wanted.

    Raises:
        UserError: if the folder cannot be read.
    """
    found = (entry for entry in entries(folder) if entry.name.lower().endswith(tuple(extensions)))
    return [entry.path for entry in found if not is_folder(entry)]


def below(folder, extensions):
    """Lists the paths of all that lies in and below a folder, see `files`."""
    inner = [entry.path for entry in entries(folder) if is_folder(entry)]
    return files(folder, extensions) + [path for deeper in inner for path in below(deeper, extensions)]
