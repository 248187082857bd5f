"""What every command line shares: flags that explain themselves, one clear line for bad input and for a signal.

Nothing here imports TensorFlow: `--help` and a wrong flag are answered at once.
"""

import errno
import importlib.metadata
import os
import platform
import re
import signal
import sys
import warnings

from absl import app, flags
from absl import logging as absl_logging

import odtf
from odtf import names, own_code, paths, stopping, terminal
from odtf.errors import UserError

# More than any phone or computer has for one image; what LiteRT is asked for, it starts.
MAX_THREADS = 256

# What absl says of a value of another type, in Python's words.
_NO_SUCH_TYPE = re.compile(
    r"flag --(\w+)=(.*): (?:invalid literal for int|could not convert string|\('Non-boolean|.*int string conversion)",
    re.DOTALL,
)
_SHOWN = 100

# Flags belong to the modules that call `define_...`.
flags.disclaim_key_flags()


def run(main, doc, more=None, about=None):
    """Parses the flags and runs `main(argv)`; never returns.

    Args:
        main: callable that takes the arguments that are not flags.
        doc: str, the text that `--help` prints above the flags.
        more: callable that returns what `--help` prints below them, or None.
        about: callable that returns what `--help` prints in place of all that, if the arguments that it is given name
            something to tell about, or None.
    """
    program = os.path.basename(sys.argv[0])
    terminal.keep_going()
    stopping.end_at_once()
    # In one line, without the line of the program that gave it.
    warnings.formatwarning = lambda message, *_, **__: f"warning: {' '.join(str(message).split())}\n"
    try:
        _run(program, main, doc, more, about)
    except stopping.Stopped as stopped:
        print(stopped)
        sys.exit(stopped.status)
    except KeyboardInterrupt as error:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # Another one while it exits needs no traceback.
        terminated = isinstance(error, stopping.Terminated)
        who, status = ("SIGTERM", stopping.TERMINATED) if terminated else ("Ctrl-C", stopping.INTERRUPTED)
        _end(f"{program}: stopped by {who}; the same command does what is left to do", status)


def _run(program, main, doc, more, about):
    if "--version" in sys.argv[1:]:
        print(_versions(program))
        sys.exit(0)
    if any(argument in ("--help", "-h", "-help", "--helpfull") for argument in sys.argv[1:]):
        try:
            told = about(sys.argv[1:]) if about is not None else None
        except UserError as error:
            _fail(program, error)
        print(told or _help(main, doc, more))
        sys.exit(0)

    def parse(argv):
        try:
            return flags.FLAGS(argv)
        except UserError as error:
            _fail(program, error)
        except (flags.Error, AttributeError, KeyError, TypeError, ValueError) as error:
            _fail(program, _explain(error))
        except OSError as error:
            _fail(program, _of_path(error))

    def guarded(argv):
        if not flags.FLAGS["verbosity"].present:
            absl_logging.set_verbosity(absl_logging.WARNING)
        try:
            return main(argv)
        except UserError as error:
            _fail(program, error)
        except OSError as error:
            _fail(program, _of_path(error))

    app.run(guarded, flags_parser=parse)


def _of_path(error):
    """Returns the line for a path that no system has, or that a store refuses, which is the user's wherever it shows.

    Any other error is raised.
    """
    if isinstance(error.filename, str) and paths.is_store(error.filename):
        return UserError(f"A store must be there and let itself be used. Received: {error.filename}: {error.strerror}.")
    if error.errno != errno.ENAMETOOLONG:
        raise error
    path = str(error.filename)
    return UserError(f"A path must be shorter. Received: {path[:40]}..., {len(path)} characters.")


def required(flag):
    """Returns the value of a flag that has to be given.

    Raises:
        UserError: if it was not.
    """
    if flag.value in (None, ""):
        received = "nothing" if flag.value is None else repr(flag.value)
        raise UserError(f"--{flag.name} is required; --help explains it. Received: {received}.")
    return flag.value


def define_allow_code(where):
    """Defines `--allow_code`, without which a workdir that names code that is not odtf's is refused.

    Args:
        where: words for the workdir that is read.
    """
    text = f"Whether {where} may name code that is not odtf's and have it run; it may come from somebody else."
    return flags.DEFINE_bool("allow_code", False, text)


def define_download():
    """Defines `--download`, without which nothing is fetched from a network."""
    return flags.DEFINE_bool("download", False, "Whether a TFDS set that is not prepared is downloaded and prepared.")


def define_choice(name, default, values, text):
    """Defines a flag that is one of several values, or a name of the user's own code."""
    holder = flags.DEFINE_enum(name, default, values, f"{text} Or {names.OWN}.")
    flags.FLAGS[name].parser = _Choice(values)
    return holder


class _Choice(flags.EnumParser):
    def parse(self, argument):
        if argument in self.enum_values or own_code.is_own(argument):
            return argument
        known = f"<{'|'.join(self.enum_values)}>{names.meant(argument, self.enum_values)}"
        raise ValueError(f"value should be one of {known}")


def no_arguments(argv):
    """Raises UserError if something other than flags was given."""
    if len(argv) > 1:
        raise UserError(f"All input comes as --flag=value; --help lists the flags. Received: {' '.join(argv[1:])}.")


def _versions(program):
    """Returns a program's name and version, and those of what it runs on, without importing any of it."""
    packages = []
    for package in ("tensorflow", "keras"):
        try:
            packages.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:  # It may be another distribution, a nightly one.
            packages.append(f"{package} of an unknown version")
    return f"{program} {odtf.__version__} (Python {platform.python_version()}, {', '.join(packages)})"


def _help(main, doc, more):
    below = f"\n\n{more()}" if more is not None else ""
    versions = "  --version: Print the versions of odtf, Python, TensorFlow and Keras."
    return f"{doc.strip()}\n\nflags:\n{_describe_flags(main.__module__)}\n{versions}{below}"


def _describe_flags(module):
    values = flags.FLAGS
    lines = []
    for flag in sorted(values.get_key_flags_for_module(module), key=lambda flag: flag.name):
        default = "" if flag.default is None else f" (default: {flag.default_as_str})"
        lines.append(f"  --{flag.name}: {flag.help}{default}")
    return "\n".join(lines)


def _explain(error):
    """Returns the text of an error of the flag parser; overrides of a config, whose errors are bare, get a sentence."""
    if isinstance(error, flags.UnrecognizedFlagError) and error.flagname.startswith("config."):
        return (
            f"--{error.flagname} changes a key of a config: --config=FILE must come before it. Received: no --config."
        )
    found = re.match(r"flag --(config\.\S+?)=(.*?): ", str(error), re.DOTALL) or _NO_SUCH_TYPE.match(str(error))
    if found is None:
        return error
    name, received = found.groups()
    # The message does not say where a value ends that has a colon in itself, as a mapping has.
    start = f"--{name}="
    received = next((text.removeprefix(start) for text in sys.argv if text.startswith(start)), received)
    kind = flags.FLAGS[name].flag_type()
    kinds = {"int": "an integer", "float": "a number", "bool": "True or False", "string": "a mapping {'key': value}"}
    return f"--{name} must be {kinds.get(kind, kind)}. Received: {_short(received)}."


def _short(text):
    return repr(text) if len(text) <= _SHOWN else f"{text[:_SHOWN]!r} and {len(text) - _SHOWN:,} characters more"


def _fail(program, error):
    _end(f"{program}: error: {' '.join(str(error).split())}", 2)


def _end(line, status):
    print(line, file=sys.stderr)
    sys.stderr.flush()
    sys.exit(status)
