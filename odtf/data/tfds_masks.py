"""Masks of TFDS sets: which feature holds them, and what their values stand for."""

from odtf.data import class_tables
from odtf.data.dataset import Split
from odtf.data.decoding import check_sizes, decode
from odtf.data.masks import decode_mask, highest_value
from odtf.data.stores import FileStore
from odtf.data.tfds_records import example_reader, record_of
from odtf.errors import UserError

# Sets whose values are not the classes 0, 1 and so on.
_TABLES = {"cityscapes": class_tables.cityscapes, "oxford_iiit_pet": class_tables.pets}


def keys(name, features):
    """Returns the names of the features that hold an image and its mask.

    Args:
        name: of the set, for errors.
        features: TFDS features of the set.

    Raises:
        UserError: if the set does not have exactly one of each.
    """
    from tensorflow_datasets import features as kinds

    images = {key: feature for key, feature in features.items() if isinstance(feature, kinds.Image)}
    found = [key for key, f in images.items() if type(f) is kinds.Image and f.shape[-1] == 3]
    masks = [key for key in images if key not in found]
    if len(found) != 1 or len(masks) != 1:
        # Sorted: the order of what TFDS reads from its file is another every time.
        listed = ", ".join(sorted(f"{key}: {type(feature).__name__}" for key, feature in features.items()))
        raise UserError(
            f"{name} must have exactly one image of three channels and one mask, of one channel. Received: {listed}."
        )
    return found[0], masks[0]


def open_masks(builder, wanted, feature_keys, shape, name, target):
    """Opens the splits of a set.

    Args:
        builder: read-only TFDS builder.
        wanted: mapping from the name of a split here to that in the set.
        feature_keys: names of the features of the image and of the mask.
        shape: (height, width, 3), to which images are resized.
        name: of the target.
        target: `Target` of the mask.

    Returns:
        `Names` of the classes, splits by name. Where the set does not name them the training masks are all read once:
        class 0 to the highest value.

    Raises:
        UserError: if a mask that is read is none, or as `example_reader`.
    """
    readers = {part: example_reader(builder, theirs, *feature_keys) for part, theirs in wanted.items()}
    counts = {part: builder.info.splits[theirs].num_examples for part, theirs in wanted.items()}
    table = _table(builder, feature_keys[1], readers["train"], counts["train"], target)

    def store(part):
        def title(row):
            return f"{builder.info.name}, {wanted[part]} example {row}"

        def read_one(row):
            image, mask = readers[part](row)
            check_sizes(image, mask, f"the image of {title(row)}", "the mask", "mask")
            values = {name: decode_mask(mask, table, target, shape[:2], title(row))}
            return decode(image, shape[:2], 3, title(row)), values

        record = record_of(builder, wanted[part])
        return FileStore(counts[part], (*shape[:2], 3), read_one, {name: target}, record=record)

    return table.names, {part: Split(store(part)) for part in wanted}


def _table(builder, key, read, count, target):
    if builder.info.name in _TABLES:
        return _TABLES[builder.info.name]()
    source, feature = f"the masks of {builder.info.name}", builder.info.features[key]
    if getattr(feature, "names", None):
        return class_tables.from_rows([(str(name), None) for name in feature.names], source)
    masks = ((read(row)[1], f"{builder.info.name}, example {row}") for row in range(count))
    return class_tables.numbered(highest_value(masks, target.ignore), None, source)
