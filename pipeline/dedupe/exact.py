"""Equal ids and equal texts: keys of records, and which of them came earlier."""

from __future__ import annotations

import hashlib
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa

from pipeline import kernels
from pipeline.shuffle import shuffled
from pipeline.strip.lines import string_buffer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

# 128 bits of SHA-256: two different texts with one key are not to be expected even among 10^15.
KEY_BYTES: Final = 16
_DIGEST_BYTES: Final = 32
KEY: Final = pa.binary(KEY_BYTES)
FINGERPRINTS: Final = pa.schema(
    [
        pa.field("row", pa.int64()),  # of the shard
        pa.field("id", pa.string()),
        pa.field("id_key", KEY),
        pa.field("text_key", KEY),  # of the input text
        pa.field("clean_key", KEY),  # of the clean text, normalised
    ]
)

# Equal apart from case, white space and control characters: one translation of bytes, no Unicode tables.
_FOLD: Final = bytes(byte + 32 if 65 <= byte <= 90 else byte for byte in range(256))  # A to Z
_DROPPED: Final = bytes((*range(33), 127))


def fingerprints(batch: pa.RecordBatch, first_row: int) -> pa.RecordBatch:
    """The keys of the rows that have no outcome yet.

    Args:
        batch: rows of `records.RECORDS` after validate.
        first_row: position of the batch in its shard.

    Returns:
        Rows of `FINGERPRINTS`.
    """
    rows, batch = open_rows(batch)
    text_sha = batch.column("origin").field("text_sha256").to_pylist()
    ids = batch.column("id")
    names, begin = string_buffer(ids)
    clean, first = folded(*string_buffer(batch.column("text")))
    return pa.RecordBatch.from_arrays(
        [
            pa.array(rows + first_row),
            ids,
            _keys(hashed(names.data, begin)),
            _keys(bytes.fromhex("".join(text_sha))),
            _keys(hashed(clean, first)),
        ],
        schema=FINGERPRINTS,
    )


def open_rows(batch: pa.RecordBatch) -> tuple[NDArray[np.intp], pa.RecordBatch]:
    """The rows that have no outcome yet: their positions, and a batch of them."""
    rows = np.flatnonzero(np.asarray(batch.column("outcome").is_null()))
    return rows, batch if len(rows) == len(batch) else batch.take(pa.array(rows))


def hashed(data: memoryview, base: NDArray[np.int64]) -> bytes:
    """SHA-256 of each text, 32 bytes each.

    Args:
        data: the texts, one after the other.
        base: int64[texts + 1], where each begins.
    """
    sha256 = hashlib.sha256
    return b"".join([sha256(data[low:high]).digest() for low, high in pairwise(base.tolist())])


def _keys(digests: bytes) -> pa.FixedSizeBinaryArray:
    """The first `KEY_BYTES` of digests of 32 bytes."""
    keys = np.frombuffer(digests, np.uint8).reshape(-1, _DIGEST_BYTES)[:, :KEY_BYTES]
    return pa.FixedSizeBinaryArray.from_buffers(KEY, len(keys), [None, pa.py_buffer(keys.tobytes())])


def folded(buffer: NDArray[np.uint8], base: NDArray[np.int64]) -> tuple[memoryview, NDArray[np.int64]]:
    """Texts in lower case (A to Z), without white space and control characters of ASCII.

    Args:
        buffer: the texts, one after the other.
        base: int64[texts + 1], where each begins.

    Returns:
        The same of the folded ones.
    """
    if kernels.compiled is not None:
        data, first = np.empty(len(buffer) + 1, np.uint8), np.empty(len(base), np.int64)
        kernels.compiled.fold_texts(buffer, base, data, first)
        return data.data, first
    raw = buffer.tobytes()
    parts = [raw[low:high].translate(_FOLD, _DROPPED) for low, high in pairwise(base.tolist())]
    return memoryview(b"".join(parts)), np.array([0, *accumulate(map(len, parts))], np.int64)


# Two uint64 of a key, its place, and what sorting them needs.
_BYTES_PER_RECORD: Final = 160


def repeats(
    tables: Sequence[Callable[[], pa.Table]],
    column: str,
    leave_out: NDArray[np.int64],
    memory: int,
    folder: Path | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Records whose key came earlier, and where it came first; places count over all shards.

    Args:
        tables: for each shard in input order a function that opens its fingerprints.
        column: the key.
        leave_out: places that do not count.
        memory: bytes that may be used; decides into how many partitions the keys are split.
        folder: where partitions are spilled.
    """
    partitions = sum(table().num_rows for table in tables) * _BYTES_PER_RECORD // memory + 1
    repeated, original = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for rows in shuffled(_keyed(tables, column, leave_out), partitions, 3, folder):
        own = rows[np.lexsort((rows[:, 2], rows[:, 1], rows[:, 0]))]
        opens = np.ones(len(own), np.bool_)
        opens[1:] = (own[1:, :2] != own[:-1, :2]).any(axis=1)
        places = own[:, 2].astype(np.int64)
        first = places[opens][np.cumsum(opens) - 1]
        repeated.append(places[~opens])
        original.append(first[~opens])
    return np.concatenate(repeated), np.concatenate(original)


def _keyed(
    tables: Sequence[Callable[[], pa.Table]], column: str, leave_out: NDArray[np.int64]
) -> Iterator[NDArray[np.uint64]]:
    """Key and place of every record, uint64[rows, 3], a shard at a time."""
    start = 0
    for table in tables:
        keys = as_integers(table().column(column))
        places = np.arange(start, start + len(keys))
        stays = ~np.isin(places, leave_out)
        yield np.column_stack([keys[stays], places[stays].astype(np.uint64)])
        start += len(keys)


def as_integers(column: pa.ChunkedArray) -> NDArray[np.uint64]:
    """A column of keys as uint64[rows, 2]."""
    parts = [
        np.frombuffer(chunk.buffers()[1], np.uint64).reshape(-1, 2)[chunk.offset : chunk.offset + len(chunk)]
        for chunk in column.chunks
    ]
    return np.concatenate([np.zeros((0, 2), np.uint64), *parts])
