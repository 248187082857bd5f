"""Measures on this machine what the training step costs, or what exported files do.

    odtf-benchmark train --json=train.json
    odtf-benchmark train --only=group_conv,batch_norm --repeats=5
    odtf-benchmark edge runs/digits/export/soc/*.tflite --threads=1,2 --json=edge.json
    odtf-benchmark edge runs/digits/export/phone/*.tflite --adb

train: medians and ratios of alternatives that are timed in turns, in one process: group_conv (GroupConv2D against
Keras' grouped convolution), cheap_layers (each against the standard one), batch_norm (fused against stock Keras, and of
odd numbers of channels), cropping (against Keras' own), forms (grouped and depthwise convolutions computed in other
ways, against the kernels that layers take), joint_step (m peers at once against one by one), ensemble_step (OEM's five
students against five separate steps), shared_trunk (PCL against the same without sharing, passes counted), distillation
(its share of the step), pipeline (against a constant batch), reading (random-resized crops of JPEG files, against
tf.data alone). All of it takes some ten minutes on two cores.

edge: latency of TFLite files by the interpreter and by LiteRT's own litert-benchmark, time per operator, size, TFLite
Micro's arena (its own figure where tflite-micro is installed, else an estimate); cycles, SRAM and flash of an Ethos-U
where ethos-u-vela is installed and the file is int8. With --adb, the commands that measure the files on an Android
phone are printed instead.
"""

from absl import flags

from odtf import files, paths
from odtf.commands import cli
from odtf.errors import UserError
from odtf.quiet import import_tensorflow

_JSON = flags.DEFINE_string("json", None, "File for the figures; the table is printed in any case.")
_ONLY = flags.DEFINE_list("only", [], "train: the measurements to make; all of them by default.")
_REPEATS = flags.DEFINE_integer("repeats", None, "Timed rounds (default: 9 for train, 5 for edge).", lower_bound=1)
_BATCH_SIZE = flags.DEFINE_integer("batch_size", 128, "train: batch of the steps.", lower_bound=2)
_DEPTH = flags.DEFINE_integer("depth", 20, "train: depth of the peers, 6n + 2.")
_THREADS = flags.DEFINE_list("threads", ["1", "2"], "edge: numbers of threads to measure latency with.")
_ADB = flags.DEFINE_bool("adb", False, "edge: print the commands that measure the files on an Android phone.")
_ACCELERATOR = flags.DEFINE_enum(
    "accelerator",
    "ethos-u55-128",
    [
        *(f"ethos-u55-{macs}" for macs in (32, 64, 128, 256)),
        *(f"ethos-u65-{macs}" for macs in (256, 512)),
        *(f"ethos-u85-{macs}" for macs in (128, 256, 512, 1024, 2048)),
    ],
    "edge: the Ethos-U, in Vela's words.",
)


def _train(arguments):
    if arguments:
        raise UserError(f"odtf-benchmark train takes flags alone. Received: {' '.join(arguments)}.")
    from odtf.benchmark.setup import Setup

    options = {} if _REPEATS.value is None else {"repeats": _REPEATS.value}
    setup = Setup(only=tuple(_ONLY.value), depth=_DEPTH.value, batch_size=_BATCH_SIZE.value, **options)
    import_tensorflow()
    from odtf.benchmark import suite

    return suite.run(setup)


def _edge(arguments):
    if not arguments:
        raise UserError("odtf-benchmark edge FILE.tflite ... needs the files to measure. Received: none.")
    for path in arguments:
        if not paths.local(path, "A file to measure").is_file():
            raise UserError(f"odtf-benchmark edge measures TFLite files. Received: {path}, which is no file.")
    threads = _numbers_of_threads()
    if _ADB.value:
        from odtf.benchmark.adb import adb_commands

        commands = adb_commands(arguments, threads)
        print(commands)
        return {"benchmark": "adb", "commands": commands.splitlines()}
    import_tensorflow()
    from odtf.benchmark import edge

    return edge.run(arguments, repeats=_REPEATS.value or 5, accelerator=_ACCELERATOR.value, threads=threads)


def _numbers_of_threads():
    numbers = [int(text) if text.isdecimal() and len(text) < 9 else 0 for text in _THREADS.value]
    if not numbers or not all(0 < number <= cli.MAX_THREADS for number in numbers):
        raise UserError(
            f"--threads must be integers from 1 to {cli.MAX_THREADS}, such as 1,2. "
            f"Received: {','.join(_THREADS.value)!r}."
        )
    return tuple(dict.fromkeys(numbers))


def _main(argv):
    commands = {"train": _train, "edge": _edge}
    command = argv[1] if len(argv) > 1 else "nothing"
    if command not in commands:
        raise UserError(
            f"odtf-benchmark train, or odtf-benchmark edge FILE.tflite ...; --help explains. Received: {command}."
        )
    # Before the minutes that measuring takes.
    path = _JSON.value
    if path is not None:
        files.check_file(path, "json")
        if files.is_plain(path):
            files.make_directory(paths.at(path).parent)
    figures = commands[command](argv[2:])
    if path is not None:
        files.write_json(path, figures)
        print(f"\nAll of it: {path}")


def main():
    """Entry point of `odtf-benchmark`."""
    cli.run(_main, __doc__)


if __name__ == "__main__":
    main()
