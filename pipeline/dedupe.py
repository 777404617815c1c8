"""Dedupe: repeated ids and equal texts; the earliest record in input order stays.

Each shard is reduced to fingerprints, 48 bytes a record and its id; all verdicts come from those alone. Large corpora
are worked through in partitions of the hash range, so memory stays bounded and the order of work does not matter.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa

from pipeline.records import DUPLICATE, QUARANTINE, replace_columns
from pipeline.strip.lines import string_buffer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

# 128 bits of SHA-256: two different texts with one key are not to be expected even among 10^15.
KEY_BYTES: Final = 16
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


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What dedupe says of the rows of one shard.

    Attributes:
        row: int64[verdicts], ascending.
        reason: a code of `records.DUPLICATE_REASONS` each, or `quarantined` for a clash of ids.
        quarantined: bool[verdicts], the id came earlier with another text.
        duplicate_of: id of the record that stays.
        similarity: float32[verdicts].
    """

    row: NDArray[np.int64]
    reason: list[str]
    quarantined: NDArray[np.bool_]
    duplicate_of: list[str]
    similarity: NDArray[np.float32]

    def digest(self) -> str:
        """Equal digests mean equal verdicts."""
        values = [
            self.row.tolist(),
            self.reason,
            self.quarantined.tolist(),
            self.duplicate_of,
            self.similarity.tolist(),
        ]
        return hashlib.sha256(json.dumps(values).encode()).hexdigest()


def fingerprints(batch: pa.RecordBatch, first_row: int) -> pa.RecordBatch:
    """The keys of the rows that have no outcome yet.

    Args:
        batch: rows of `records.RECORDS` after validate.
        first_row: position of the batch in its shard.

    Returns:
        Rows of `FINGERPRINTS`.
    """
    open_rows = np.flatnonzero(np.asarray(batch.column("outcome").is_null()))
    if len(open_rows) < len(batch):
        batch = batch.take(pa.array(open_rows))
    text_sha = batch.column("origin").field("text_sha256").to_pylist()
    ids = batch.column("id")
    return pa.RecordBatch.from_arrays(
        [
            pa.array(open_rows + first_row),
            ids,
            pa.array([_key(value.encode()) for value in ids.to_pylist()], KEY),
            pa.array([bytes.fromhex(value)[:KEY_BYTES] for value in text_sha], KEY),
            pa.array(_clean_keys(batch.column("text")), KEY),
        ],
        schema=FINGERPRINTS,
    )


def _key(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()[:KEY_BYTES]


def _clean_keys(texts: pa.StringArray) -> list[bytes]:
    buffer, base = string_buffer(texts)
    data, edges = buffer.tobytes(), base.tolist()
    return [_key(data[low:high].translate(_FOLD, _DROPPED)) for low, high in pairwise(edges)]


def find(tables: Sequence[Callable[[], pa.Table]], *, texts: bool, memory: int) -> list[Verdicts]:
    """Which records repeat an earlier one.

    Args:
        tables: for each shard in input order, a function that opens its fingerprints; mapped, so cheap to repeat.
        texts: also look for equal clean texts; repeated ids are always looked for.
        memory: bytes that may be used; decides into how many partitions the keys are split.

    Returns:
        The verdicts of each shard.
    """
    sizes = [table().num_rows for table in tables]
    edges = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    partitions = int(edges[-1]) * _BYTES_PER_RECORD // memory + 1
    repeated, original = _repeats(tables, edges, "id_key", partitions, np.zeros(0, np.int64))
    found = [(repeated, original, _code(repeated, _SAME_ID))]
    if len(repeated):
        other_text = _keys_at(tables, edges, "text_key", repeated) != _keys_at(tables, edges, "text_key", original)
        found[0][2][other_text.any(axis=1)] = _OTHER_TEXT
    if texts:
        same, first = _repeats(tables, edges, "clean_key", partitions, repeated)
        found.append((same, first, _code(same, _SAME_CLEAN_TEXT)))
    place, stays, code = (np.concatenate(parts) for parts in zip(*found, strict=True))
    order = np.argsort(place)
    return _by_shard(tables, edges, place[order], stays[order], code[order])


# Two uint64 of a key, its position, and what sorting them needs.
_BYTES_PER_RECORD: Final = 160
_SAME_ID, _OTHER_TEXT, _SAME_CLEAN_TEXT = range(3)
_REASONS: Final = ("duplicate-id", "duplicate-id", "exact")


def _code(places: NDArray[np.int64], code: int) -> NDArray[np.uint8]:
    return np.full(len(places), code, np.uint8)


def _repeats(
    tables: Sequence[Callable[[], pa.Table]],
    edges: NDArray[np.int64],
    column: str,
    partitions: int,
    leave_out: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Places whose key came earlier, and the place where it came first; places count over all shards."""
    repeated, original = [], []
    for partition in range(partitions):
        places, keys = _partition(tables, edges, column, (partition, partitions))
        stays = ~np.isin(places, leave_out)
        places, keys = places[stays], keys[stays]
        order = np.lexsort((places, keys[:, 1], keys[:, 0]))
        places, keys = places[order], keys[order]
        opens = np.concatenate([[True], (keys[1:] != keys[:-1]).any(axis=1)])[: len(places)]
        first = places[opens][np.cumsum(opens) - 1]
        repeated.append(places[~opens])
        original.append(first[~opens])
    return np.concatenate(repeated), np.concatenate(original)


def _partition(
    tables: Sequence[Callable[[], pa.Table]], edges: NDArray[np.int64], column: str, part: tuple[int, int]
) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
    """Places and keys, uint64[n, 2], of one partition of the key range."""
    places, keys = [np.zeros(0, np.int64)], [np.zeros((0, 2), np.uint64)]
    for table, start in zip(tables, edges[:-1], strict=True):
        own = _uint64(table().column(column))
        chosen = np.flatnonzero(own[:, 1] % np.uint64(part[1]) == part[0])
        places.append(chosen + start)
        keys.append(own[chosen])
    return np.concatenate(places), np.concatenate(keys)


def _uint64(column: pa.ChunkedArray) -> NDArray[np.uint64]:
    """A column of keys as uint64[rows, 2]."""
    parts = [
        np.frombuffer(chunk.buffers()[1], np.uint64).reshape(-1, 2)[chunk.offset : chunk.offset + len(chunk)]
        for chunk in column.chunks
    ]
    return np.concatenate([np.zeros((0, 2), np.uint64), *parts])


def _keys_at(
    tables: Sequence[Callable[[], pa.Table]], edges: NDArray[np.int64], column: str, places: NDArray[np.int64]
) -> NDArray[np.uint64]:
    keys = np.zeros((len(places), 2), np.uint64)
    for shard, chosen in _shards_of(edges, places):
        keys[chosen] = _uint64(tables[shard]().column(column))[places[chosen] - edges[shard]]
    return keys


def _shards_of(edges: NDArray[np.int64], places: NDArray[np.int64]) -> list[tuple[int, NDArray[np.intp]]]:
    """The shards that hold any of the places, each with the indices of its places."""
    shard = np.searchsorted(edges, places, side="right") - 1
    return [(int(number), np.flatnonzero(shard == number)) for number in np.unique(shard)]


def _by_shard(
    tables: Sequence[Callable[[], pa.Table]],
    edges: NDArray[np.int64],
    place: NDArray[np.int64],
    stays: NDArray[np.int64],
    code: NDArray[np.uint8],
) -> list[Verdicts]:
    """Verdicts on places over all shards, as verdicts on the rows of each shard."""
    ids = np.empty(len(stays), dtype=object)
    for shard, chosen in _shards_of(edges, stays):
        column = tables[shard]().column("id")
        ids[chosen] = column.take(pa.array(stays[chosen] - edges[shard])).to_pylist()
    verdicts = [_verdicts(np.zeros(0, np.int64), [], np.zeros(0, np.uint8)) for _ in tables]
    for shard, chosen in _shards_of(edges, place):
        rows = tables[shard]().column("row").take(pa.array(place[chosen] - edges[shard])).to_numpy()
        verdicts[shard] = _verdicts(rows, ids[chosen].tolist(), code[chosen])
    return verdicts


def _verdicts(rows: NDArray[np.int64], ids: list[str], code: NDArray[np.uint8]) -> Verdicts:
    reasons = [_REASONS[number] for number in code]
    return Verdicts(rows, reasons, code == _OTHER_TEXT, ids, np.ones(len(rows), np.float32))


def mark(batch: pa.RecordBatch, first_row: int, verdicts: Verdicts) -> pa.RecordBatch:
    """Set the outcome of the rows that repeat an earlier record.

    Args:
        batch: rows of `records.RECORDS`.
        first_row: position of the batch in its shard.
        verdicts: of the whole shard.
    """
    low, high = np.searchsorted(verdicts.row, [first_row, first_row + len(batch)])
    if low == high:
        return batch
    names = ("outcome", "reason", "detail", "duplicate_of", "similarity")
    columns = {name: batch.column(name).to_pylist() for name in names}
    for number in range(low, high):
        row, stays = int(verdicts.row[number]) - first_row, verdicts.duplicate_of[number]
        columns["reason"][row] = verdicts.reason[number]
        if verdicts.quarantined[number]:
            columns["outcome"][row] = QUARANTINE
            columns["detail"][row] = f"an earlier record has the id '{stays}' and another text"
        else:
            columns["outcome"][row] = DUPLICATE
            columns["duplicate_of"][row] = stays
            columns["similarity"][row] = float(verdicts.similarity[number])
    return replace_columns(
        batch, {name: pa.array(values, batch.schema.field(name).type) for name, values in columns.items()}
    )
