"""What every command line shares: flags that explain themselves, one clear line and status 2 for bad input.

Nothing here imports TensorFlow until `import_tensorflow` is called: `--help` and a wrong flag are answered at once.
"""

import contextlib
import logging
import os
import sys

from absl import app, flags
from absl import logging as absl_logging

from odtf.errors import UserError
from odtf.quiet import quiet


def run(main, doc):
    """Parses the flags and runs `main(argv)`; never returns.

    Args:
        main: callable that takes the arguments that are not flags.
        doc: str, the text that `--help` prints above the flags.
    """
    program = os.path.basename(sys.argv[0])
    if any(argument in ("--help", "-h", "-help", "--helpfull") for argument in sys.argv[1:]):
        print(f"{doc.strip()}\n\nflags:\n{_describe_flags(main.__module__)}")
        sys.exit(0)

    def parse(argv):
        try:
            return flags.FLAGS(argv)
        except UserError as error:
            _fail(program, error)
        except (flags.Error, OSError, AttributeError, KeyError, TypeError, ValueError) as error:
            if _is_bug(error):
                raise
            _fail(program, _explain(error, argv))

    def guarded(argv):
        if not flags.FLAGS["verbosity"].present:
            absl_logging.set_verbosity(absl_logging.WARNING)
        try:
            return main(argv)
        except UserError as error:
            _fail(program, error)

    app.run(guarded, flags_parser=parse)


def import_tensorflow():
    """Imports TensorFlow without its greetings, which would hide ours; TF_CPP_MIN_LOG_LEVEL=0 or 1 brings them back."""
    talkative = os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2") < "2"
    with contextlib.nullcontext() if talkative else quiet():
        import tensorflow as tf

        tf.config.list_physical_devices()
    if not talkative:
        tf.get_logger().setLevel(logging.WARNING)
    return tf


def required(flag):
    """Returns the value of a flag that has to be given.

    Raises:
        UserError: if it was not.
    """
    if flag.value is None:
        raise UserError(f"--{flag.name} is required; --help explains it. Received: nothing.")
    return flag.value


def loaded(flag):
    """Returns the config of a `config_flags` flag.

    Raises:
        UserError: if it was not given or its file cannot be read.
    """
    config = required(flag)
    try:
        config.is_locked  # noqa: B018 (a config whose file failed to load raises on any access)
    except OSError as error:
        reason = str(error).strip().splitlines()[-1].strip()
        raise UserError(f"--{flag.name} must name a Python file with get_config. Received: {reason}.") from error
    return config


def no_arguments(argv):
    """Raises UserError if something other than flags was given."""
    if len(argv) > 1:
        raise UserError(f"All input comes as --flag=value; --help lists the flags. Received: {' '.join(argv[1:])}.")


def _describe_flags(module):
    values = flags.FLAGS
    lines = []
    for flag in sorted(values.get_key_flags_for_module(module), key=lambda flag: flag.name):
        default = "" if flag.default is None else f" (default: {flag.default_as_str})"
        lines.append(f"  --{flag.name}: {flag.help}{default}")
    return "\n".join(lines)


def _explain(error, argv):
    """Returns the text of an error of the flag parser; an unknown key of the config, bare there, gets its sentence."""
    if not isinstance(error, KeyError | AttributeError):
        return error
    key = str(error.args[0]).replace("\\n", "\n").splitlines()[0].strip("'\"") if error.args else ""
    for argument in argv[1:]:
        flag = argument.lstrip("-").partition("=")[0]
        if flag.startswith("config.") and key in flag.split("."):
            return f"--{flag}: an override changes a key that the config file sets, and it sets no {key!r} there."
    return error


def _is_bug(error):
    """Whether an error while flags are parsed comes from the code of a config file rather than from the flags."""
    traceback = error.__traceback__
    while traceback.tb_next is not None:
        traceback = traceback.tb_next
    filename = traceback.tb_frame.f_code.co_filename
    return "absl" not in filename and "ml_collections" not in filename and not isinstance(error, OSError)


def _fail(program, error):
    print(f"{program}: error: {' '.join(str(error).split())}", file=sys.stderr)
    sys.stderr.flush()
    sys.exit(2)
