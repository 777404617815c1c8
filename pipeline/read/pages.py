"""The sizes that the pages of a Parquet column chunk have, read from their headers before Arrow makes room for them.

Arrow allocates what a page header claims. The headers are Thrift structs in the compact protocol
(parquet-format, `PageHeader`); only their sizes and counts are looked at, the rest is stepped over.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

# Field numbers of PageHeader, and of the structs in it that count values in their first field.
_TYPE, _UNCOMPRESSED, _COMPRESSED = 1, 2, 3
_COUNTED: Final = (5, 7, 8)
_DICTIONARY: Final = 2
# Thrift's compact types.
_STOP, _TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = 0, 1, 2, 3, 7, 8, 9, 10, 11, 12
_DEEPEST: Final = 16
# Nearly all headers are below 100 bytes; statistics of long texts make some longer.
_PEEK: Final = 512
_LONGEST: Final = 16 << 20


@dataclass(frozen=True, slots=True)
class Page:
    """What a page header claims.

    Attributes:
        dictionary: it is a dictionary page.
        uncompressed: bytes once it is decompressed.
        values: how many values or levels it codes.
    """

    dictionary: bool
    uncompressed: int
    values: int


def walk(raw: Any, start: int, stop: int) -> Iterator[Page]:
    """The pages between two offsets of a file.

    Raises:
        ValueError: the headers make no sense.
    """
    place = start
    while place < stop:
        header, size = _header(raw, place, stop)
        compressed = header.get(_COMPRESSED, -1)
        if compressed < 0 or header.get(_UNCOMPRESSED, -1) < 0:
            msg = "a page header has no size"
            raise ValueError(msg)
        values = max((header.get(field, 0) for field in _COUNTED), default=0)
        yield Page(header.get(_TYPE) == _DICTIONARY, header[_UNCOMPRESSED], values)
        place += size + compressed


def _header(raw: Any, place: int, stop: int) -> tuple[dict[int, int], int]:
    """The numbers of a page header by field, and its length."""
    size = _PEEK
    while True:
        raw.seek(place)
        reader = _Reader(raw.read(min(size, stop - place)))
        try:
            return reader.struct(0), reader.place
        except IndexError:
            if size >= min(_LONGEST, stop - place):
                msg = "a page header is cut off"
                raise ValueError(msg) from None
            size *= 8


class _Reader:
    """Steps through Thrift's compact protocol.

    Raises:
        IndexError: the bytes end too early.
        ValueError: they are no such struct.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.place = 0

    def struct(self, depth: int) -> dict[int, int]:
        """The integers of a struct by field; of a struct in it, its first field."""
        found: dict[int, int] = {}
        field = 0
        while kind := self._byte():
            field = field + (kind >> 4) if kind >> 4 else self._zigzag()
            value = self._value(kind & 15, depth)
            if value is not None:
                found[field] = value
        return found

    def _value(self, kind: int, depth: int) -> int | None:
        if depth > _DEEPEST:
            msg = "a page header is nested too deeply"
            raise ValueError(msg)
        if kind in (_TRUE, _FALSE):
            return None
        if _BYTE < kind < _DOUBLE:
            return self._zigzag()
        if kind == _STRUCT:
            return self.struct(depth + 1).get(1)
        if kind in (_LIST, _SET):
            self._entries(depth)
        elif kind in (_BYTE, _DOUBLE, _BINARY):
            self._skip({_BYTE: 1, _DOUBLE: 8}.get(kind) or self._varint())
        else:
            msg = f"a page header holds a field of type {kind}"
            raise ValueError(msg)
        return None

    def _entries(self, depth: int) -> None:
        head = self._byte()
        count = head >> 4 if head >> 4 < 15 else self._varint()
        for _ in range(count):
            if head & 15 in (_TRUE, _FALSE):
                self._byte()
            else:
                self._value(head & 15, depth + 1)

    def _byte(self) -> int:
        value = self._data[self.place]
        self.place += 1
        return value

    def _skip(self, count: int) -> None:
        self.place += count
        if self.place > len(self._data):
            raise IndexError

    def _varint(self) -> int:
        value = shift = 0
        while True:
            byte = self._byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7
            if shift > 63:
                msg = "a page header holds a number that is too long"
                raise ValueError(msg)

    def _zigzag(self) -> int:
        value = self._varint()
        return (value >> 1) ^ -(value & 1)
