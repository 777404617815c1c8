"""Reading a published corpus: spans find their documents."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.build import build
from pipeline.config import Config
from pipeline.corpus import open_corpus, spans_by_document
from pipeline.errors import CorpusError
from pipeline.records import SIGNALS, TABLES
from tests.conftest import EmptyFolder
from tests.finished import ON_DISK, Article, articles, batches, ordinary, publish, write


@ON_DISK
@given(st.lists(articles(), max_size=15), st.integers(1, 4))
def test_documents_come_with_their_spans(empty_folder: EmptyFolder, made: list[Article], parts: int) -> None:
    """Documents and ledger, read side by side over any number of parts, are the records that were written."""
    folder = empty_folder()
    write(folder, made, parts=parts)
    read = [
        (name, spans)
        for documents, removed in open_corpus(folder).documents()
        for name, spans in zip(documents["id"].to_pylist(), removed.to_pylist(), strict=True)
    ]
    records = [row for batch in batches(made) for row in batch.to_pylist() if row["outcome"] is None]
    assert read == [(row["id"], row["removed"] or []) for row in records]


def test_find_reads_the_rows_asked_for(tmp_path: Path) -> None:
    """Rows are found by id in any part; ids that are not there find nothing."""
    corpus = open_corpus(publish(tmp_path, ordinary(100), parts=4))
    ids = [name for batch in corpus.batches("documents") for name in batch["id"].to_pylist()]
    found = corpus.find("documents", "id", [ids[70], ids[3], "unknown"])
    assert found["id"].to_pylist() == [ids[3], ids[70]]
    assert corpus.find("documents", "id", ["unknown"]).num_rows == 0


def test_a_corpus_that_is_not_there_is_a_clear_error(tmp_path: Path) -> None:
    """A wrong folder is an error that names it, and the right one where it is near."""
    with pytest.raises(CorpusError, match=r"is no corpus: cannot read its manifest\.json: No such file"):
        open_corpus(tmp_path)
    publish(tmp_path, ordinary(5))
    with pytest.raises(CorpusError, match=f"did you mean {tmp_path}/corpus"):
        open_corpus(tmp_path)


def test_a_ledger_out_of_order_is_an_error(tmp_path: Path) -> None:
    """Spans that stand in another order than their documents are not put into the wrong text."""
    rows = [{"document_id": name, "start": 0, "end": 1, "text": "x"} for name in ("b", "a")]
    removed = pa.RecordBatch.from_pylist(rows, schema=TABLES["removed"])
    with pytest.raises(CorpusError, match="not in the order"):
        spans_by_document(pa.array(["a", "b"]), removed)


def test_a_build_that_publishes_meanwhile_changes_nothing(tmp_path: Path) -> None:
    """A corpus that was opened is read to its end from the build that was published then."""
    corpus = open_corpus(publish(tmp_path, [Article("old")]))
    publish(tmp_path, [Article("new")])
    assert [batch["text"].to_pylist() for batch in corpus.batches("documents")] == [["old"]]


def test_spans_of_a_document_that_is_not_asked_for_are_an_error() -> None:
    """A row of the ledger whose document is none of those asked for is not given to another one."""
    rows = [{"document_id": name, "start": 0, "end": 1, "text": "x"} for name in ("stranger", "b")]
    removed = pa.RecordBatch.from_pylist(rows, schema=TABLES["removed"])
    with pytest.raises(CorpusError, match="not in the order"):
        spans_by_document(pa.array(["a", "b"]), removed)


def test_a_damaged_page_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    """A bit that flipped in a page of texts is found when it is read, compressed bytes that still unpack included."""
    corpus = open_corpus(publish(tmp_path, ordinary(40)))
    file = corpus.folder / "documents" / "part-00000.parquet"
    data = file.read_bytes()
    columns = pq.read_metadata(file).row_group(0)
    text = next(columns.column(n) for n in range(columns.num_columns) if columns.column(n).path_in_schema == "text")
    for place in range(text.data_page_offset + 60, text.data_page_offset + text.total_compressed_size, 97):
        damaged = bytearray(data)
        damaged[place] ^= 1
        file.write_bytes(damaged)
        with pytest.raises(CorpusError, match=r"part-00000\.parquet"):
            list(corpus.batches("documents"))


def test_a_table_of_other_columns_is_an_error(tmp_path: Path) -> None:
    """A file with a column that this version does not know is refused, with the names of its columns."""
    corpus = open_corpus(publish(tmp_path, ordinary(5)))
    file = corpus.folder / "documents" / "part-00000.parquet"
    pq.write_table(pq.read_table(file).append_column("mood", pa.array(["good"] * 5)), file)
    with pytest.raises(CorpusError, match=r"other columns than this version knows: .*mood"):
        list(corpus.batches("documents"))


def test_a_corpus_with_signals_is_read_with_them(tmp_path: Path) -> None:
    """The columns of `--signals` are part of the documents that are read."""
    (tmp_path / "a.txt").write_text("The council voted on Tuesday to keep the old bridge open for another year.\n")
    built = build([str(tmp_path / "a.txt")], tmp_path / "out", Config(workers=1, signals=True))
    (documents,) = open_corpus(built.corpus).batches("documents")
    assert set(SIGNALS) <= set(documents.schema.names)
