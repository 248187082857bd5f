"""Exports the mobile ResNet-9 generator of GAN compression, at its real size, and compares each file with Keras.

    python tests/programs/generators_on_devices.py [--data=folder:PATH] [--size=256] [--width=16] [--steps=20]

Two forms, as `odtf.models.resnet_generator` has them: the original, of instance norms and mirrored margins, and one of
the same cost of batch norms and zeros, which chips take. Each is trained by L1 for a few steps, so that its maps are no
noise, and exported for phones as float16 and as int8, and for a system-on-chip as int8. The agreement is the task's:
PSNR between the images of file and network, at least 35 dB of float16 and 30 dB of int8, or the export refuses the
file. Exit status 1 if a file was refused, but for the original form on a chip, which lacks its operators.
"""

import pathlib
import sys
import tempfile
import time

from absl import app, flags

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

_DATA = flags.DEFINE_string("data", "digit_pictures", "Pictures to train and to compare on, as config.data.name.")
_SIZE = flags.DEFINE_integer("size", 256, "Height and width of the images.")
_WIDTH = flags.DEFINE_integer("width", 16, "Channels of the stem: 16, 12 or 8 in the released scripts.")
_BLOCKS = flags.DEFINE_integer("blocks", 9, "Residual blocks.")
_STEPS = flags.DEFINE_integer("steps", 20, "Steps of training, of one image each.")
_IMAGES = flags.DEFINE_integer("images", 16, "Images that are compared.")
FORMS = {
    "mobile ResNet-9": {},
    "mobile ResNet-9 for chips": {"norm": "batch", "separable_norm": "batch", "padding": "zero"},
}
FILES = (("phone", "float16"), ("phone", "int8"), ("soc", "int8"))
# What chips have no operators for.
REFUSED = {("mobile ResNet-9", "soc")}


def trained(form, dataset):
    """Returns a generator of a form after some steps."""
    import functools

    import keras

    from odtf import data, methods, models
    from odtf.models import heads
    from odtf.tasks import Translation

    head = heads.Image(dataset.image_shape[2])
    options = {"width": _WIDTH.value, "blocks": _BLOCKS.value, **FORMS[form]}
    network = functools.partial(models.resnet_generator, dataset.image_shape, head, **options)
    method = methods.Solo(network, task=Translation())
    pipeline = data.TrainPipeline(dataset, batch_size=1, seed=0)
    method.compile(keras.optimizers.Adam(1e-3, 0.5), steps_per_epoch=_STEPS.value)
    iterator, step = iter(pipeline.dataset()), method.step_function
    for _ in range(_STEPS.value):
        step(iterator)
    return method.peers["peer_0"]


def rows_of(form, dataset, folder):
    """Yields the rows of a form: target, quantisation, bytes, decibels or why there is no file."""
    from odtf import export
    from odtf.errors import UserError, VerificationError
    from odtf.tasks import Translation

    network = trained(form, dataset)
    options = {"task": Translation(), "calibration_examples": 32, "max_examples": _IMAGES.value, "max_drop": 1.0}
    for target, quantization in FILES:
        started = time.monotonic()
        try:
            row = export.export_student(
                network, dataset, folder / form / target, target=target, quantization=quantization, **options
            )
            said = f"{row['bytes']:,}", f"{row['agreement']:.1f} dB", f"{row['latency_us_p50'] / 1000:.0f} ms", ""
        except (UserError, VerificationError) as error:
            said = "-", "-", "-", str(error)
        yield form, target, quantization, *said, f"{time.monotonic() - started:.0f} s"


def main(argv):
    """Exports and prints."""
    del argv
    from odtf.quiet import import_tensorflow

    import_tensorflow()
    from odtf import data
    from odtf.tables import table
    from odtf.tasks import Translation

    options = {"targets": Translation.targets, "normalization": Translation.normalization}
    dataset = data.load(_DATA.value, image_size=(_SIZE.value, _SIZE.value), **options)
    rows, refused = [], []
    with tempfile.TemporaryDirectory() as folder:
        for form in FORMS:
            for row in rows_of(form, dataset, pathlib.Path(folder)):
                print(*row, flush=True)
                rows.append(row)
                if row[3] == "-" and row[:2] not in REFUSED:
                    refused.append(row)
    print(
        table(
            [("network", "target", "as", "bytes", "to Keras", "latency", "took"), *((*row[:6], row[7]) for row in rows)]
        )
    )
    for form, target, _, *_, reason, _ in rows:
        if reason:
            print(f"\n{form}, {target}: {reason}")
    return 1 if refused else 0


if __name__ == "__main__":
    app.run(main)
