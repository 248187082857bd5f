"""Folders of pictures for translation: with pairs, as two folders or as joined images, and without; Cityscapes' too."""

import functools
import itertools
import pathlib

from odtf.data import class_tables, folders, records
from odtf.data.dataset import Split
from odtf.data.decoding import EXTENSIONS, check_sizes, common_size, decode, read
from odtf.data.masks import decode_mask
from odtf.data.picture_pairs import LABELS, channels_of, decode_joined, joined_size, labels_of
from odtf.data.split_folders import WORDS
from odtf.data.stores import FileStore
from odtf.data.unpaired import Unpaired
from odtf.errors import UserError

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
    split, as of a TFDS set. Sizes are reached bicubically. Where labels are wanted too, they are Cityscapes' own or, in
    two folders, the classes of the colours in A, which `PATH/classes.txt` names, see
    `odtf.data.class_tables.from_file`.

    Args:
        root: `pathlib.Path`.
        size: (height, width) to resize to; None where all images have one size.
        name: of the target.
        target: `Target` of the picture.
        targets: mapping from a name to `Target`, all of them.

    Returns:
        `Names` of the labels, or (), and splits by name.

    Raises:
        UserError: if the folder is none of these, a file has no partner, or sizes differ.
    """
    labels, table = labels_of(targets), None
    if (root / "leftImg8bit").is_dir():
        found, table = _cityscapes(root), labels and class_tables.cityscapes()
    else:
        places = {part: place for part, words in WORDS.items() if (place := _place(root, words))}
        if "train" not in places:
            raise UserError(f"{_LAYOUTS}. Received: {root}.")
        found = {part: [_files(folder) for folder in place] for part, place in places.items()}
        if len(places["train"]) == 1 and not target.apart and not labels:
            joined = {part: _joined(root, files, size, name, target) for part, (files,) in _tested(found).items()}
            return (), {part: Split(store) for part, store in joined.items()}
        if min(map(len, places.values())) < 2:
            raise UserError(
                f"{_LAYOUTS}; without pairs, or with labels, the two folders. Received: {root} with images A|B."
            )
        if not target.apart:
            found = {part: _matched(*found[part], *places[part]) for part in found}
        table = labels and _table(root)
    size = size or common_size([file for each in found.values() for files in each[:2] for file in files])
    found = _tested(found)
    if target.apart:
        return (), {part: _without_pairs(root, *files[:2], size, target, targets) for part, files in found.items()}
    read_labels = labels and functools.partial(_read_labels, labels, table, size)
    splits = {part: _with_pairs(root, files, size, name, target, targets, read_labels) for part, files in found.items()}
    return table.names if table else (), splits


def _table(root):
    file = next((root / name for name in class_tables.FILES if (root / name).is_file()), None)
    if file is None:
        raise UserError(
            f"Labels are the colours of the images A, which a {class_tables.FILES[0]} with a NAME R G B a line names. "
            f"Received: {root} without one."
        )
    return class_tables.from_file(file)


def _read_labels(name, table, size, path):
    return {name: decode_mask(read(path), table, LABELS, size, path)}


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
    files = folders.files(folder, EXTENSIONS)
    if not files:
        raise UserError(f"The folder has no images ({', '.join(e[1:] for e in EXTENSIONS)}). Received: {folder}.")
    return files


def _matched(images, pictures, image_folder, picture_folder):
    """Files of equal names, in one order."""
    named = [{pathlib.PurePath(path).stem: path for path in files} for files in (images, pictures)]
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
    """Maps of labels in colours, photographs, and label ids; its validation images are the test split."""
    found = {}
    for part, theirs in (("train", "train"), ("test", "val")):
        photos = sorted((root / "leftImg8bit" / theirs).glob("*/*_leftImg8bit.png"))
        if not photos:
            raise UserError(f"There are no images. Received: {root / 'leftImg8bit' / theirs}.")
        maps, ids = [], []
        for photo in photos:
            stem = photo.name.removesuffix("_leftImg8bit.png")
            maps.append(root / "gtFine" / theirs / photo.parent.name / f"{stem}_gtFine_color.png")
            ids.append(maps[-1].with_name(f"{stem}_gtFine_labelIds.png"))
            if not maps[-1].is_file():
                raise UserError(f"Every picture needs a partner of its name. Received: {photo}, and no {maps[-1]}.")
        found[part] = [maps, photos, ids]
    return found


def _with_pairs(root, files, size, name, target, targets, read_labels):
    """Pairs of one split, and, where `read_labels` is given, the labels in the last of the files."""
    images, pictures, shown = files[0], files[1], files[2] if len(files) > 2 else files[0]

    def read_one(row):
        paths = images[row], pictures[row]
        one, other = map(read, paths)
        check_sizes(one, other, *paths, "picture")
        picture = decode(other, size, channels_of(target), name=paths[1], how="bicubic")
        values = {name: picture, **(read_labels(shown[row]) if read_labels else {})}
        return decode(one, size, name=paths[0], how="bicubic"), values

    read_files = (images, pictures, *((shown,) if read_labels else ()))
    record = records.of_files(list(zip(*read_files, strict=True)), root)
    return Split(FileStore(len(images), (*size, 3), read_one, targets, record=record))


def _without_pairs(root, images, pictures, size, target, targets):
    def opened(files, channels):
        def read_one(row):
            return decode(read(files[row]), size, channels, name=files[row], how="bicubic"), {}

        record = records.of_files(files, root)
        return Split(FileStore(len(files), (*size, channels), read_one, {}, record=record))

    return Unpaired(opened(images, 3), opened(pictures, channels_of(target)), targets)


def _joined(root, files, size, name, target):
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

    return FileStore(len(files), (*size, 3), read_one, {name: target}, record=records.of_files(files, root))
