"""Answers of teachers to all stored views of all training images, computed once and kept, see `StoredAnswers`.

The images are those of a config's data, its validation images too where they are taken from the training images, so
that the answers serve every split of them and every part. It goes on where it was stopped; what is to lie on a store is
made in the cache of this machine, and sent when it is whole.
"""

import hashlib
import io
import json
import os
import time

import numpy as np
import tensorflow as tf

from odtf import data, paths, stopping, workdir_lock
from odtf import sealed as sealed_lib
from odtf.data import splits, stored_answers, views
from odtf.data.answer_arrays import AnswerArrays
from odtf.errors import UserError
from odtf.files import disk_errors, make_directory, synced, write_bytes
from odtf.methods.shared.frozen_teacher import with_answer
from odtf.training import cohorts, config_data

_PROGRESS = "progress.json"
_LARGEST = float(np.finfo(np.float16).max)
# Seconds between two lines about how far it is.
_TOLD = 10.0


def store(config, directory, teachers, load_teacher, digest_of, *, number=0, log=print):
    """Stores the answers of one teacher, or the mean of several teachers' logits.

    Args:
        config: `ConfigDict`, whose task, data and augmentation count.
        directory: where they go.
        teachers: list of paths, or mappings with one as "file", as `config.method.teacher` may be; a path of an .npz
            file is one of another framework's answers, see `odtf.data.answer_arrays`.
        load_teacher: callable `load_teacher(said, info=info)`, of a mapping, that returns a `keras.Model`.
        digest_of: callable that returns the sha256 of what a teacher is made of.
        number: int, how many views of each image, drawn once; 0: all of a finite augmentation.
        log: callable that takes a line of text.

    Returns:
        `odtf.data.StoredAnswers`.

    Raises:
        UserError: if the views cannot be stored, a teacher does not fit the data or answers with what float16 does not
            hold, or the directory has other answers.
        odtf.stopping.Stopped: after SIGTERM or Ctrl-C; what is done is kept.
    """
    cohorts.set_runtime(config)
    augmentation = data.Augmentation.from_config(config.data.augment)
    views.check_storable(augmentation, number)
    dataset = config_data.load_dataset(config)
    augmentation = data.Augmentation.from_config(config.data.augment, dataset.image_shape)
    work = _Work(config, dataset, augmentation, number, paths.at(directory), log)
    sources = [work.source(said, load_teacher) for said in teachers]
    record = work.record(teachers, {shape for shape, _ in sources}, digest_of)
    with workdir_lock.writing(directory):
        make_directory(directory)
        work.run(record, [answers for _, answers in sources])
    return data.StoredAnswers(directory)


def training_images(dataset):
    """Returns all images of the training split's source that are not of the test split, as a `Split` in their order."""
    train = dataset.splits["train"]
    parts = [dataset.splits[name] for name in ("train", "validation")]
    rows = np.unique(np.concatenate([part.rows for part in parts if part.store is train.store]))
    found = data.Split(train.store, rows)
    return data.Split(train.store, rows[np.argsort(found.keys, kind="stable")])


class _Work:
    def __init__(self, config, dataset, augmentation, number, directory, log):
        self._task = cohorts.make_task(config)
        self._dataset, self._split, self._spec = dataset, training_images(dataset), augmentation
        self._directory, self._log, self._table = directory, log, None
        on_store = paths.is_store(directory)
        self._place = paths.cache_folder() / "answers" / paths.key_of(directory) if on_store else directory
        if number:
            self._table = views.drawn_table(augmentation, len(self._split), number, config.seed)
        self._views = views.DrawnViews(self._table, augmentation) if number else views.AllViews(augmentation)

    def record(self, teachers, shapes, digest_of):
        """Returns what answers.json says, but for the digests of the files."""
        if len(shapes) > 1:
            raise UserError(f"Teachers that are averaged answer in one shape. Received: {sorted(shapes)}.")
        record = {
            "format": stored_answers.FORMAT,
            "data": self._dataset.name,
            "names": list(map(str, self._dataset.names)),
            "image_shape": list(self._dataset.image_shape),
            "images": len(self._split),
            "augment": views.said_of(self._spec),
            "views": {"kind": self._views.kind, "count": self._views.count},
            "answer_shape": list(*shapes),
            "teachers": [{"file": _shown(said), "sha256": digest_of(said)} for said in teachers],
        }
        return json.loads(json.dumps(record))

    def run(self, record, sources):
        """Writes everything, unless it is there."""
        files = {"index.npy": self._split.keys, "pixels.npy": stored_answers.pixel_digests(self._split)}
        if self._table is not None:
            files["draws.npy"] = self._table
        contents = {name: _as_bytes(array) for name, array in files.items()}
        if self._is_done(record, contents):
            return
        # Of other images, or other numbers behind the views, nothing goes on.
        inputs = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
        make_directory(self._place)
        for name, content in contents.items():
            write_bytes(self._place / name, content)
        self._compute({**record, "inputs": inputs}, sources)
        digests = {name: stored_answers.sha256(self._place / name) for name in ("logits.npy", *contents)}
        if self._place != self._directory:
            for name in digests:
                with disk_errors(self._directory / name):
                    paths.send(self._place / name, self._directory / name)
        sealed_lib.write(self._directory / stored_answers.RECORD, {**record, "sha256": digests})
        (self._place / _PROGRESS).unlink(missing_ok=True)
        if self._place != self._directory:
            paths.remove_folder(self._place)

    def _is_done(self, record, contents):
        """Whether the directory has these answers.

        Raises:
            UserError: if it has others.
        """
        if not stored_answers.are_in(self._directory):
            return False
        found = data.StoredAnswers(self._directory).record
        changes = [key for key in record if found[key] != record[key]]
        for name, content in contents.items():
            if found["sha256"].get(name) != hashlib.sha256(content).hexdigest():
                changes.append(name)
        if changes:
            raise UserError(
                f"{self._directory} has other answers; another directory would be right. "
                f"Received: others by {', '.join(changes)}."
            )
        return True

    def source(self, said, load_teacher):
        """Returns the shape of a teacher's answers, and a function `(start, end, view, images)` that gives them."""
        if isinstance(said, str) and said.endswith(".npz"):
            arrays = AnswerArrays(said, self._split, self._dataset.names, self._spec)
            return arrays.answer_shape, lambda start, end, view, images: arrays.answers(start, end, view)
        said = {"file": said} if isinstance(said, str) else said
        network = load_teacher({**said, "output": self._task.output}, info=self._dataset.info)
        if isinstance(network, data.StoredAnswers):
            raise UserError(f"A teacher is a network, or an .npz file. Received: the stored answers in {_shown(said)}.")
        try:
            network = with_answer(network, network.input, self._task)
        except ValueError as error:
            raise UserError(f"The teacher {_shown(said)}: {error}") from error
        name = self._task.output

        @tf.function(reduce_retracing=True, autograph=False)
        def forward(images):
            outputs = network(images, training=False)
            return tf.cast(outputs[name] if isinstance(outputs, dict) else outputs, tf.float32)

        output = network.output[name] if isinstance(network.output, dict) else network.output
        return tuple(output.shape[1:]), lambda start, end, view, images: forward(images).numpy()

    # The answers ------------------------------------------------------------------------------------------------------

    def _compute(self, record, sources):
        """Writes logits.npy; of what another process has begun, what is left."""
        count, shape = len(self._split), (len(self._split), self._views.count, *record["answer_shape"])
        path, done = self._place / "logits.npy", self._progress(record)
        header = io.BytesIO()
        np.lib.format.write_array_header_1_0(
            header, {"descr": np.lib.format.dtype_to_descr(np.dtype("<f2")), "fortran_order": False, "shape": shape}
        )
        start_of = len(header.getvalue())
        size = splits.chunk(256, self._dataset.image_shape)
        with disk_errors(path), open(path, "r+b" if done else "wb") as file, stopping.Requests() as requests:
            if not done:
                file.write(header.getvalue())
            started, told, first = time.monotonic(), time.monotonic(), done
            while done < count:
                end = min(done + size, count)
                block = self._block(done, end, shape[1:], sources)
                file.seek(start_of + done * block[0].nbytes)
                synced(file, block.tobytes())
                done = end
                sealed_lib.write(self._place / _PROGRESS, {"record": record, "done": done})
                if time.monotonic() - told > _TOLD:
                    told = time.monotonic()
                    left = (told - started) / (done - first) * (count - done)
                    self._log(f"stored {done:,} of {count:,} images; about {left / 60:.0f} min left")
                requests.heed(f"stopped at {done:,} of {count:,} images; the same command goes on from there")

    def _progress(self, record):
        """Returns how many images are done; 0 where nothing was begun, or other answers, or where that is damaged."""
        try:
            path, form = self._place / _PROGRESS, {"record": dict, "done": int}
            found = sealed_lib.read(path, form, "all answers are computed anew")
        except OSError:
            return 0
        except sealed_lib.Damaged as damaged:
            self._log(f"warning: {damaged}")
            return 0
        return found["done"] if found["record"] == record and (self._place / "logits.npy").exists() else 0

    def _block(self, start, end, shape, sources):
        """Returns the answers to all views of some images, float16 `[end - start, views, ...]`."""
        images, _ = self._split.take(np.arange(start, end))
        block = np.empty((end - start, *shape), "<f2")
        for view in range(self._views.count):
            numbers = self._views.numbers(np.arange(start, end), view)
            seen = views.made(tf.constant(images), numbers, self._spec, self._dataset.mean, self._dataset.std)
            mean = sum(answers(start, end, view, seen) for answers in sources) / len(sources)
            if not np.all(np.abs(mean) <= _LARGEST):
                raise UserError(
                    f"A teacher answers with finite numbers that float16 holds, at most {_LARGEST:.0f}. Received: "
                    f"{np.max(np.abs(mean))} for one of the images {start} to {end - 1}."
                )
            block[:, view] = mean
        return block


def _shown(said):
    return str(said) if isinstance(said, str | os.PathLike) else str(said.get("file"))


def _as_bytes(array):
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()
