"""Folders of images with a mask beside each: plain ones, PASCAL VOC's and Cityscapes' layouts."""

import io
import pathlib

from odtf.data import class_tables, folders, records, split_folders
from odtf.data.dataset import Split
from odtf.data.decoding import EXTENSIONS, check_sizes, common_size, decode, naming, opened, read
from odtf.data.masks import decode_mask, highest_value
from odtf.data.stores import FileStore
from odtf.errors import UserError

_MASK_FOLDERS = ("masks", "labels")
# What the name of a mask may have more than that of its image.
_SUFFIXES = ("", "_mask", "_label", "_labels", "_gt", "_L")


def open_masks(root, size, name, target):
    """Lists a folder of images and masks.

    Three layouts are known. `PATH/images/NAME.jpg` with `PATH/masks/NAME.png` (or `labels`), as it is or inside
    `PATH/train`, `PATH/val` (or `validation`) and `PATH/test`; PASCAL VOC's, `PATH/JPEGImages`, `SegmentationClass` and
    `ImageSets/Segmentation`; Cityscapes', `PATH/leftImg8bit` and `gtFine`, of label ids or train ids. The validation
    images of the latter two are the test split, for their test masks are not public.

    In plain layouts `PATH/classes.txt` names the classes, see `odtf.data.class_tables.from_file`. Without it the values
    of the training masks are all read once: class 0 to the highest, with the colours of their palette, where they have
    one.

    Args:
        root: `pathlib.Path`.
        size: (height, width) to resize to; None where all images have one size.
        name: of the target.
        target: `Target` of the mask.

    Returns:
        `Names` of the classes, splits by name.

    Raises:
        UserError: if the folder is none of these, an image has no mask, or images differ in size and `size` is None.
    """
    pairs, table = _pairs(root, target)
    size = size or common_size([image for split in pairs.values() for image, _ in split])
    return table.names, {part: Split(_store(root, found, size, table, name, target)) for part, found in pairs.items()}


def _pairs(root, target):
    """Lists of (image, mask) by split, and the `ClassTable`."""
    if (root / "JPEGImages").is_dir():
        return _voc(root), class_tables.voc()
    if (root / "leftImg8bit").is_dir():
        pairs, train_ids = _cityscapes(root)
        return pairs, class_tables.cityscapes(train_ids)
    roots = split_folders.places(root)
    if "train" not in roots:
        roots = {"train": root}
    pairs = {part: _beside(folder) for part, folder in roots.items()}
    for file in class_tables.FILES:
        if (root / file).is_file():
            return pairs, class_tables.from_file(root / file)
    return pairs, _from_masks([mask for _, mask in pairs["train"]], target, root)


def _beside(folder):
    """Pairs of `folder/images` and `folder/masks`."""
    masks = next((folder / name for name in _MASK_FOLDERS if (folder / name).is_dir()), None)
    if masks is None or not (folder / "images").is_dir():
        raise UserError(
            "A folder for masks has images/ and masks/ (or labels/), as it is or inside train/, or is laid out as "
            f"PASCAL VOC or Cityscapes. Received: {folder}."
        )
    images = folders.files(folder / "images", EXTENSIONS)
    if not images:
        raise UserError(f"The folder has no images. Received: {folder / 'images'}.")
    known = {pathlib.PurePath(path).stem: path for path in folders.files(masks)}
    return [(image, _mask_of(image, known, masks)) for image in images]


def _mask_of(image, known, folder):
    stem = pathlib.PurePath(image).stem
    found = next((known[stem + suffix] for suffix in _SUFFIXES if stem + suffix in known), None)
    if found is None:
        raise UserError(f"Every image needs a mask of its name. Received: {image}, and no {stem}.png in {folder}.")
    return found


def _voc(root):
    pairs = {}
    for ours, theirs in (("train", "train"), ("test", "val")):
        path = root / "ImageSets" / "Segmentation" / f"{theirs}.txt"
        stems = read(path).decode("utf-8", "replace").split()
        pairs[ours] = [(root / "JPEGImages" / f"{s}.jpg", root / "SegmentationClass" / f"{s}.png") for s in stems]
        _check_there(pairs[ours], path)
    return pairs


def _cityscapes(root):
    pairs, kinds = {}, ("labelIds", "labelTrainIds")
    listed = {
        ours: sorted((root / "leftImg8bit" / theirs).glob("*/*_leftImg8bit.png"))
        for ours, theirs in (("train", "train"), ("test", "val"))
    }

    def mask(image, kind):
        stem = image.name.removesuffix("_leftImg8bit.png")
        return root / "gtFine" / image.parent.parent.name / image.parent.name / f"{stem}_gtFine_{kind}.png"

    kind = next((k for k in kinds if listed["train"] and mask(listed["train"][0], k).is_file()), kinds[0])
    for part, images in listed.items():
        pairs[part] = [(image, mask(image, kind)) for image in images]
        _check_there(pairs[part], root / "leftImg8bit")
    return pairs, kind == "labelTrainIds"


def _check_there(pairs, source):
    if not pairs:
        raise UserError(f"There are no images. Received: {source}.")
    for image, mask in pairs:
        if not mask.is_file():
            raise UserError(f"Every image needs a mask of its name. Received: {image}, and no {mask}.")


def _from_masks(masks, target, root):
    """A table from the values that the masks hold."""
    highest = highest_value(((read(path), path) for path in masks), target.ignore)
    with naming(masks[0]), opened(io.BytesIO(read(masks[0]))) as image:
        palette = image.getpalette() if image.mode == "P" else None
    colors = palette and [palette[i : i + 3] for i in range(0, len(palette), 3)]
    return class_tables.numbered(highest, colors, f"the masks of {root}, which has no classes.txt")


def _store(root, pairs, size, table, name, target):
    def read_one(row):
        image, mask = pairs[row]
        data, values = read(image), read(mask)
        check_sizes(data, values, image, mask, "mask")
        return decode(data, size, name=image), {name: decode_mask(values, table, target, size, mask)}

    def read_targets(row):
        return {name: decode_mask(read(pairs[row][1]), table, target, size, pairs[row][1])}

    options = {"read_targets": read_targets, "record": records.of_files(pairs, root)}
    return FileStore(len(pairs), (*size, 3), read_one, {name: target}, **options)
