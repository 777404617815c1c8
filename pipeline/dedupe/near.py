"""Near-duplicates: pairs that meet in a band, checked by their sketches, put together into groups.

Bands are shuffled by their keys, so memory is bounded and every pair that is looked at depends on the texts alone, not
on shards, workers or the order of work.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from pipeline.dedupe.signatures import BANDS, BINS, similarity
from pipeline.shuffle import shuffled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    import pyarrow as pa
    from numpy.typing import NDArray

# From which share of shingles on two texts are near-duplicates: the value of FineWeb, RefinedWeb and others.
THRESHOLD: Final = 0.8
# A key and a place of every band, and what sorting them needs.
_BYTES_PER_RECORD: Final = 48 * BANDS
# Two sketches of a pair, and what comparing them needs.
_BYTES_PER_PAIR: Final = 6 * BINS


def near_duplicates(
    tables: Sequence[Callable[[], pa.Table]], leave_out: NDArray[np.int64], memory: int, folder: Path | None = None
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """Texts that are nearly the same as an earlier one.

    Args:
        tables: for each shard in input order a function that opens its signatures.
        leave_out: places that are duplicates already; places count over all shards.
        memory: bytes that may be used.
        folder: where partitions are spilled.

    Returns:
        Their places, ascending, int64[duplicates]; the earliest text of the group of each, int64[duplicates]; how
        similar those two are, float32[duplicates].
    """
    edges = np.concatenate([[0], np.cumsum([table().num_rows for table in tables])]).astype(np.int64)
    sketches = _Sketches(tables, edges, max(memory // _BYTES_PER_PAIR, 1))
    partitions = int(edges[-1]) * _BYTES_PER_RECORD // memory + 1
    pairs = np.zeros((0, 2), np.int64)
    for rows in shuffled(_banded(tables, edges, leave_out), partitions, 2, folder):
        found = _candidates(rows)
        similar = found[sketches.compare(found) >= THRESHOLD]
        pairs = _unique_pairs(np.concatenate([pairs, similar]))
    place, stays = _groups(pairs)
    return place, stays, sketches.compare(np.stack([place, stays], axis=1))


def _banded(
    tables: Sequence[Callable[[], pa.Table]], edges: NDArray[np.int64], leave_out: NDArray[np.int64]
) -> Iterator[NDArray[np.uint64]]:
    """The key of every band of every text and the text's place, uint64[rows, 2], a shard at a time."""
    for table, start in zip(tables, edges[:-1], strict=True):
        bands = np.concatenate([np.zeros((0, BANDS), np.uint64), *_fixed(table().column("bands"), np.uint64)])
        places = np.arange(start, start + len(bands))
        stays = ~np.isin(places, leave_out)
        keys = bands[stays]
        yield np.stack([keys.ravel(), np.repeat(places[stays].astype(np.uint64), BANDS)], axis=1)


def _fixed(column: pa.ChunkedArray, kind: type[np.generic]) -> list[NDArray[np.generic]]:
    """The chunks of a column of fixed size as arrays of its items, without a copy."""
    width = column.type.byte_width // np.dtype(kind).itemsize
    return [
        np.frombuffer(chunk.buffers()[1], kind).reshape(-1, width)[chunk.offset : chunk.offset + len(chunk)]
        for chunk in column.chunks
    ]


def _candidates(rows: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Pairs of texts with the same key: each with the first of its key, and with the one before it.

    All pairs of a key would be a square; these two of each text connect whatever is alike.
    """
    order = np.lexsort((rows[:, 1], rows[:, 0]))
    key, place = rows[order, 0], rows[order, 1].astype(np.int64)
    same = np.flatnonzero(key[1:] == key[:-1]) + 1
    opens = np.concatenate([np.ones(min(1, len(key)), np.bool_), key[1:] != key[:-1]])
    first = place[np.flatnonzero(opens)][np.cumsum(opens)[same] - 1]
    pairs = np.concatenate([np.stack([first, place[same]], 1), np.stack([place[same - 1], place[same]], 1)])
    return _unique_pairs(pairs)


def _unique_pairs(pairs: NDArray[np.int64]) -> NDArray[np.int64]:
    pairs = pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]
    fresh = np.ones(len(pairs), np.bool_)
    fresh[1:] = (pairs[1:] != pairs[:-1]).any(axis=1)
    fresh &= pairs[:, 0] != pairs[:, 1]
    return pairs[fresh]


class _Sketches:
    """The sketches of all texts, read where they lie."""

    def __init__(self, tables: Sequence[Callable[[], pa.Table]], edges: NDArray[np.int64], at_once: int) -> None:
        self._tables = tables
        self._edges = edges
        self._at_once = at_once

    def compare(self, pairs: NDArray[np.int64]) -> NDArray[np.float32]:
        """How similar the two texts of each pair are, float32[pairs]."""
        parts = [np.zeros(0, np.float32)]
        for low in range(0, len(pairs), self._at_once):
            some = pairs[low : low + self._at_once]
            parts.append(similarity(self._take(some[:, 0]), self._take(some[:, 1])))
        return np.concatenate(parts)

    def _take(self, places: NDArray[np.int64]) -> NDArray[np.uint8]:
        result = np.zeros((len(places), BINS), np.uint8)
        shard = np.searchsorted(self._edges, places, side="right") - 1
        for number in np.unique(shard):
            chosen = np.flatnonzero(shard == number)
            rows = places[chosen] - self._edges[number]
            start = 0
            for chunk in _fixed(self._tables[number]().column("sketch"), np.uint8):
                inside = (rows >= start) & (rows < start + len(chunk))
                result[chosen[inside]] = chunk[rows[inside] - start]
                start += len(chunk)
        return result


def _groups(pairs: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The texts that are connected with an earlier one, and the earliest text of their group.

    >>> _groups(np.array([[1, 4], [4, 7], [2, 3]]))
    (array([3, 4, 7]), array([2, 1, 1]))
    """
    places, flat = np.unique(pairs, return_inverse=True)
    one, other = flat.reshape(-1, 2).T
    label = np.arange(len(places))
    while (label[one] != label[other]).any():
        low = np.minimum(label[one], label[other])
        np.minimum.at(label, label[one], low)
        np.minimum.at(label, label[other], low)
        while (label[label] != label).any():  # every text points to the root of its tree
            label = label[label]
    later = label != np.arange(len(places))
    return places[later], places[label[later]]
