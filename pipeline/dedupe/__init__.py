"""Dedupe: repeated ids, equal texts and near-duplicates; the earliest record in input order stays.

Each shard is reduced to fingerprints, 48 bytes a record and its id, and for near-duplicates to signatures of 672 bytes;
all verdicts come from those alone. Large corpora are worked through in partitions of the hash range, so memory stays
bounded and the order of work does not matter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa

from pipeline.dedupe.exact import FINGERPRINTS, as_integers, fingerprints, open_rows, repeats
from pipeline.dedupe.near import near_duplicates
from pipeline.dedupe.signatures import SIGNATURES, signatures
from pipeline.dedupe.verdicts import Verdicts, mark

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["FINGERPRINTS", "SIGNATURES", "Verdicts", "find", "fingerprints", "mark", "signatures_of"]

_SAME_ID, _OTHER_TEXT, _SAME_CLEAN_TEXT, _NEAR, _PUBLISHED = range(5)
_REASONS: Final = ("duplicate-id", "duplicate-id", "exact", "near", "published")


def signatures_of(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The signatures of the rows of which `fingerprints` gives the keys, in the same order."""
    return signatures(open_rows(batch)[1].column("text"))


def find(
    tables: Sequence[Callable[[], pa.Table]],
    *,
    texts: bool,
    memory: int,
    near: Sequence[Callable[[], pa.Table]] | None = None,
    published: int = 0,
    folder: Path | None = None,
) -> list[Verdicts]:
    """Which records repeat an earlier one.

    Args:
        tables: for each shard in input order, a function that opens its fingerprints; mapped, so cheap to repeat.
        texts: also look for equal clean texts; repeated ids are always looked for.
        memory: bytes that may be used; decides into how many partitions the keys are split.
        near: for each shard a function that opens its signatures, to look for near-duplicates too.
        published: so many of the first shards are an older corpus: it has no verdicts, and its ids do not count.
        folder: where partitions are spilled.

    Returns:
        The verdicts of each shard that is not published.
    """
    edges = np.concatenate([[0], np.cumsum([table().num_rows for table in tables])]).astype(np.int64)
    start = int(edges[published])
    repeated, original = repeats(tables[published:], "id_key", np.zeros(0, np.int64), memory, folder)
    repeated, original = repeated + start, original + start
    found = [_Found.of(repeated, original, _SAME_ID)]
    if len(repeated):
        other_text = _keys_at(tables, edges, "text_key", repeated) != _keys_at(tables, edges, "text_key", original)
        found[0].code[other_text.any(axis=1)] = _OTHER_TEXT
    if texts:
        found.append(_Found.of(*repeats(tables, "clean_key", repeated, memory, folder), _SAME_CLEAN_TEXT))
    if near is not None:
        gone = np.concatenate([one.place for one in found])
        place, stays, similarity = near_duplicates(near, gone, memory, folder)
        found.append(_Found(place, stays, np.full(len(place), _NEAR, np.uint8), similarity))
    whole = _resolved(found).without(start)
    whole.code[(whole.stays < start) & (whole.code > _OTHER_TEXT)] = _PUBLISHED
    return _by_shard(tables, edges, whole)[published:]


class _Found:
    """Places over all shards and what was found of them; ordered by nothing in particular."""

    def __init__(
        self,
        place: NDArray[np.int64],
        stays: NDArray[np.int64],
        code: NDArray[np.uint8],
        similarity: NDArray[np.float32],
    ) -> None:
        self.place = place
        self.stays = stays
        self.code = code
        self.similarity = similarity

    @classmethod
    def of(cls, place: NDArray[np.int64], stays: NDArray[np.int64], code: int) -> _Found:
        """Texts that are equal."""
        return cls(place, stays, np.full(len(place), code, np.uint8), np.ones(len(place), np.float32))

    def take(self, rows: NDArray[np.intp]) -> _Found:
        """Some of them."""
        return _Found(self.place[rows], self.stays[rows], self.code[rows], self.similarity[rows])

    def without(self, start: int) -> _Found:
        """Those from a place on, in order."""
        order = np.argsort(self.place, kind="stable")
        return self.take(order[self.place[order] >= start])


def _resolved(found: list[_Found]) -> _Found:
    """All that was found, each pointing to a record that stays.

    What equals a near-duplicate is one of the same text. A clash of ids keeps the record it clashes with.
    """
    whole = found.pop()
    while found:
        one = found.pop()
        order = np.argsort(whole.place)
        spot = np.minimum(np.searchsorted(whole.place[order], one.stays), max(len(order) - 1, 0))
        moved = np.flatnonzero(one.code != _OTHER_TEXT) if len(order) else np.zeros(0, np.intp)
        moved = moved[whole.place[order][spot[moved]] == one.stays[moved]]
        target = order[spot[moved]]
        one.stays[moved], one.similarity[moved] = whole.stays[target], whole.similarity[target]
        renamed = one.code[moved] == _SAME_CLEAN_TEXT
        one.code[moved[renamed]] = whole.code[target[renamed]]
        columns = ((getattr(one, name), getattr(whole, name)) for name in ("place", "stays", "code", "similarity"))
        whole = _Found(*(np.concatenate(pair) for pair in columns))
    return whole


def _keys_at(
    tables: Sequence[Callable[[], pa.Table]], edges: NDArray[np.int64], column: str, places: NDArray[np.int64]
) -> NDArray[np.uint64]:
    keys = np.zeros((len(places), 2), np.uint64)
    for shard, chosen in _shards_of(edges, places):
        keys[chosen] = as_integers(tables[shard]().column(column))[places[chosen] - edges[shard]]
    return keys


def _shards_of(edges: NDArray[np.int64], places: NDArray[np.int64]) -> list[tuple[int, NDArray[np.intp]]]:
    """The shards that hold any of the places, each with the indices of its places."""
    shard = np.searchsorted(edges, places, side="right") - 1
    return [(int(number), np.flatnonzero(shard == number)) for number in np.unique(shard)]


def _by_shard(tables: Sequence[Callable[[], pa.Table]], edges: NDArray[np.int64], found: _Found) -> list[Verdicts]:
    """Verdicts on places over all shards, as verdicts on the rows of each shard."""
    ids = np.empty(len(found.stays), dtype=object)
    for shard, chosen in _shards_of(edges, found.stays):
        column = tables[shard]().column("id")
        ids[chosen] = column.take(pa.array(found.stays[chosen] - edges[shard])).to_pylist()
    verdicts = [_verdicts(np.zeros(0, np.int64), [], found.take(np.zeros(0, np.intp))) for _ in tables]
    for shard, chosen in _shards_of(edges, found.place):
        rows = tables[shard]().column("row").take(pa.array(found.place[chosen] - edges[shard])).to_numpy()
        verdicts[shard] = _verdicts(rows, ids[chosen].tolist(), found.take(chosen))
    return verdicts


def _verdicts(rows: NDArray[np.int64], ids: list[str], found: _Found) -> Verdicts:
    reasons = [_REASONS[number] for number in found.code]
    return Verdicts(rows, reasons, found.code == _OTHER_TEXT, ids, found.similarity)
