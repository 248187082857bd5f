"""Folders of pictures for translation: with pairs, as two folders or as joined images, and without; Cityscapes' too."""

import itertools
import os
import pathlib

from odtf.data.dataset import Split
from odtf.data.decoding import EXTENSIONS, common_size, decode, read
from odtf.data.picture_pairs import channels_of, check_sizes, decode_joined, joined_size
from odtf.data.stores import FileStore
from odtf.data.unpaired import Unpaired
from odtf.errors import UserError

_PARTS = {"train": ("train",), "validation": ("val", "validation"), "test": ("test",)}
_LAYOUTS = (
    "A folder of pictures has trainA/ and trainB/, or train/A/ and train/B/, or train/ with images A|B (and the same "
    "with val and test), or is laid out as Cityscapes with its colour maps"
)


def open_pictures(root, size, name, target, targets):
    """Lists a folder of images and pictures.

    A is the image and B the picture. Where they have pairs, these are files of one name (the suffix aside) in
    `PATH/trainA` and `PATH/trainB`, or in `PATH/train/A` and `PATH/train/B`; or halves of one file, `PATH/train/NAME`,
    A left and B right. Cityscapes' layout, `PATH/leftImg8bit` and `gtFine` with its `_color.png`, gives the photograph
    to its map of labels. Without pairs there are the two folders. A validation split and no test split is the test
    split, as of a TFDS set. Sizes are reached bicubically.

    Args:
        root: `pathlib.Path`.
        size: (height, width) to resize to; None where all images have one size.
        name: of the target.
        target: `Target` of the picture.
        targets: mapping from a name to `Target`, all of them.

    Returns:
        (), splits by name.

    Raises:
        UserError: if the folder is none of these, a file has no partner, or sizes differ.
    """
    if (root / "leftImg8bit").is_dir():
        found = _cityscapes(root)
    else:
        places = {part: place for part, words in _PARTS.items() if (place := _place(root, words))}
        if "train" not in places:
            raise UserError(f"{_LAYOUTS}. Received: {root}.")
        found = {part: [_files(folder) for folder in place] for part, place in places.items()}
        if len(places["train"]) == 1 and not target.apart:
            return (), {part: Split(_joined(files, size, name, target)) for part, (files,) in _tested(found).items()}
        if min(map(len, places.values())) < 2:
            raise UserError(f"{_LAYOUTS}; without pairs, the two folders. Received: {root} without pairs.")
        if not target.apart:
            found = {part: _matched(*found[part], *places[part]) for part in found}
    size = size or common_size([file for each in found.values() for files in each for file in files])
    open_split = _without_pairs if target.apart else _with_pairs
    return (), {part: open_split(*files, size, name, target, targets) for part, files in _tested(found).items()}


def _place(root, words):
    """The folders of a split: of A and of B, or one of joined images; None if there is none."""
    for word in words:
        for pair in ((root / f"{word}A", root / f"{word}B"), (root / word / "A", root / word / "B")):
            there = [folder for folder in pair if folder.is_dir()]
            if len(there) == 1:
                raise UserError(f"A folder of pictures A needs one of pictures B. Received: {there[0]} alone.")
            if there:
                return pair
        if (root / word).is_dir():
            return (root / word,)
    return None


def _files(folder):
    try:
        with os.scandir(folder) as entries:
            files = sorted(entry.path for entry in entries if entry.is_file() and not entry.name.startswith("."))
    except OSError as error:
        raise UserError(f"The folder of images cannot be read. Received: {folder} ({error.strerror}).") from error
    files = [path for path in files if path.lower().endswith(EXTENSIONS)]
    if not files:
        raise UserError(f"The folder has no images ({', '.join(e[1:] for e in EXTENSIONS)}). Received: {folder}.")
    return files


def _matched(images, pictures, image_folder, picture_folder):
    """Files of equal names, in one order."""
    named = [{pathlib.Path(path).stem: path for path in files} for files in (images, pictures)]
    for (own, other), folder in zip(itertools.permutations(named), (picture_folder, image_folder), strict=True):
        if lone := sorted(set(own) - set(other)):
            raise UserError(
                f"Every picture needs a partner of its name. Received: {own[lone[0]]}, and no {lone[0]} in {folder}."
            )
    stems = sorted(named[0])
    return [[files[stem] for stem in stems] for files in named]


def _tested(found):
    """Splits, the validation split as the test split where there is none."""
    if "test" in found or "validation" not in found:
        return found
    return {"test" if part == "validation" else part: files for part, files in found.items()}


def _cityscapes(root):
    """The maps of labels, in colours, and the photographs; its validation images are the test split."""
    found = {}
    for part, theirs in (("train", "train"), ("test", "val")):
        photos = sorted((root / "leftImg8bit" / theirs).glob("*/*_leftImg8bit.png"))
        if not photos:
            raise UserError(f"There are no images. Received: {root / 'leftImg8bit' / theirs}.")
        maps = []
        for photo in photos:
            stem = photo.name.removesuffix("_leftImg8bit.png")
            maps.append(root / "gtFine" / theirs / photo.parent.name / f"{stem}_gtFine_color.png")
            if not maps[-1].is_file():
                raise UserError(f"Every picture needs a partner of its name. Received: {photo}, and no {maps[-1]}.")
        found[part] = [maps, photos]
    return found


def _with_pairs(images, pictures, size, name, target, targets):
    def read_one(row):
        paths = images[row], pictures[row]
        one, other = map(read, paths)
        check_sizes(one, other, *paths)
        picture = decode(other, size, channels_of(target), name=paths[1], how="bicubic")
        return decode(one, size, name=paths[0], how="bicubic"), {name: picture}

    return Split(FileStore(len(images), (*size, 3), read_one, targets))


def _without_pairs(images, pictures, size, name, target, targets):
    def opened(files, channels):
        def read_one(row):
            return decode(read(files[row]), size, channels, name=files[row], how="bicubic"), {}

        return Split(FileStore(len(files), (*size, channels), read_one, {}))

    return Unpaired(opened(images, 3), opened(pictures, channels_of(target)), targets)


def _joined(files, size, name, target):
    if size is None:
        sizes = {joined_size(file, file): file for file in files}
        sizes.pop(None, None)
        if len(sizes) != 1:
            seen = ", ".join(f"{height}x{width} ({file})" for (height, width), file in list(sizes.items())[:2])
            raise UserError(f"Images differ in size: give image_size to resize them. Received: {seen or files[0]}.")
        ((size, _),) = sizes.items()
    channels = 3, channels_of(target)

    def read_one(row):
        image, picture = decode_joined(read(files[row]), size, channels, files[row])
        return image, {name: picture}

    return FileStore(len(files), (*size, 3), read_one, {name: target})
