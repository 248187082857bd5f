"""A FlatBuffer builder that stores equal things once.

A FlatBuffer is a graph of tables, vectors and strings that refer to one another by offset, and nothing in the format
says that a thing has one referrer: the verifiers of LiteRT and TFLite Micro, and every reader, take a shared one as
they take two equal ones.
"""

import flatbuffers


class SharingBuilder(flatbuffers.Builder):
    """Builds a FlatBuffer in which no two tables, vectors or strings are equal.

    Whatever has just been written is taken back if an equal one is there already. Equal means that all its values are
    equal and all its references lead to the same things.
    """

    def __init__(self, initial_size=1 << 16):
        super().__init__(initial_size)
        self._written = {}
        self._start = 0
        self._content = []

    def CreateString(self, s, encoding="utf-8", errors="strict"):
        self._begin("string")
        self._content.append(s.encode(encoding, errors) if isinstance(s, str) else bytes(s))
        return super().CreateString(s, encoding, errors)

    def StartVector(self, elem_size, count, alignment):
        self._begin("vector", elem_size, count, alignment)
        return super().StartVector(elem_size, count, alignment)

    def EndVector(self, *args):
        kind = self._content[0]
        if kind == "vector" and len(self._content) == 4:  # of values: a vector of references has noted them
            size = self._content[1] * self._content[2]
            self._content.append(bytes(self.Bytes[self.head : self.head + size]))
        return self._share(super().EndVector(*args))

    def StartObject(self, numfields):
        self._begin("table")
        super().StartObject(numfields)

    def EndObject(self):
        key = tuple(self._content)
        if key in self._written:
            # Before its vtable is written, of which the builder itself keeps a list.
            self.assertNested()
            self.nested, self.current_vtable = False, None
            return self._share(None)
        return self._share(super().EndObject())

    def PrependUOffsetTRelative(self, off):
        if self._content[0] == "vector":
            self._content.append(off)
        super().PrependUOffsetTRelative(off)

    def PrependSlot(self, flags, o, x, d):
        super().PrependSlot(flags, o, x, d)
        if x != d or self.forceDefaults:
            # As it is stored: 1 and 1.0 are equal in Python and not in a file.
            self._content.append((o, bytes(self.Bytes[self.head : self.head + flags.bytewidth])))

    def PrependUOffsetTRelativeSlot(self, o, x, d):
        if x != d or self.forceDefaults:
            self._content.append((o, "reference", x))
        super().PrependUOffsetTRelativeSlot(o, x, d)

    def _begin(self, *content):
        self._start, self._content = self.Offset(), list(content)

    def _share(self, offset):
        """The place of an equal thing, and the new one taken back; or else the new one's own."""
        known = self._written.setdefault(tuple(self._content), offset)
        if known != offset:
            self.head = len(self.Bytes) - self._start
        return known
