"""What the report shows of a dataset, read from its finished parts: sums, and samples of a bounded size.

Nothing here is random and nothing asks the clock: a sample is what lost most, or what has the smallest hash of its id,
so the same tables give the same facts, whatever the workers and batches. Memory is bounded by one row group and the
samples; the time is that of reading the two tables once.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

# How many documents each reason to show one brings. Together they are some 500, of which `report` shows what fits.
LOST_MOST: Final = 60
EACH_FLAG: Final = 25
EACH_LABEL: Final = 8
ANY: Final = 300
EACH_REASON: Final = 12  # of the records in quarantine

LINE_CHARACTERS: Final = 200  # removed lines that agree so far are counted as one
# Over so many different lines or sources the rarest are forgotten, or counted as others.
COUNTED: Final = 200_000
REMEMBERED: Final = 20_000
# A longer text is not kept for the report: a few hundred of them must fit into the memory of a build.
SHOWN_BYTES: Final = 100_000

_DOCUMENT_COLUMNS: Final = ["id", "source", "url", "title", "language", "text", "word_count", "removed_ratio", "flags"]
_SPAN_COLUMNS: Final = ["document_id", "start", "end", "text", "label", "evidence", "score"]
_QUARANTINE_COLUMNS: Final = ["id", "source", "reason", "detail", "origin.uri", "origin.index"]

# Sorts the documents of one sample; the smallest stay.
Key = tuple[float, int, str]


@dataclass(slots=True)
class Document:
    """A document to show.

    Attributes:
        part: number of its part among those that were given.
        row: its columns; `text` is None when it, or what was removed, is longer than SHOWN_BYTES.
        kept_bytes: of its clean text.
        spans: what was removed from it, as rows of the ledger; only of a text that is shown.
        removed_bytes: all that was removed from it.
    """

    part: int
    row: dict[str, Any]
    kept_bytes: int
    spans: list[dict[str, Any]] = field(default_factory=list)
    removed_bytes: int = 0

    def take(self, span: dict[str, Any]) -> None:
        """Add a removed span, as long as there is room for it."""
        self.removed_bytes += span["end"] - span["start"]
        if self.removed_bytes > SHOWN_BYTES:
            self.row["text"] = None
            self.spans.clear()
        else:
            self.spans.append(span)


@dataclass(frozen=True, slots=True)
class Facts:
    """What the report shows beside the counts of the manifest.

    Attributes:
        sources: name (None: unknown), documents, bytes kept, bytes removed; what lost most bytes first.
        other_sources: how many rare sources are left out of `sources`.
        lines: label, text and number of the lines that were removed most often.
        documents: samples, the most telling first: flagged, lost most, some of each label, any.
        quarantine: samples of each reason.
    """

    sources: list[tuple[str | None, int, int, int]]
    other_sources: int
    lines: list[tuple[str, str, int]]
    documents: list[Document]
    quarantine: list[dict[str, Any]]


def collect(folder: Path, parts: Iterable[str], *, sources: int, lines: int) -> Facts:
    """The facts of a dataset folder.

    Args:
        folder: where its tables are.
        parts: its Parquet files, such as `documents/part-00000.parquet`, in order.
        sources: how many sources to give at most.
        lines: how many lines to give at most.
    """
    by_table = defaultdict(list)
    for name in parts:
        by_table[name.partition("/")[0]].append(name)
    samples, seen = _Samples(), _Sources()
    counted = _Lines()
    ledgers = {name.rpartition("/")[2]: folder / name for name in by_table["removed"]}
    documents = by_table["documents"]
    for number, name in enumerate(documents):
        ledger = ledgers.get(name.rpartition("/")[2])
        of_label = _read_ledger(ledger, counted) if ledger else {}
        _read_documents(folder / name, number, of_label, samples, seen)
    chosen = samples.chosen()
    _add_spans(chosen, [ledgers.get(name.rpartition("/")[2]) for name in documents])
    ordered, others = seen.largest(sources)
    quarantine = list(_quarantined(folder / name for name in by_table["quarantine"]))
    return Facts(ordered, others, counted.most_often(lines), chosen, quarantine)


def _groups(file: Path, columns: Sequence[str], dictionaries: Sequence[str] = ()) -> Iterator[pa.Table]:
    with pq.ParquetFile(file, read_dictionary=list(dictionaries)) as opened:
        for group in range(opened.num_row_groups):
            yield opened.read_row_group(group, columns=list(columns), use_threads=False)


def _numbers(column: pa.ChunkedArray | pa.Array) -> np.ndarray:
    """A column of numbers without nulls; NumPy's own way to them would import pandas."""
    whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    return whole.to_numpy(zero_copy_only=False)


def _hash(name: str) -> int:
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "big")


class _Samples:
    """The best documents under each reason to show one, as far as was read."""

    def __init__(self) -> None:
        self._pools: dict[str, list[tuple[Key, Document]]] = {}

    def offer(self, pool: str, size: int, offered: Iterable[tuple[Key, Document]]) -> None:
        """Let a pool of this size know more documents."""
        merged = sorted([*self._pools.get(pool, ()), *offered], key=lambda entry: entry[0])
        self._pools[pool] = merged[:size]

    def chosen(self) -> list[Document]:
        """Each document once: pools by name, the flagged ones first."""
        found = [entry for name in sorted(self._pools) for entry in self._pools[name]]
        return list({document.row["id"]: document for _, document in found}.values())


def _read_ledger(file: Path, counted: _Lines) -> dict[str, list[str]]:
    """Count the lines of a part of the ledger; returns, for each label, the ids of some documents that have it."""
    best: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for table in _groups(file, ["document_id", "label", "text"], ["document_id", "label"]):
        counted.add(table["label"].cast(pa.string()), table["text"])
        owners, labels = (table[name].combine_chunks() for name in ("document_id", "label"))
        owner, label = (_numbers(column.indices) for column in (owners, labels))
        names = owners.dictionary.to_pylist()
        hashes = np.fromiter(map(_hash, names), np.uint64, len(names))
        for code, text in enumerate(labels.dictionary.to_pylist()):
            having = np.unique(owner[label == code])
            few = having[np.argsort(hashes[having], kind="stable")[:EACH_LABEL]].tolist()
            best[text] = sorted({*best[text], *((int(hashes[row]), names[row]) for row in few)})[:EACH_LABEL]
    return {text: [name for _, name in entries] for text, entries in best.items()}


def _read_documents(file: Path, number: int, of_label: dict[str, list[str]], samples: _Samples, seen: _Sources) -> None:
    for table in _groups(file, _DOCUMENT_COLUMNS):
        kept = _numbers(pc.binary_length(table["text"])).astype(np.int64)
        ratio = _numbers(pc.fill_null(table["removed_ratio"], 0)).astype(np.float64)
        seen.add(table["source"], kept, np.rint(kept * ratio / np.maximum(1 - ratio, 1e-9)).astype(np.int64))
        ids = table["id"].to_pylist()
        hashes = np.fromiter(map(_hash, ids), np.uint64, len(ids))
        place = {name: row for row, name in enumerate(ids)}
        flags: dict[str, list[int]] = defaultdict(list)
        for row in np.flatnonzero(_numbers(pc.fill_null(pc.list_value_length(table["flags"]), 0))).tolist():
            for flag in table["flags"][row].as_py():
                flags[flag].append(row)
        by_loss = np.lexsort((hashes, -ratio))[:LOST_MOST]
        wanted = {
            **{f"0 {flag}": (EACH_FLAG, rows) for flag, rows in flags.items()},
            "1": (LOST_MOST, by_loss[ratio[by_loss] > 0].tolist()),
            **{
                f"2 {label}": (EACH_LABEL, [place[name] for name in names if name in place])
                for label, names in of_label.items()
            },
            "3": (ANY, np.argsort(hashes, kind="stable")[:ANY].tolist()),
        }
        best = {
            pool: sorted(rows, key=lambda row: (hashes[row], ids[row]))[:size] if pool[0] in "02" else rows
            for pool, (size, rows) in wanted.items()
        }
        chosen = sorted({row for rows in best.values() for row in rows})
        made = dict(zip(chosen, _made(table.take(pa.array(chosen, pa.int64())), number), strict=True))
        for pool, rows in best.items():
            keys = [(-ratio[row] if pool == "1" else 0.0, int(hashes[row]), ids[row]) for row in rows]
            samples.offer(pool, wanted[pool][0], zip(keys, (made[row] for row in rows), strict=True))


def _made(table: pa.Table, part: int) -> Iterator[Document]:
    """A document of each row."""
    kept = pc.binary_length(table["text"]).to_pylist()
    short = pc.if_else(pc.less_equal(pc.binary_length(table["text"]), SHOWN_BYTES), table["text"], None)
    shown = table.set_column(table.schema.get_field_index("text"), "text", short)
    for row, size in zip(shown.select(_DOCUMENT_COLUMNS).to_pylist(), kept, strict=True):
        yield Document(part, row, size)


def _add_spans(chosen: list[Document], ledgers: Sequence[Path | None]) -> None:
    """Read what was removed from the chosen documents."""
    by_part: dict[int, dict[str, Document]] = defaultdict(dict)
    for document in chosen:
        by_part[document.part][document.row["id"]] = document
    for part, documents in by_part.items():
        ledger = ledgers[part]
        for table in _groups(ledger, _SPAN_COLUMNS, ["document_id", "label"]) if ledger else ():
            ids = table["document_id"].cast(pa.string())
            hits = pc.is_in(ids, value_set=pa.array(list(documents), pa.string()))
            for span in table.filter(hits).to_pylist():
                documents[span.pop("document_id")].take(span)


class _Lines:
    """How often each line was removed, as a table that is summed up whenever it grows long."""

    def __init__(self) -> None:
        self._rows: list[pa.Table] = []
        self._size = 0

    def add(self, labels: pa.ChunkedArray, texts: pa.ChunkedArray) -> None:
        """Count the removed lines of a row group."""
        lines = pc.utf8_slice_codeunits(pc.utf8_trim_whitespace(texts), 0, LINE_CHARACTERS)
        ones = pa.array(np.ones(len(lines), np.int64))
        self._rows.append(self._summed(pa.table({"label": labels, "line": lines, "count": ones})))
        self._size += self._rows[-1].num_rows
        if self._size > COUNTED:
            self._rows = [self._largest(REMEMBERED)]
            self._size = self._rows[0].num_rows

    def most_often(self, number: int) -> list[tuple[str, str, int]]:
        """Label, text and count of the lines that came back, the most frequent first."""
        table = self._largest(number)
        rows = zip(table["label"].to_pylist(), table["line"].to_pylist(), table["count"].to_pylist(), strict=True)
        return [(label, line, count) for label, line, count in rows if count > 1]

    def _largest(self, number: int) -> pa.Table:
        if not self._rows:
            return pa.table({"label": [], "line": [], "count": []})
        table = self._summed(pa.concat_tables(self._rows))
        order = [("count", "descending"), ("line", "ascending"), ("label", "ascending")]
        # Sorting all would cost more than counting them: the rare ones are left out first.
        counts = _numbers(table["count"])
        if len(counts) > number:
            least = int(np.partition(counts, len(counts) - number)[len(counts) - number])
            table = table.filter(pc.greater_equal(table["count"], max(least, 2)))
        return table.sort_by(order).slice(0, number)

    @staticmethod
    def _summed(table: pa.Table) -> pa.Table:
        summed = table.group_by(["label", "line"], use_threads=False).aggregate([("count", "sum")])
        return summed.select(["label", "line", "count_sum"]).rename_columns(["label", "line", "count"])


class _Sources:
    """Documents, bytes kept and bytes removed of each source."""

    def __init__(self) -> None:
        self._known: dict[str | None, tuple[int, int, int]] = {}
        self._forgotten = 0

    def add(self, sources: pa.ChunkedArray, kept: np.ndarray, removed: np.ndarray) -> None:
        """Count the documents of a row group."""
        table = pa.table({"source": sources, "kept": kept, "removed": removed})
        summed = table.group_by("source", use_threads=False).aggregate(
            [([], "count_all"), ("kept", "sum"), ("removed", "sum")]
        )
        for row in summed.to_pylist():
            documents, kept_bytes, removed_bytes = self._known.get(row["source"], (0, 0, 0))
            self._known[row["source"]] = (
                documents + row["count_all"],
                kept_bytes + row["kept_sum"],
                removed_bytes + row["removed_sum"],
            )
        if len(self._known) > COUNTED:
            self._forgotten += len(self._known) - REMEMBERED
            self._known = {row[0]: row[1:] for row in self._ordered()[:REMEMBERED]}

    def largest(self, number: int) -> tuple[list[tuple[str | None, int, int, int]], int]:
        """The sources that lost most bytes, and how many others there are."""
        ordered = self._ordered()
        return ordered[:number], max(len(ordered) - number, 0) + self._forgotten

    def _ordered(self) -> list[tuple[str | None, int, int, int]]:
        rows = [(name, *numbers) for name, numbers in self._known.items()]
        return sorted(rows, key=lambda row: (-row[3], -row[1], row[0] or ""))


def _quarantined(files: Iterable[Path]) -> Iterator[dict[str, Any]]:
    """The first records of each reason."""
    shown: dict[str, int] = defaultdict(int)
    for file in files:
        for table in _groups(file, _QUARANTINE_COLUMNS):
            for reason in sorted(pc.unique(table["reason"]).to_pylist()):
                room = EACH_REASON - shown[reason]
                rows = table.filter(pc.equal(table["reason"], reason)).slice(0, room).to_pylist() if room else []
                shown[reason] += len(rows)
                yield from rows
