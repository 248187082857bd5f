"""Exceptions that mean "the input is at fault, not the program"."""

import struct
import tokenize
import zipfile
import zlib

# What reading a damaged archive (zip, npz, .keras) raises: also of encryption, of a compression that Python has not,
# and of an array's header.
ARCHIVE_DAMAGE = (
    *(OSError, EOFError, KeyError, ValueError, RuntimeError, struct.error, tokenize.TokenError),
    *(zipfile.BadZipFile, zlib.error),
)


class UserError(Exception):
    """Bad input: one line that says what is wrong, what was received and what would be right.

    The command lines print the line and exit with status 2, without a traceback; every other exception is a bug and
    keeps its traceback.
    """


class VerificationError(UserError):
    """A file that is not what it should be; it is not published."""
