"""Loading of .keras files as data: nothing that such a file says is run.

Other forms of a saved model are programs: an HDF5 file (.h5) may hold pickled code, and the graph of a SavedModel can
do what it likes.
"""

import io
import json
import tempfile
import zipfile

import h5py
import keras

from odtf import paths
from odtf.errors import ARCHIVE_DAMAGE, UserError
from odtf.models import allowed

# Of the largest network of keras.applications it is 2 MB.
MAX_CONFIG_BYTES = 64 * 2**20
MAX_WEIGHT_BYTES = 4 * 2**30
# Keras stores weights as they are. What unpacks to so many times its size, and more than that, is no model.
_MAX_EXPANSION, _EXPANDS_FREELY = 100, 256 * 2**20

_CONFIG, _WEIGHTS = "config.json", "model.weights.h5"


def load(path, packages=allowed.PACKAGES):
    """Loads a model of Keras' and odtf's layers from a .keras file, which nobody need trust.

    Its config is read first, and every layer, operation and function in it must be one of
    `odtf.models.allowed`: no Lambda layer, no TFSMLayer, nothing of another package. It is not compiled.

    Args:
        path: of a file that `model.save("FILE.keras")` wrote.
        packages: as for `odtf.models.allowed.check`.

    Returns:
        `keras.Model` with the weights of the file.

    Raises:
        UserError: if it is another kind of file, damaged, or too large, names what may not be built, or has weights
            other than float32; nothing of it has been run.
    """
    path = paths.at(path)
    _check_kind(path)
    config, weights = _read(path)
    try:
        config = allowed.without_compilation(json.loads(config))
        allowed.check(config, packages)
    except allowed.Refused as refused:
        raise UserError(
            f"{path} must be a model of Keras' and odtf's layers: a file is data, and no other code is run for it. "
            f"Received: {refused}."
        ) from refused
    except (ValueError, RecursionError) as error:
        raise _damaged(path, f"a {_CONFIG} that is no JSON, {_first_line(error)}") from error
    model = _built(path, config)
    _check_types(path, model)
    _load_weights(path, model, weights)
    _check_answer(path, model)
    return model


def _check_kind(path):
    if path.is_dir():
        raise UserError(
            f"A .keras file is needed, as model.save('FILE.keras') writes it: a SavedModel may run any code. "
            f"Received: {path}, a directory."
        )
    if path.suffix in (".h5", ".hdf5"):
        raise UserError(
            f"A .keras file is needed: an HDF5 file may hold code. Load it where it was made, and call "
            f"model.save('FILE.keras'). Received: {path}."
        )
    if path.suffix != ".keras":
        raise UserError(f"A .keras file is needed, as model.save('FILE.keras') writes it. Received: {path}.")
    if not path.is_file():
        raise UserError(f"There must be a .keras file. Received: {path}, which is no file.")


def _read(path):
    """Returns config and weights of a file, as bytes, each read once: what is checked is what is built."""
    try:
        with path.open("rb") as stream, zipfile.ZipFile(stream) as archive:
            if missing := {_CONFIG, _WEIGHTS} - set(archive.namelist()):
                raise _damaged(path, f"no {' and no '.join(sorted(missing))} in it")
            return _member(path, archive, _CONFIG, MAX_CONFIG_BYTES), _member(path, archive, _WEIGHTS, MAX_WEIGHT_BYTES)
    except ARCHIVE_DAMAGE as error:
        raise _damaged(path, _first_line(error)) from error


def _member(path, archive, name, limit):
    member = archive.getinfo(name)
    _check_size(path, name, member.file_size, member.compress_size, limit)
    return archive.read(member)


def _check_size(path, name, size, stored, limit):
    if size > limit or (size > _EXPANDS_FREELY and size > _MAX_EXPANSION * stored):
        raise UserError(
            f"{path} must hold a model: {name} may have {limit:,} bytes, and {_MAX_EXPANSION} times what is stored. "
            f"Received: {size:,} bytes, stored as {stored:,}."
        )


def _built(path, config):
    try:
        model = keras.saving.deserialize_keras_object(config, safe_mode=True)
    except Exception as error:
        # Whatever a layer says to arguments that no layer wrote.
        raise UserError(
            f"{path} must hold a model that Keras {keras.__version__} can build. Received: {_first_line(error)}"
        ) from error
    if not isinstance(model, keras.Model):
        raise UserError(f"{path} must hold a keras.Model. Received: {type(model).__name__}.")
    if not model.built:
        raise UserError(
            f"{path} must hold a model whose layers have weights: call it once before model.save. "
            f"Received: {type(model).__name__} {model.name!r}, not built."
        )
    return model


def _check_types(path, model):
    for variable in model.variables:
        kind = keras.backend.standardize_dtype(variable.dtype)
        if "float" in kind and kind != "float32":
            raise UserError(
                f"{path} must have float32 weights; mixed precision has them too, and exports make others. "
                f"Received: {kind} in {variable.path}."
            )


def _load_weights(path, model, content):
    try:
        with h5py.File(io.BytesIO(content)) as file:
            _check_weights(path, file, len(content))
        with tempfile.TemporaryDirectory(prefix="odtf-") as folder:
            name = paths.at(folder) / _WEIGHTS
            name.write_bytes(content)
            model.load_weights(name)
    except ARCHIVE_DAMAGE as error:
        raise _damaged(path, f"weights that do not fit its layers, {_first_line(error)}") from error


def _check_answer(path, model):
    """Refuses a model that was built and cannot be called; of one whose images may have any size that is not known."""
    inputs = getattr(model, "input", None)
    if inputs is None or any(None in x.shape[1:] for x in keras.tree.flatten(inputs)):
        return
    black = keras.tree.map_structure(lambda x: keras.ops.zeros((1, *x.shape[1:]), x.dtype), inputs)
    try:
        model(black, training=False)
    except Exception as error:
        raise UserError(
            f"{path} must hold a model that Keras {keras.__version__} can call. Received: {_first_line(error)}."
        ) from error


def _check_weights(path, group, stored, total=0):
    """Refuses what would be read from elsewhere, or be larger than the file; returns the bytes of all arrays."""
    for name in group:
        link = group.get(name, getlink=True)
        if not isinstance(link, h5py.HardLink):
            raise _damaged(path, f"weights that lie elsewhere, {group.name}/{name}")
        item = group[name]
        if isinstance(item, h5py.Group):
            total = _check_weights(path, item, stored, total)
        elif item.is_virtual or item.external:
            raise _damaged(path, f"weights that lie elsewhere, {item.name}")
        else:
            total += item.size * item.dtype.itemsize if item.size else 0
            _check_size(path, _WEIGHTS, total, stored, MAX_WEIGHT_BYTES)
    return total


def _damaged(path, received):
    return UserError(f"{path} must be a .keras file, as model.save('FILE.keras') writes it. Received: {received}.")


def _first_line(error):
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__).rstrip(".")[:300]
