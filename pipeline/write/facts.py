"""What the report shows of a dataset: sums, and samples of a bounded size, gathered part by part as parts are written.

Nothing here is random and nothing asks the clock: a sample is what lost most, or what has the smallest hash of its id.
So the same parts give the same facts, whatever the workers and batches, and the facts of parts add up to those of the
whole without reading a part again. A part keeps some 500 documents at most for it.
"""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.write.groups import Group, Groups
from pipeline.write.samples import SAMPLES, Pools, choose, samples

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

# The folder, beside those of the tables, where parts keep their facts until the dataset is complete.
FOLDER: Final = ".facts"
_KEY: Final = b"facts"

EACH_REASON: Final = 12  # of the records in quarantine
LINE_CHARACTERS: Final = 200  # removed lines that agree so far are counted as one
# Over so many different lines the rarest are forgotten.
COUNTED: Final = 200_000
REMEMBERED: Final = 20_000
# So many lines a part tells the whole: what is among the first hundred of a corpus is among the first thousands of a
# part, or too rare in it to matter.
PART_LINES: Final = 4_000
# Documents are counted in steps that do not depend on how they are batched, since forgetting comes between steps.
_STEP: Final = 10_000
# Bytes of samples from which on those that no longer count are dropped: those that count have hardly more.
_SAMPLE_BYTES: Final = 64 << 20
# Who shows documents stops where a page is full: those behind it are not unpacked.
_SHOWN_AT_ONCE: Final = 32

_QUARANTINE_COLUMNS: Final = ("id", "source", "reason", "detail", "origin")

Line = tuple[str, str, int]


@dataclass(frozen=True, slots=True)
class Document:
    """A document to show.

    Attributes:
        row: its columns; `text` is None when it, or what was removed, is too long to be shown.
        kept_bytes: of its clean text.
        spans: what was removed from it, as `records.SPAN`; only of a text that is shown.
        removed_bytes: all that was removed from it.
    """

    row: dict[str, Any]
    kept_bytes: int
    spans: list[dict[str, Any]]
    removed_bytes: int


class Facts:
    """What the report shows beside the counts of the manifest, of a part or of a whole dataset.

    Memory: the samples, `COUNTED` lines, and as many sources and languages.

    Attributes:
        groups: what became of the records by `source` and by `language`.
    """

    def __init__(self) -> None:
        self._rows = 0
        self._lines = _Lines()
        self.groups = {"source": Groups(), "language": Groups()}
        self._quarantine: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self._pools = Pools()
        # Of these rows those that count; the others are dropped when there are many.
        self._samples, self._kept = SAMPLES.empty_table(), np.zeros(0, np.int64)

    # Gathered

    def add(self, documents: pa.RecordBatch, removed: pa.ListArray) -> None:
        """Gather documents.

        Args:
            documents: rows of `records.DOCUMENTS`.
            removed: a list of `records.SPAN` for each.
        """
        start = 0
        while start < documents.num_rows:
            count = min(_STEP - self._rows % _STEP, documents.num_rows - start)
            self._add(documents.slice(start, count), removed.slice(start, count))
            start += count
            self._rows += count
            if self._rows % _STEP == 0:
                self._lines.forget()
                for groups in self.groups.values():
                    groups.forget()

    def _add(self, documents: pa.RecordBatch, removed: pa.ListArray) -> None:
        spans = removed.flatten()
        self._lines.add(spans.field("label"), spans.field("text"))
        size = np.asarray(spans.field("end")) - np.asarray(spans.field("start"))
        figures = {
            "documents": np.ones(documents.num_rows, np.int64),
            "words": np.asarray(documents["word_count"]),
            "text_bytes": np.asarray(pc.binary_length(documents["text"])),
            "removed_bytes": np.bincount(np.asarray(pc.list_parent_indices(removed)), size, documents.num_rows),
        }
        self._count(documents, figures)
        own = len(self._kept)
        stay = self._merge(choose(documents, removed))
        chosen = samples(documents, removed, pa.array(stay[stay >= own] - own))
        self._keep(stay[stay < own], chosen, np.arange(chosen.num_rows))

    def _count(self, rows: pa.RecordBatch, figures: dict[str, NDArray[Any]]) -> None:
        if not rows.num_rows:
            return
        for column, groups in self.groups.items():
            groups.add(rows[column], figures)

    def add_duplicates(self, rows: pa.RecordBatch) -> None:
        """Gather records that are duplicates, rows of `records.DUPLICATES`."""
        self._count(rows, {"duplicates": np.ones(rows.num_rows, np.int64)})

    def add_quarantine(self, rows: pa.RecordBatch) -> None:
        """Gather records in quarantine, rows of `records.QUARANTINED`."""
        self._count(rows, {"quarantine": np.ones(rows.num_rows, np.int64)})
        for row in rows.select(list(_QUARANTINE_COLUMNS)).to_pylist():
            shown = self._quarantine[row["reason"]]
            if len(shown) < EACH_REASON:
                shown.append(row)

    def _merge(self, pools: Pools) -> NDArray[np.int64]:
        """Take over the pools of another table; which of the rows that count, and behind them of its rows, stay."""
        return np.array(self._pools.merge(pools, len(self._kept)), np.int64)

    def _keep(self, old: NDArray[np.int64], others: pa.Table, new: NDArray[np.int64]) -> None:
        """Of the rows that count keep some, and some rows of another table, which is not copied."""
        self._kept = np.concatenate([self._kept[old], self._samples.num_rows + new])
        self._samples = pa.concat_tables([self._samples, others])
        if self._samples.nbytes > _SAMPLE_BYTES:
            self._samples, self._kept = self._samples.take(pa.array(self._kept)), np.arange(len(self._kept))

    # Kept, and added up

    def tables(self) -> tuple[pa.Table, pa.Table]:
        """The facts of a part: its samples, with what is little beside them as JSON; and its lines."""
        content = {
            "groups": {name: [groups.ordered(), groups.forgotten] for name, groups in self.groups.items()},
            "quarantine": self._quarantine,
            "pools": self._pools.to_json(),
        }
        told = self._samples.take(pa.array(self._kept)).combine_chunks()
        told = told.replace_schema_metadata({_KEY: json.dumps(content)})
        return told, self._lines.largest(PART_LINES)

    def add_part(self, part: pa.Table, lines: pa.Table) -> None:
        """Gather what `tables` gave for a part; parts come in their order."""
        content = json.loads(part.schema.metadata[_KEY])
        self._lines.add_counted(lines)
        self._lines.forget()
        for name, counted in content["groups"].items():
            self.groups[name].add_counted(*counted)
            self.groups[name].forget()
        for reason, rows in content["quarantine"].items():
            self._quarantine[reason] = [*self._quarantine[reason], *rows][:EACH_REASON]
        own = len(self._kept)
        stay = self._merge(Pools.from_json(content["pools"]))
        self._keep(stay[stay < own], part.replace_schema_metadata(None), stay[stay >= own] - own)

    # Shown

    def sources(self, number: int) -> tuple[list[Group], int]:
        """The sources that lost most bytes, and how many others there are.

        Args:
            number: how many sources to give at most.
        """
        ordered = self.groups["source"].ordered()
        return ordered[:number], max(len(ordered) - number, 0) + self.groups["source"].forgotten

    def lines(self, number: int) -> list[Line]:
        """Label, text and number of the lines that were removed most often, more than once each."""
        table = self._lines.largest(number)
        columns = (table[name].to_pylist() for name in _COUNTED_LINES.names)
        return [line for line in zip(*columns, strict=True) if line[2] > 1]

    def documents(self) -> Iterator[Document]:
        """Samples, the most telling first: flagged, lost most, some of each label, any."""
        ordered = self._samples.take(pa.array(self._kept[self._pools.order()]))
        for batch in ordered.to_batches(max_chunksize=_SHOWN_AT_ONCE):
            for row in batch.to_pylist():
                sizes = (row.pop("kept_bytes"), row.pop("removed") or [], row.pop("removed_bytes"))
                yield Document(row, *sizes)

    def quarantined(self) -> list[dict[str, Any]]:
        """The first records of each reason."""
        return [row for reason in sorted(self._quarantine) for row in self._quarantine[reason]]


def save(facts: Facts, file: Path) -> None:
    """Keep the facts of a part in a file: two streams of Arrow, one after the other."""
    with pa.OSFile(str(file), "wb") as sink:
        for table in facts.tables():
            with pa.ipc.new_stream(sink, table.schema) as writer:
                writer.write_table(table)


def collect(files: Sequence[Path]) -> Facts:
    """The facts of a dataset from those that its parts keep, in the order of the parts."""
    facts = Facts()
    for file in files:
        with pa.memory_map(str(file)) as mapped:
            facts.add_part(pa.ipc.open_stream(mapped).read_all(), pa.ipc.open_stream(mapped).read_all())
    return facts


_COUNTED_LINES: Final = pa.schema([("label", pa.string()), ("line", pa.string()), ("count", pa.int64())])


class _Lines:
    """How often each line was removed, as a table that is summed up whenever it grows long."""

    def __init__(self) -> None:
        self._rows: list[pa.Table] = []
        self._size = 0

    def add(self, labels: pa.Array, texts: pa.Array) -> None:
        """Count removed lines."""
        lines = pc.utf8_slice_codeunits(pc.utf8_trim_whitespace(texts), 0, LINE_CHARACTERS)
        ones = pa.array(np.ones(len(lines), np.int64))
        self.add_counted(self._summed(pa.table([labels, lines, ones], schema=_COUNTED_LINES)))

    def add_counted(self, lines: pa.Table) -> None:
        """Count lines that `largest` gave."""
        self._rows.append(lines)
        self._size += lines.num_rows

    def forget(self) -> None:
        """Let go of the rarest when there are too many."""
        if self._size > COUNTED:
            self._rows = [self.largest(REMEMBERED)]
            self._size = self._rows[0].num_rows

    def largest(self, number: int) -> pa.Table:
        """So many lines, each once, the most frequent first: `label`, `line`, `count`."""
        if not self._rows:
            return _COUNTED_LINES.empty_table()
        table = self._summed(pa.concat_tables(self._rows))
        # Sorting all would cost more than counting them: the rare ones are left out first.
        counts = table["count"].to_numpy()
        if len(counts) > number:
            least = int(np.partition(counts, len(counts) - number)[len(counts) - number])
            table = table.filter(pc.greater_equal(table["count"], least))
        return table.sort_by([("count", "descending"), ("line", "ascending"), ("label", "ascending")]).slice(0, number)

    @staticmethod
    def _summed(table: pa.Table) -> pa.Table:
        summed = table.group_by(["label", "line"], use_threads=False).aggregate([("count", "sum")])
        return summed.select(["label", "line", "count_sum"]).rename_columns(["label", "line", "count"])
