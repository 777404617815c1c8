"""The sizes that the pages of a Parquet column chunk have, read from their headers before Arrow makes room for them.

Arrow allocates what a page header claims. The headers are Thrift structs in the compact protocol
(parquet-format, `PageHeader`); only their sizes and counts are looked at, the rest is stepped over.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pipeline.read.thrift import I16, I64, STRUCT, Reader

if TYPE_CHECKING:
    from collections.abc import Iterator

# Field numbers of PageHeader, and of the structs in it that count values in their first field.
_TYPE, _UNCOMPRESSED, _COMPRESSED = 1, 2, 3
_COUNTED: Final = (5, 7, 8)
_DICTIONARY: Final = 2
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
        reader = Reader(raw.read(min(size, stop - place)))
        try:
            return _numbers(reader), reader.place
        except IndexError:
            if size >= min(_LONGEST, stop - place):
                msg = "a page header is cut off"
                raise ValueError(msg) from None
            size *= 8


def _numbers(reader: Reader) -> dict[int, int]:
    """The integers of a struct by field; of a struct in it, its first field."""
    found: dict[int, int] = {}
    for field, kind in reader.fields():
        if I16 <= kind <= I64:
            found[field] = reader.integer()
        elif kind == STRUCT:
            for inner, its_kind in reader.fields():
                if inner == 1 and I16 <= its_kind <= I64:
                    found[field] = reader.integer()
                else:
                    reader.skip(its_kind)
        else:
            reader.skip(kind)
    return found
