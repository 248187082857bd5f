"""A folder of images, one sub-folder per class."""

import os
import pathlib

from odtf.data.dataset import Split
from odtf.data.decoding import EXTENSIONS, decode, header_size
from odtf.data.samples import LABEL, check
from odtf.data.sources import unknown
from odtf.data.stores import FileStore
from odtf.errors import UserError

FORM = "'folder:PATH'"

_SPLIT_NAMES = {"train": "train", "val": "validation", "validation": "validation", "test": "test"}


def open_source(argument, *, data_dir, image_size, targets):
    """Lists a folder of images.

    `PATH/<class>/<image>` is split by the caller; `PATH/train/<class>/<image>`, with `val` (or `validation`) and `test`
    beside `train` as far as they exist, is split already. Class names are the sub-folders' names, sorted; names that
    begin with a dot, and files that are no PNG, JPEG, BMP or GIF, are passed over.

    Args:
        argument: PATH, the folder.
        data_dir: of no meaning here.
        image_size: (height, width) to resize to; None where all images have one size.
        targets: an integer "label".

    Returns:
        Names of the classes, splits by name.

    Raises:
        UserError: if other targets are wanted, or the folder cannot be read, has fewer than two classes, an empty
            class, or images of several sizes and no `image_size`.
    """
    if not argument:
        raise unknown("folder:")
    check(f"folder:{argument}", LABEL, targets)
    root = pathlib.Path(argument).expanduser()
    names = _subfolders(root)
    given = "train" in names and set(names) <= set(_SPLIT_NAMES) and _subfolders(root / "train")
    roots = {_SPLIT_NAMES[name]: root / name for name in names} if given else {"train": root}
    names = _subfolders(roots["train"])
    if len(names) < 2:
        raise UserError(
            f"A folder of images needs a sub-folder for each of at least 2 classes. Received: {roots['train']} with"
            f" {', '.join(names) or 'no sub-folder'}."
        )
    listed = {name: _images(split_root, names) for name, split_root in roots.items()}
    size = image_size or _common_size([file for files, _ in listed.values() for file in files])
    return names, {name: Split(_store(files, labels, size, targets)) for name, (files, labels) in listed.items()}


def _entries(path):
    try:
        with os.scandir(path) as entries:
            return sorted((entry for entry in entries if not entry.name.startswith(".")), key=lambda entry: entry.name)
    except OSError as error:
        raise UserError(f"The folder of images cannot be read. Received: {path} ({error.strerror}).") from error


def _subfolders(path):
    return tuple(entry.name for entry in _entries(path) if entry.is_dir())


def _images(root, names):
    """Files and labels of one split, class by class."""
    unknown = sorted(set(_subfolders(root)) - set(names))
    if unknown:
        raise UserError(
            f"Every split must have the classes of train, {', '.join(names)}. Received: {root / unknown[0]}."
        )
    files, labels = [], []
    for label, name in enumerate(names):
        if not (root / name).is_dir():
            raise UserError(f"Every split must have all classes of train. Received: {root} without {name!r}.")
        found = [entry.path for entry in _entries(root / name) if entry.name.lower().endswith(EXTENSIONS)]
        if not found:
            raise UserError(
                f"A class has no images ({', '.join(e[1:] for e in EXTENSIONS)}): remove its folder or fill it."
                f" Received: {root / name}."
            )
        files += found
        labels += [label] * len(found)
    return files, labels


def _common_size(files):
    # Files whose header cannot be read are reported, or skipped, where images are decoded.
    sizes = {}
    for file in files:
        size = header_size(file)
        if size:
            sizes.setdefault(size, file)
        if len(sizes) > 1:
            seen = ", ".join(f"{height}x{width} ({path})" for (height, width), path in sizes.items())
            raise UserError(f"Images differ in size: give image_size to resize them. Received: {seen}.")
    if not sizes:
        raise UserError(f"None of the {len(files)} files is an image. Received: {files[0]}.")
    return next(iter(sizes))


def _store(files, labels, size, targets):
    def read_one(row):
        try:
            data = pathlib.Path(files[row]).read_bytes()
        except OSError as error:
            raise UserError(
                f"An image cannot be read: replace or remove it, or pass skip_corrupt=True. Received: {files[row]}"
                f" ({error.strerror})."
            ) from error
        return decode(data, size, name=files[row]), {"label": labels[row]}

    return FileStore(len(files), (*size, 3), read_one, targets, known={"label": labels})
