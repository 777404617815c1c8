"""Thrift's compact protocol, as far as the headers and the footer of a Parquet file need it.

Everything is stepped over but what the caller asks for, so memory does not grow with what a file claims.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

# Types of values. Those of booleans in a struct are their values.
TRUE, FALSE, BYTE, I16, I32, I64, DOUBLE, BINARY, LIST, SET, MAP, STRUCT = range(1, 13)
_DEEPEST: Final = 16
# How many bytes they take; of booleans in a list one, elsewhere the type tells all.
_FIXED: Final = {TRUE: 0, FALSE: 0, BYTE: 1, DOUBLE: 8}


class Reader:
    """Steps through some bytes.

    Raises:
        IndexError: the bytes end too early.
        ValueError: they are no such struct.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.place = 0

    def fields(self) -> Iterator[tuple[int, int]]:
        """The fields of a struct, number and type; the caller has to take or skip the value of each."""
        field = 0
        while head := self._byte():
            field = field + (head >> 4) if head >> 4 else self.integer()
            yield field, head & 15

    def entries(self) -> tuple[int, int]:
        """How many entries the list has that comes next, and their type."""
        head = self._byte()
        return (head >> 4 if head >> 4 < 15 else self._varint()), head & 15

    def integer(self) -> int:
        """An integer of any width above a byte."""
        value = self._varint()
        return (value >> 1) ^ -(value & 1)

    def skip(self, kind: int, depth: int = 0) -> None:
        """Step over a value."""
        if depth > _DEEPEST:
            msg = "a header is nested too deeply"
            raise ValueError(msg)
        if kind in _FIXED:
            self._advance(_FIXED[kind])
        elif kind in (I16, I32, I64):
            self._varint()
        elif kind == BINARY:
            self._advance(self._varint())
        elif kind == STRUCT:
            for _, inner in self.fields():
                self.skip(inner, depth + 1)
        elif kind in (LIST, SET):
            count, inner = self.entries()
            self._skip_entries(count, (inner,), depth + 1)
        elif kind == MAP:
            count = self._varint()
            kinds = self._byte() if count else 0
            self._skip_entries(count, (kinds >> 4, kinds & 15), depth + 1)
        else:
            msg = f"a header holds a field of type {kind}"
            raise ValueError(msg)

    def _skip_entries(self, count: int, kinds: tuple[int, ...], depth: int) -> None:
        for _ in range(count):
            for kind in kinds:
                self.skip(BYTE if kind in (TRUE, FALSE) else kind, depth)

    def _byte(self) -> int:
        value = self._data[self.place]
        self.place += 1
        return value

    def _advance(self, count: int) -> None:
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
                msg = "a header holds a number that is too long"
                raise ValueError(msg)
