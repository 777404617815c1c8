"""Read a published corpus: its manifest, its tables, and documents together with what was removed from them."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.errors import CorpusError
from pipeline.records import SPAN, TABLES, tables
from pipeline.write import manifest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path


# With and without the columns of signals.
_SCHEMAS: Final = (TABLES, tables(signals=True))


@dataclass(frozen=True)
class Corpus:
    """A dataset folder and its manifest.

    Attributes:
        folder: the real folder, so that a build which publishes meanwhile changes nothing.
        manifest: the content of its manifest.
    """

    folder: Path
    manifest: dict[str, Any]

    def parts(self, table: str) -> list[str]:
        """The files of a table in order, relative to the folder."""
        names = [name for name in self.manifest["files"] if name.startswith(f"{table}/")]
        return sorted(names, key=lambda name: (len(name), name))

    def batches(self, table: str) -> Iterator[pa.RecordBatch]:
        """The rows of a table in stored order, one batch a row group.

        Raises:
            CorpusError: a file cannot be read.
        """
        for name in self.parts(table):
            yield from self.part(name, table)

    def part(self, name: str, table: str) -> Iterator[pa.RecordBatch]:
        """The rows of one file of a table, one batch a row group.

        Raises:
            CorpusError: the file cannot be read.
        """
        with _reading(self.folder / name) as file:
            for group in range(file.num_row_groups):
                yield _one_batch(file.read_row_group(group), table)

    def find(self, table: str, key: str, values: Sequence[str]) -> pa.RecordBatch:
        """The rows of a table whose column `key` has one of `values`; other row groups are not read.

        Raises:
            CorpusError: a file cannot be read.
        """
        wanted = pa.array(values, pa.string())
        found = []
        for name in self.parts(table):
            with _reading(self.folder / name) as file:
                for group in range(file.num_row_groups):
                    hits = pc.is_in(file.read_row_group(group, columns=[key])[key], value_set=wanted)
                    if pc.any(hits).as_py():
                        found.append(file.read_row_group(group).filter(hits))
        return _one_batch(pa.concat_tables(found), table) if found else _empty(table)

    def documents(self) -> Iterator[tuple[pa.RecordBatch, pa.ListArray]]:
        """The documents in stored order, a row group at a time, and a list of `records.SPAN` for each.

        Raises:
            CorpusError: a file cannot be read, or the ledger has rows that no document claims in its turn.
        """
        for part in self.documents_by_part():
            yield from part

    def documents_by_part(self) -> Iterator[Iterator[tuple[pa.RecordBatch, pa.ListArray]]]:
        """The same, part by part; the parts have to be read in turn, each to its end.

        Raises:
            CorpusError: a file cannot be read, or the ledger has rows that no document claims in its turn.
        """
        ledger = _Ledger(self.batches("removed"))
        for name in self.parts("documents"):
            yield ((batch, ledger.spans_of(batch["id"])) for batch in self.part(name, "documents"))
        ledger.assert_read()


def open_corpus(folder: Path) -> Corpus:
    """Open a published corpus; its manifest is checked, its files are not.

    Args:
        folder: the dataset folder, such as `output/corpus`.

    Raises:
        CorpusError: there is no corpus, or its manifest is damaged.
    """
    real = folder.resolve()
    try:
        data = (real / manifest.FILE_NAME).read_bytes()
    except OSError as error:
        hint = f"; did you mean {folder / 'corpus'}" if (folder / "corpus" / manifest.FILE_NAME).is_file() else ""
        msg = f"{folder} is no corpus: cannot read its {manifest.FILE_NAME}: {error.strerror}{hint}"
        raise CorpusError(msg) from None
    return Corpus(real, manifest.parse(data))


def spans_by_document(ids: pa.StringArray, removed: pa.RecordBatch) -> pa.ListArray:
    """The rows of the ledger as a list of `records.SPAN` for each of `ids`.

    Args:
        ids: ids of documents.
        removed: rows of `removed` of these documents and no others, in the order of `ids`.

    Raises:
        CorpusError: the rows are in another order.
    """
    owner = np.asarray(pc.index_in(removed["document_id"], value_set=ids).fill_null(-1))
    if len(owner) and (owner[0] < 0 or np.any(np.diff(owner) < 0)):
        msg = "the ledger is not in the order of the documents"
        raise CorpusError(msg)
    offsets = np.searchsorted(owner, np.arange(len(ids) + 1)).astype(np.int32)
    columns = [removed[field.name] for field in SPAN]
    return pa.ListArray.from_arrays(pa.array(offsets), pa.StructArray.from_arrays(columns, fields=list(SPAN)))


class _Ledger:
    """The removed spans as a stream that is read document by document."""

    def __init__(self, batches: Iterator[pa.RecordBatch]) -> None:
        self._batches = batches
        self._rest = _empty("removed")

    def spans_of(self, ids: pa.StringArray) -> pa.ListArray:
        """The next rows, as long as they belong to `ids`: a list of `records.SPAN` for each."""
        return spans_by_document(ids, self.take(ids))

    def take(self, ids: pa.StringArray) -> pa.RecordBatch:
        """The next rows, as long as they belong to `ids`."""
        taken = []
        while True:
            foreign = pc.is_null(pc.index_in(self._rest["document_id"], value_set=ids))
            stop = pc.index(foreign, True).as_py()
            if stop >= 0:
                taken.append(self._rest.slice(0, stop))
                self._rest = self._rest.slice(stop)
                break
            taken.append(self._rest)
            self._rest = next(self._batches, None)
            if self._rest is None:
                self._rest = _empty("removed")
                break
        return _one_batch(pa.Table.from_batches(taken), "removed")

    def assert_read(self) -> None:
        """Raises CorpusError when rows are left."""
        if self._rest.num_rows or next(self._batches, None) is not None:
            msg = "the ledger has rows that belong to no document, or stand out of order"
            raise CorpusError(msg)


@contextmanager
def _reading(path: Path) -> Iterator[pq.ParquetFile]:
    """A Parquet file, closed after use, whose every failure is a CorpusError that names it."""
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            yield file
    except (OSError, pa.ArrowException) as error:
        msg = f"cannot read {path}: {error}"
        raise CorpusError(msg) from error


def _one_batch(table: pa.Table, name: str) -> pa.RecordBatch:
    schema = next((s[name] for s in _SCHEMAS if s[name].names == table.schema.names), None)
    if schema is None:
        msg = f"{name} has other columns than this version knows: {', '.join(table.schema.names)}"
        raise CorpusError(msg)
    # Parquet names the items of a list `element`, Arrow `item`; the cast costs nothing.
    batches = table.cast(schema).combine_chunks().to_batches()
    return batches[0] if batches else _empty(name)


def _empty(table: str) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist([], schema=TABLES[table])
