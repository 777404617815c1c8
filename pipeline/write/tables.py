"""From finished records to rows of the four published tables, and from rows to Parquet files with fixed bytes."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.records import DUPLICATE, QUARANTINE, RECORDS, SIGNALS, TABLES, tables
from pipeline.strip.cut import rebuild
from pipeline.write.durable import new_file, new_folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path
    from types import TracebackType

    from numpy.typing import NDArray

# A row group closes at this many rows, or with the row that brings its strings to GROUP_BYTES, whichever is first: both
# depend on the rows alone, never on the batches they came in. 10,000 articles are about 40 MB, so the second bound is
# there for long documents; it keeps a writer below some 200 MB and far from the 2 GiB of an Arrow string column.
GROUP_ROWS: Final = 10_000
GROUP_BYTES: Final = 64 << 20

# Dictionaries pay where few values come back often; on texts and hashes they cost time and are thrown away.
DICTIONARY: Final = (
    "document_id",
    "source",
    "byline",
    "language",
    "label",
    "reason",
    "evidence.list.element",
    "flags.list.element",
    "origin.uri",
    "origin.member",
    "origin.encoding",
)
# Smallest and largest values help a reader to skip row groups; of texts they would only fill the footer.
STATISTICS: Final = (
    "id",
    "document_id",
    "source",
    "url",
    "published",
    "language",
    "word_count",
    "removed_ratio",
    "label",
    "reason",
    "start",
    "end",
    "score",
    "similarity",
    "duplicate_of",
    "origin.uri",
    "origin.index",
)
COMPRESSION: Final = "zstd"
COMPRESSION_LEVEL: Final = 3


def by_outcome(batch: pa.RecordBatch) -> dict[str, pa.RecordBatch]:
    """The rows of a batch of `RECORDS` with final outcomes, by what becomes of them.

    Returns:
        Rows of `RECORDS`: `documents`, whose outcome is null, `duplicates` and `quarantine`.

    Raises:
        ValueError: the batch has another schema or an outcome that is none.
    """
    if not batch.schema.equals(RECORDS):
        msg = f"write needs batches of the schema RECORDS, got {batch.schema.names}"
        raise ValueError(msg)
    outcome = batch["outcome"]
    if outcome.null_count == batch.num_rows:  # nothing set aside, the usual case: no row is copied
        nothing = batch.slice(0, 0)
        return {"documents": batch, "duplicates": nothing, "quarantine": nothing}
    rows = {
        "documents": batch.filter(pc.is_null(outcome)),
        "duplicates": batch.filter(pc.equal(outcome, DUPLICATE)),
        "quarantine": batch.filter(pc.equal(outcome, QUARANTINE)),
    }
    if sum(part.num_rows for part in rows.values()) != batch.num_rows:
        msg = f"an outcome is none of null, {DUPLICATE}, {QUARANTINE}: {pc.unique(outcome).to_pylist()}"
        raise ValueError(msg)
    return rows


def route(rows: Mapping[str, pa.RecordBatch], *, signals: bool = False) -> dict[str, pa.RecordBatch]:
    """The rows of each table.

    Args:
        rows: as `by_outcome` gives them; each span of the documents becomes a row of `removed`.
        signals: give the documents the columns of `records.SIGNALS` too.
    """
    return {
        "documents": _measured(rows["documents"]) if signals else _project(rows["documents"], "documents"),
        "removed": _ledger(rows["documents"]),
        "duplicates": _project(_with_input_text(rows["duplicates"]), "duplicates"),
        "quarantine": _project(_with_input_text(rows["quarantine"]), "quarantine"),
    }


def _project(batch: pa.RecordBatch, table: str) -> pa.RecordBatch:
    schema = TABLES[table]
    return pa.RecordBatch.from_arrays([batch[name] for name in schema.names], schema=schema)


def _measured(documents: pa.RecordBatch) -> pa.RecordBatch:
    """The documents with a column for each signal."""
    schema = tables(signals=True)["documents"]
    measured = dict(zip(SIGNALS, documents["signals"].flatten(), strict=True))
    columns = [measured[name] if name in measured else documents[name] for name in schema.names]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _ledger(documents: pa.RecordBatch) -> pa.RecordBatch:
    """One row for each removed span, in the order of documents and spans."""
    schema, lists = TABLES["removed"], documents["removed"]
    columns = dict(zip((field.name for field in lists.type.value_type), lists.flatten().flatten(), strict=True))
    columns["document_id"] = documents["id"].take(pc.list_parent_indices(lists))
    return pa.RecordBatch.from_arrays([columns[name] for name in schema.names], schema=schema)


def _with_input_text(batch: pa.RecordBatch) -> pa.RecordBatch:
    if not batch.num_rows:
        return batch
    texts = rebuild(batch["text"], batch["removed"])
    return batch.set_column(batch.schema.get_field_index("text"), batch.schema.field("text"), texts)


class TableFile:
    """One Parquet file of a table, written in exact row groups as rows come in.

    Used as a context manager: the file is there when the block ended well, and is not when it raised or no row came.
    Memory: one row group and its compressed pages.

    Attributes:
        rows: how many were written so far.
    """

    def __init__(
        self,
        file: Path,
        schema: pa.Schema,
        *,
        group_rows: int = GROUP_ROWS,
        group_bytes: int = GROUP_BYTES,
        even_empty: bool = False,
    ) -> None:
        self.rows = 0
        self._file = file
        self._schema = schema
        self._group_rows = group_rows
        self._group_bytes = group_bytes
        self._pending: list[pa.RecordBatch] = []
        self._pending_rows = 0
        self._pending_bytes = 0
        self._open = contextlib.ExitStack()
        self._writer: pq.ParquetWriter | None = None
        self._even_empty = even_empty

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._open.__exit__(kind, error, trace)
            return
        with self._open:
            if self._pending_rows or (self._even_empty and self._writer is None):
                self._write_group()

    def add(self, batch: pa.RecordBatch) -> None:
        """Take the rows of a batch of this table's schema; writes each row group that is full."""
        size = _running_bytes(batch)
        start = 0
        for stop in self._group_ends(size):
            self._pending.append(batch.slice(start, stop - start))
            self._write_group()
            start = stop
        if start < batch.num_rows:
            self._pending.append(batch.slice(start))
            self._pending_rows += batch.num_rows - start
            self._pending_bytes += int(size[-1] - size[start])

    def _group_ends(self, size: NDArray[np.int64]) -> Iterator[int]:
        """Where row groups end inside the batch that is being added; `size` is int64[rows + 1], bytes before a row."""
        start, rows, held = 0, self._pending_rows, self._pending_bytes
        while True:
            by_rows = start + self._group_rows - rows
            by_bytes = int(np.searchsorted(size, size[start] + self._group_bytes - held))
            stop = min(by_rows, by_bytes)
            if stop >= len(size):
                return
            yield stop
            start, rows, held = stop, 0, 0

    def _write_group(self) -> None:
        # Chunks would leak into the bytes of the file: one chunk, one row group.
        table = pa.Table.from_batches(self._pending, schema=self._schema).combine_chunks()
        self._pending, self._pending_rows, self._pending_bytes = [], 0, 0
        if self._writer is None:
            self._writer = self._start()
        if table.num_rows:
            self._writer.write_table(table, row_group_size=table.num_rows)
            self.rows += table.num_rows

    def _start(self) -> pq.ParquetWriter:
        new_folder(self._file.parent)
        target = self._open.enter_context(new_file(self._file))
        writer = pq.ParquetWriter(
            target,
            self._schema,
            compression=COMPRESSION,
            compression_level=COMPRESSION_LEVEL,
            use_dictionary=list(DICTIONARY),
            write_statistics=list(STATISTICS),
            write_page_index=True,
            write_page_checksum=True,
        )
        return self._open.enter_context(writer)


def _running_bytes(batch: pa.RecordBatch) -> NDArray[np.int64]:
    """Bytes in the string and binary columns before each row, counted from anywhere: int64[rows + 1]."""
    running = np.zeros(batch.num_rows + 1, np.int64)
    if not batch.num_rows:  # an empty column need not have offsets
        return running
    for column in batch.columns:
        if pa.types.is_string(column.type) or pa.types.is_binary(column.type):
            offsets = np.frombuffer(column.buffers()[1], np.int32)[column.offset :][: len(running)]
            running += offsets
    return running
