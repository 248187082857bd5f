"""What a run writes while it goes, on a disk that is full."""

import pathlib

import pytest

from odtf.errors import UserError
from odtf.training.logs import Log


@pytest.mark.skipif(not pathlib.Path("/dev/full").exists(), reason="no /dev/full")
def test_the_line_of_a_full_disk_is_what_one_sees(tmp_path):
    """The file holds what it could not write, and would complain again when it is closed."""
    log = Log(tmp_path)
    log.start(0, 10)
    log._file.close()
    log._file = open("/dev/full", "w")  # noqa: SIM115 (closed by the log)
    with pytest.raises(UserError, match=r"^Cannot write .*log\.jsonl: No space left on device"):
        try:
            log.values(1, "train", {"loss": 1.0})
        finally:
            log.close()
