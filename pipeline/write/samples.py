"""The documents that a report shows: the best under each reason to show one, chosen by numbers alone."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.records import SPAN

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

# How many documents each reason to show one brings. Together they are some 500, of which `report` shows what fits.
LOST_MOST: Final = 60
EACH_FLAG: Final = 25
EACH_LABEL: Final = 8
ANY: Final = 300
# A longer text is not kept for the report: a few hundred of them must fit into the memory of a build.
SHOWN_BYTES: Final = 100_000

SAMPLES: Final = pa.schema(
    [
        *(pa.field(name, pa.string()) for name in ("id", "source", "url", "title", "language", "text")),
        pa.field("word_count", pa.int32()),
        pa.field("flags", pa.list_(pa.string())),
        pa.field("removed", pa.list_(SPAN)),
        pa.field("kept_bytes", pa.int64()),
        pa.field("removed_bytes", pa.int64()),
    ]
)

# Sorts the documents under one reason, the best first: loss (negative), hash of the id, id.
Key = tuple[float, int, str]


class Pools:
    """For each reason to show a document the best so far, as rows of a table of samples.

    Reasons sort by how telling they are: flags, a great loss, each label, none at all.
    """

    def __init__(self, best: Mapping[str, Iterable[tuple[Key, int]]] | None = None) -> None:
        self._best = {reason: list(entries) for reason, entries in (best or {}).items()}

    @classmethod
    def from_json(cls, plain: Mapping[str, list[list[Any]]]) -> Self:
        """The pools that `to_json` gave."""
        return cls({reason: [(tuple(key), row) for *key, row in entries] for reason, entries in plain.items()})

    def to_json(self) -> dict[str, list[list[Any]]]:
        """The pools as plain values."""
        return {reason: [[*key, row] for key, row in entries] for reason, entries in self._best.items()}

    def merge(self, other: Pools, first: int) -> list[int]:
        """Take over what another table of samples has, and number anew what stays.

        Args:
            other: of another table.
            first: rows of the own table; those of the other one count on from there.

        Returns:
            The rows of both tables that stay, ascending: the new table is made of them.
        """
        for reason, entries in other._best.items():
            moved = [(key, row + first) for key, row in entries]
            self._best[reason] = sorted([*self._best.get(reason, ()), *moved])[: _size(reason)]
        stay = sorted({row for entries in self._best.values() for _, row in entries})
        place = {row: number for number, row in enumerate(stay)}
        self._best = {reason: [(key, place[row]) for key, row in entries] for reason, entries in self._best.items()}
        return stay

    def order(self) -> list[int]:
        """Every row once, the most telling first."""
        return list(dict.fromkeys(row for reason in sorted(self._best) for _, row in self._best[reason]))


def _size(reason: str) -> int:
    return {"0": EACH_FLAG, "1": LOST_MOST, "2": EACH_LABEL, "3": ANY}[reason[0]]


def choose(documents: pa.RecordBatch, removed: pa.ListArray) -> Pools:
    """The best documents of a batch under each reason, as rows of the batch.

    Args:
        documents: rows of `records.DOCUMENTS`.
        removed: a list of `records.SPAN` for each.
    """
    ids = documents["id"].to_pylist()
    hashes = _hashes(ids)
    loss = -np.asarray(pc.fill_null(documents["removed_ratio"], 0)).astype(np.float64)
    nothing = np.zeros(len(ids))
    best: dict[str, list[tuple[Key, int]]] = {}
    for reason, rows in _candidates(documents["flags"], loss, removed).items():
        worth = loss if reason == "1" else nothing
        rows = rows[np.lexsort((hashes[rows], worth[rows]))[: _size(reason)]]  # noqa: PLW2901 - the best of them
        best[reason] = [((float(worth[row]), int(hashes[row]), ids[row]), row) for row in rows.tolist()]
    return Pools(best)


def _hashes(ids: Iterable[str]) -> NDArray[np.uint64]:
    digests = [hashlib.blake2b(name.encode(), digest_size=8).digest() for name in ids]
    return np.frombuffer(b"".join(digests), ">u8").astype(np.uint64)


def _candidates(flags: pa.ListArray, loss: NDArray[np.float64], removed: pa.ListArray) -> dict[str, NDArray[np.intp]]:
    """The rows of a batch that have a reason to be shown, by reason."""
    found = {"1": np.flatnonzero(loss < 0), "3": np.arange(len(loss))}
    for group, lists, values in (("0", flags, flags.flatten()), ("2", removed, removed.flatten().field("label"))):
        owner, coded = np.asarray(pc.list_parent_indices(lists)), values.dictionary_encode()
        codes = np.asarray(coded.indices)
        for code, name in enumerate(coded.dictionary.to_pylist()):
            mask = np.zeros(len(loss), np.bool_)
            mask[owner[codes == code]] = True
            found[f"{group} {name}"] = np.flatnonzero(mask)
    return found


def samples(documents: pa.RecordBatch, removed: pa.ListArray, rows: pa.Array) -> pa.Table:
    """Some documents of a batch as rows of `SAMPLES`.

    Args:
        documents: rows of `records.DOCUMENTS`.
        removed: a list of `records.SPAN` for each.
        rows: int64[chosen].
    """
    documents, removed = documents.take(rows), removed.take(rows)
    spans = removed.flatten()
    size = np.asarray(pc.subtract(spans.field("end"), spans.field("start")))
    lost = np.bincount(np.asarray(pc.list_parent_indices(removed)), size, len(rows)).astype(np.int64)
    kept = pc.binary_length(documents["text"]).cast(pa.int64())
    columns = {name: documents[name] for name in SAMPLES.names if name in documents.schema.names}
    columns |= {"removed": removed, "kept_bytes": kept, "removed_bytes": pa.array(lost)}
    long = pa.array((np.asarray(kept) > SHOWN_BYTES) | (lost > SHOWN_BYTES))
    if pc.any(long).as_py():
        for name in ("text", "removed"):
            columns[name] = pc.if_else(long, pa.scalar(None, columns[name].type), columns[name])
    return pa.table([columns[name] for name in SAMPLES.names], schema=SAMPLES)
