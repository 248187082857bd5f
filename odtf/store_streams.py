"""Files of a store as Python reads and writes them: `odtf.store_path.StorePath.open`."""

import io

from odtf.file_systems import told


class Reading(io.RawIOBase):
    """A file that is read, with `seek`.

    Args:
        path: `odtf.store_path.StorePath`.

    Raises:
        OSError: if it is not there; so do the methods.
    """

    def __init__(self, path):
        super().__init__()
        self._path, self._file = path, None
        with told(path):
            self._file = path.gfile.GFile(str(path), "rb")
            self._size = self._file.size()
        self._at = 0  # Where TensorFlow's file is: to seek may cost it what it has read ahead.
        self._position = 0

    def readable(self):
        return True

    def seekable(self):
        return True

    def seek(self, offset, whence=io.SEEK_SET):
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = max(0, start + offset)
        return self._position

    def tell(self):
        return self._position

    def readinto(self, buffer):
        with told(self._path):
            if self._position != self._at:
                self._file.seek(min(self._position, self._size))
            content = self._file.read(len(buffer))
        buffer[: len(content)] = content
        self._position += len(content)
        self._at = self._position
        return len(content)

    def close(self):
        if self._file is not None:
            self._file.close()
            self._file = None
        super().close()


class Writing(io.RawIOBase):
    """A file that is written, from front to back; how much was, is counted here: a store's file does not say it.

    Args:
        path: `odtf.store_path.StorePath`.
        kind: "w", or "a" to go on at the end of what is there.

    Raises:
        OSError: if it cannot be written; so do the methods.
    """

    def __init__(self, path, kind):
        super().__init__()
        self._path, self._position, self._file = path, 0, None
        with told(path):
            if kind == "w":
                path.make_room()
            elif path.exists():
                self._position = path.stat().st_size
            self._file = path.gfile.GFile(str(path), f"{kind}b")
            self._file.write(b"")  # TensorFlow opens it now, not with the first byte.

    def writable(self):
        return True

    def tell(self):
        return self._position

    def write(self, content):
        with told(self._path):
            self._file.write(bytes(content))
        self._position += len(content)
        return len(content)

    def flush(self):
        if self._file is not None:
            with told(self._path):
                self._file.flush()

    def close(self):
        file, self._file = self._file, None
        try:
            if file is not None:
                with told(self._path):
                    file.close()
        finally:
            super().close()
