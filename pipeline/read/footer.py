"""Where the column chunks of a Parquet file lie, read from its footer.

Arrow tells it too, but where a chunk says of itself what cannot be, or is encrypted, asking Arrow ends the process: an
exception of C++ that nothing catches (pyarrow 26, `ColumnChunk` in `includes/libparquet.pxd`). Reading rows is safe.
The footer is a Thrift struct (parquet-format, `FileMetaData`).
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from pipeline.read.thrift import I32, I64, LIST, STRUCT, Reader

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Physical type, bytes as stored, where the data begin, and where the dictionary does: the last axis of what is found.
TYPE, STORED, DATA, DICTIONARY = range(4)
UNKNOWN: Final = -1
BYTE_ARRAY: Final = 6

# Field numbers of FileMetaData, RowGroup and ColumnChunk, and of ColumnMetaData with the types they have.
_ROW_GROUPS, _COLUMNS, _META_DATA, _CRYPTO_META_DATA = 4, 1, 3, 8
_WANTED: Final = {(1, I32): TYPE, (7, I64): STORED, (9, I64): DATA, (11, I64): DICTIONARY}
# The length of the footer and the magic bytes stand behind it.
_TAIL: Final = 8


def column_chunks(raw: Any, groups: int, columns: int) -> NDArray[np.int64]:
    """Of each column chunk `TYPE`, `STORED`, `DATA` and `DICTIONARY`, int64[groups, columns, 4].

    Args:
        raw: the file, whose footer Arrow has read.
        groups: how many row groups Arrow found.
        columns: how many columns.

    Raises:
        ValueError: the footer is damaged, or a column cannot be read.
    """
    end = raw.seek(0, 2)
    raw.seek(end - _TAIL)
    size = int.from_bytes(raw.read(4), "little")
    raw.seek(end - _TAIL - size)
    try:
        return _column_chunks(raw.read(size), groups, columns)
    except IndexError:
        msg = "the footer ends too early"
        raise ValueError(msg) from None


@lru_cache(maxsize=1)  # a file is read row group by row group
def _column_chunks(footer: bytes, groups: int, columns: int) -> NDArray[np.int64]:
    if groups * columns > len(footer):  # each takes a byte at least
        msg = "the footer is too short for its row groups"
        raise ValueError(msg)
    reader = Reader(footer)
    found = np.full((groups, columns, len(_WANTED)), UNKNOWN, np.int64)
    for field, kind in reader.fields():
        if (field, kind) == (_ROW_GROUPS, LIST):
            _expect(reader, groups, "row groups")
            for group in found:
                _read_group(reader, group)
        else:
            reader.skip(kind)
    if (found[:, :, :DICTIONARY] < 0).any():
        msg = "a column does not say where it lies"
        raise ValueError(msg)
    return found


def _read_group(reader: Reader, group: NDArray[np.int64]) -> None:
    for field, kind in reader.fields():
        if (field, kind) == (_COLUMNS, LIST):
            _expect(reader, len(group), "columns")
            for chunk in group:
                chunk[:] = UNKNOWN
                _read_chunk(reader, chunk)
        else:
            reader.skip(kind)


def _read_chunk(reader: Reader, chunk: NDArray[np.int64]) -> None:
    for field, kind in reader.fields():
        if field == _CRYPTO_META_DATA:
            msg = "a column is encrypted"
            raise ValueError(msg)
        if (field, kind) != (_META_DATA, STRUCT):
            reader.skip(kind)
            continue
        for inner in reader.fields():
            if inner in _WANTED:
                chunk[_WANTED[inner]] = reader.integer()
            else:
                reader.skip(inner[1])


def _expect(reader: Reader, count: int, what: str) -> None:
    if reader.entries() != (count, STRUCT):
        msg = f"the footer has not the {what} that it says it has"
        raise ValueError(msg)
