"""A folder of images: one sub-folder per class, a mask beside each, or pictures to translate."""

from odtf import paths
from odtf.data import folders, naming, passed_over, records, sources, split_folders
from odtf.data.class_tables import Names
from odtf.data.dataset import Split
from odtf.data.decoding import EXTENSIONS, common_size, decode, read
from odtf.data.framing import STRETCH
from odtf.data.mask_folders import open_masks
from odtf.data.masks import mask_of
from odtf.data.picture_folders import open_pictures
from odtf.data.picture_pairs import picture_of
from odtf.data.samples import LABEL, check
from odtf.data.stores import FileStore
from odtf.errors import UserError

FORM = "'folder:PATH'"

# Where the training images of a folder are, if it is no folder of classes: the first of these that there is.
_PLACES = ("train/images", "train", "images", "JPEGImages", "leftImg8bit/train", "")


def open_source(argument, *, data_dir, image_size, targets, resize=STRETCH, channels=None):
    """Lists a folder of images.

    `PATH/<class>/<image>` is split by the caller; `PATH/train/<class>/<image>`, with `val` (or `valid`, `validation`)
    and `test` beside `train` as far as they exist, in whatever case, is split already. Class names are the sub-folders'
    names, sorted. What begins with a dot, `__MACOSX`, and files that are no PNG, JPEG, WebP, AVIF, BMP or GIF by their
    suffix are passed over, and counted in the names' notes. Where a task learns from masks, the
    folder is what `odtf.data.mask_folders.open_masks` says; where from pictures, `odtf.data.picture_folders`.

    Args:
        argument: PATH, the folder.
        data_dir: of no meaning here.
        image_size: (height, width) to resize to; None where all images have one size.
        targets: an integer "label", a mask, or a picture.
        resize: one of `odtf.data.framing.MODES`; for folders of classes.
        channels: 1 for grey images; None or 3 for RGB. Likewise.

    Returns:
        Names of the classes, splits by name.

    Raises:
        UserError: if other targets are wanted, or the folder cannot be read, has fewer than two classes, an empty
            class, a name that no file can carry, or images of several sizes and no `image_size`.
    """
    if not argument:
        raise sources.unknown("folder:")
    root = paths.at(argument).expanduser()
    if (mask_of(targets) or picture_of(targets)) is not None:
        sources.further(open_masks, f"a folder of {', '.join(targets)}", resize, channels)
    if (mask := mask_of(targets)) is not None:
        return open_masks(root, image_size, *mask)
    if (picture := picture_of(targets)) is not None:
        return open_pictures(root, image_size, *picture, targets)
    check(f"folder:{argument}", LABEL, targets)
    roots = _roots(root)
    names = _subfolders(roots["train"])
    _check_classes(roots["train"], names)
    # Before any path with such a name stands in a message.
    naming.cleaned(names, ascii(str(roots["train"])))
    listed = {name: _images(split_root, names) for name, split_root in roots.items()}
    size = image_size or common_size([file for files, _ in listed.values() for file in files])
    splits = {
        name: Split(_store(root, files, labels, (*size, channels or 3), targets, resize))
        for name, (files, labels) in listed.items()
    }
    return Names(names, notes=_notes(root, roots, names)), splits


def _roots(root):
    """The folders of classes, by split; the folder itself where it has no splits."""
    names = _subfolders(root)
    others = [name for name in names if split_folders.part_of(name) is None]
    train = next((name for name in names if split_folders.part_of(name) == "train"), None)
    if train is None or not _subfolders(root / train):
        return {"train": root}
    if not others:
        return split_folders.places(root)
    if folders.files(root / train, EXTENSIONS):
        return {"train": root}
    raise UserError(
        f"Beside {train}/ with its folders of classes there are those of validation and test alone: move others out of "
        f"the folder. Received: {root / others[0]}."
    )


def _check_classes(root, names):
    """Refuses fewer than two classes; where they lie one folder deeper, that is said."""
    if len(names) > 1:
        return
    deeper = names and len(_subfolders(root / names[0])) > 1
    hint = f"; 'folder:{root / names[0]}' has them" if deeper else ""
    raise UserError(
        f"A folder of images needs a sub-folder for each of at least 2 classes{hint}. Received: {root} with"
        f" {', '.join(names) or 'no sub-folder'}."
    )


def _notes(root, roots, names):
    """What the listing passed over, a line, if anything."""
    counts = passed_over.kinds(root, EXTENSIONS, inner=None)
    for split_root in roots.values():
        if split_root != root:
            counts += passed_over.kinds(split_root, EXTENSIONS, inner=None)
        for name in names:
            counts += passed_over.kinds(split_root / name, EXTENSIONS)
    return (f"passed over in {root}: {passed_over.listed(counts)}",) if counts else ()


def open_images(argument, *, data_dir, image_size, resize=STRETCH, channels=None):
    """Lists the training images of a folder, of any layout that `open_source` knows, or of images alone.

    They are those in and below `PATH/train/images`, `PATH/train`, `PATH/images`, `PATH/JPEGImages` (of which a list of
    VOC may keep some for a test), `PATH/leftImg8bit/train` or `PATH`, the first that there is, by name.

    Args:
        argument: PATH, the folder.
        data_dir: of no meaning here.
        image_size: (height, width) to resize to.
        resize, channels: as for `open_source`.

    Returns:
        `Split` without targets.

    Raises:
        UserError: if the folder cannot be read, or has no image.
    """
    if not argument:
        raise sources.unknown("folder:")
    root = paths.at(argument).expanduser()
    place = next(root / place for place in _PLACES if not place or (root / place).is_dir())
    files = folders.below(place, EXTENSIONS)
    if not files:
        raise UserError(f"The folder has no images ({', '.join(e[1:] for e in EXTENSIONS)}). Received: {place}.")
    return Split(_store(root, files, None, (*image_size, channels or 3), {}, resize))


def _subfolders(path):
    return tuple(entry.name for entry in folders.entries(path) if folders.is_folder(entry))


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
            raise UserError(
                f"Every split must have all classes of train{_unlabelled(root)}. Received: {root} without {name!r}."
            )
        found = folders.files(root / name, EXTENSIONS)
        if not found:
            raise UserError(
                f"A class has no images ({', '.join(e[1:] for e in EXTENSIONS)}): remove its folder or fill it."
                f" Received: {root / name} with {_inside(root / name)}."
            )
        files += found
        labels += [label] * len(found)
    return files, labels


def _unlabelled(root):
    """What is to be done with a split of images without folders of classes, as those of a competition's test are."""
    alone = [] if _subfolders(root) else folders.files(root, EXTENSIONS)
    return f"; the {len(alone)} images there have no labels: move it away, odtf-predict answers for it" if alone else ""


def _inside(folder):
    """What an empty class has in place of images, for errors."""
    return passed_over.listed(passed_over.kinds(folder, EXTENSIONS, "folders")) or "nothing in it"


def _store(root, files, labels, shape, targets, resize):
    known = {} if labels is None else {"label": labels}

    def read_one(row):
        image = decode(read(files[row]), shape[:2], shape[2], files[row], resize=resize)
        return image, {name: values[row] for name, values in known.items()}

    def read_file(row):
        return read(files[row]), files[row], {name: values[row] for name, values in known.items()}

    options = {"known": known, "record": records.of_files(files, root), "files": files, "read_file": read_file}
    return FileStore(len(files), shape, read_one, targets, **options)
