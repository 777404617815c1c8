"""Rows find their tables, and files have fixed bytes."""

from __future__ import annotations

import contextlib
import hashlib
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import WriteError
from pipeline.records import DOCUMENTS, RECORDS, TABLES, complete
from pipeline.write.durable import writing
from pipeline.write.tables import GROUP_BYTES, GROUP_ROWS, TableFile, by_outcome, route
from tests.conftest import EmptyFolder
from tests.finished import ON_DISK, Article, articles, batches, ordinary

SMALL = pa.schema([pa.field("id", pa.string()), pa.field("text", pa.string()), pa.field("tags", pa.list_(pa.string()))])


def groups(file: Path) -> list[int]:
    """Rows of each row group."""
    described = pq.read_metadata(file)
    return [described.row_group(number).num_rows for number in range(described.num_row_groups)]


def digest(file: Path) -> str:
    """SHA-256 of a file."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


@given(st.lists(articles(), max_size=12))
def test_each_row_goes_to_one_table(made: list[Article]) -> None:
    """Every record is in exactly one of documents, duplicates and quarantine, and keeps its place among its like."""
    for batch in batches(made):
        tables = route(by_outcome(batch))
        for table, outcome in (("documents", None), ("duplicates", "duplicate"), ("quarantine", "quarantine")):
            expected = [row["id"] for row in batch.to_pylist() if row["outcome"] == outcome]
            assert tables[table]["id"].to_pylist() == expected


@given(st.lists(articles(), max_size=12))
def test_ledger_has_each_span_of_each_document(made: list[Article]) -> None:
    """The ledger is the spans of the documents, flattened, each with the id of its document; nothing else's spans."""
    for batch in batches(made):
        expected = [
            {"document_id": row["id"]} | span
            for row in batch.to_pylist()
            if row["outcome"] is None
            for span in row["removed"] or []
        ]
        assert route(by_outcome(batch))["removed"].to_pylist() == expected


@given(st.lists(articles(), min_size=1, max_size=12))
def test_set_aside_rows_have_their_input_text(made: list[Article]) -> None:
    """A duplicate or quarantined record is written with its input text, although strip had cut it."""
    texts = {index: article.text for index, article in enumerate(made)}
    for batch in batches(made):
        tables = route(by_outcome(batch))
        for table in ("duplicates", "quarantine"):
            for row in tables[table].to_pylist():
                assert row["text"] == texts[int(row["id"][:6])]


def test_a_slice_of_a_batch_is_routed_like_a_batch() -> None:
    """Offsets of a sliced batch do not shift spans to other documents."""
    whole = batches(ordinary(60))[0]
    alone = [
        table.to_pylist()
        for table in route(by_outcome(pa.RecordBatch.from_pylist(whole.to_pylist()[17:49], RECORDS))).values()
    ]
    assert [table.to_pylist() for table in route(by_outcome(whole.slice(17, 32))).values()] == alone


def test_rows_are_not_copied_when_all_are_documents() -> None:
    """The usual batch, with nothing set aside, shares its memory with the table."""
    batch = batches([Article("one"), Article("two")])[0]
    assert route(by_outcome(batch))["documents"]["text"].buffers()[2].address == batch["text"].buffers()[2].address


def test_unknown_outcome_is_refused() -> None:
    """A record with an outcome that is none cannot vanish: it is an error."""
    batch = complete({"id": pa.array(["a"]), "outcome": pa.array(["lost"])}, 1)
    with pytest.raises(ValueError, match="lost"):
        route(by_outcome(batch))


def test_other_schema_is_refused() -> None:
    """A batch that is not of RECORDS is an error, not a table with missing columns."""
    with pytest.raises(ValueError, match="RECORDS"):
        route(by_outcome(pa.RecordBatch.from_pydict({"id": ["a"]})))


rows = st.lists(
    st.fixed_dictionaries(
        {
            "id": st.none() | st.text("ab", max_size=2),
            "text": st.none() | st.text(max_size=30),
            "tags": st.none() | st.lists(st.none() | st.text("xy", max_size=2), max_size=3),
        }
    ),
    max_size=40,
)


@ON_DISK
@given(rows, st.lists(st.integers(0, 40), max_size=6), st.integers(1, 9), st.integers(1, 200))
def test_bytes_do_not_depend_on_batches(
    empty_folder: EmptyFolder, made: list[dict[str, object]], cuts: list[int], count: int, size: int
) -> None:
    """Rows give the same bytes however they were batched, sliced or built."""
    folder = empty_folder()
    whole = pa.RecordBatch.from_pylist(made, SMALL)
    edges = [0, *sorted(min(cut, len(made)) for cut in cuts), len(made)]
    ways = {
        "whole": [whole],
        "slices": [whole.slice(low, high - low) for low, high in pairwise(edges)],
        "fresh": [pa.RecordBatch.from_pylist(made[low:high], SMALL) for low, high in pairwise(edges)],
        "rows": [pa.RecordBatch.from_pylist([row], SMALL) for row in made],
    }
    for way, parts in ways.items():
        with TableFile(folder / way, SMALL, group_rows=count, group_bytes=size, even_empty=True) as file:
            for part in parts:
                file.add(part)
        assert file.rows == len(made)
    assert len({digest(folder / way) for way in ways}) == 1
    assert pq.read_table(folder / "whole").to_pylist() == made


def test_row_groups_are_exact(tmp_path: Path) -> None:
    """A row group has 10,000 rows whatever the sizes of the batches; the last has the rest."""
    ids = pa.array(np.arange(23_456).astype(str))
    column = {"id": ids, "text": ids}
    whole = complete(column, len(ids)).select(DOCUMENTS.names)
    for name, step in (("one", 23_456), ("many", 777)):
        with TableFile(tmp_path / name, DOCUMENTS) as file:
            for start in range(0, len(ids), step):
                file.add(whole.slice(start, step))
        assert groups(tmp_path / name) == [GROUP_ROWS, GROUP_ROWS, 3_456]
    assert digest(tmp_path / "one") == digest(tmp_path / "many")


def test_long_documents_close_a_row_group_early(tmp_path: Path) -> None:
    """A row group closes with the document that brings its text to 64 MiB, so memory stays bounded."""
    text = "x" * (GROUP_BYTES // 4)
    schema = pa.schema([("text", pa.string())])
    batch = pa.RecordBatch.from_pydict({"text": [text, text, text, text, text, "short"]})
    for name, parts in (("one", [batch]), ("rows", [batch.slice(row, 1) for row in range(6)])):
        with TableFile(tmp_path / name, schema) as file:
            for part in parts:
                file.add(part)
        assert groups(tmp_path / name) == [4, 2]
    assert digest(tmp_path / "one") == digest(tmp_path / "rows")


def test_no_row_writes_no_file(tmp_path: Path) -> None:
    """A table without rows leaves no file, unless one is asked for."""
    with TableFile(tmp_path / "none", DOCUMENTS):
        pass
    assert list(tmp_path.iterdir()) == []
    with TableFile(tmp_path / "empty", DOCUMENTS, even_empty=True):
        pass
    assert pq.read_schema(tmp_path / "empty").equals(DOCUMENTS)


def test_failure_leaves_nothing(tmp_path: Path) -> None:
    """An error while writing leaves neither the file nor its temporary."""
    batch = batches([Article("one")])[0]
    with contextlib.suppress(KeyError), TableFile(tmp_path / "part", DOCUMENTS, group_rows=1) as file:
        file.add(route(by_outcome(batch))["documents"])
        raise KeyError
    assert list(tmp_path.iterdir()) == []


def test_full_disk_is_one_clear_line() -> None:
    """Writing to a full device raises WriteError with what to do, not a traceback of Arrow."""
    if not Path("/dev/full").exists():
        pytest.skip("/dev/full is there on Linux only")
    batch = route(by_outcome(batches(ordinary(50))[0]))["documents"]
    with (
        pytest.raises(WriteError, match="No space left on device; free some space"),
        writing(Path("output")),
        Path("/dev/full").open("wb") as full,
        pq.ParquetWriter(full, batch.schema) as writer,
    ):
        writer.write_batch(batch)


@pytest.mark.parametrize("table", TABLES)
def test_columns_keep_their_descriptions(tmp_path: Path, table: str) -> None:
    """A reader of a Parquet file finds in its schema what each column means."""
    with TableFile(tmp_path / "part", TABLES[table], even_empty=True):
        pass
    read = pq.read_schema(tmp_path / "part")
    for field in TABLES[table]:
        assert field.metadata[b"description"] == read.field(field.name).metadata[b"description"]


# Few values that come back often are kept once; of ids and small values a reader sees the smallest and the largest.
ONCE = {
    "documents": {"source", "byline", "language", "flags", "origin.uri", "origin.member", "origin.encoding"},
    "removed": {"document_id", "label", "evidence"},
    "duplicates": {"source", "byline", "language", "reason", "origin.uri", "origin.member", "origin.encoding"},
    "quarantine": {"source", "byline", "language", "reason", "origin.uri", "origin.member", "origin.encoding"},
}
ORIGIN = {"origin.uri", "origin.index"}
RANGES = {
    "documents": {"id", "source", "url", "published", "language", "word_count", "removed_ratio", *ORIGIN},
    "removed": {"document_id", "start", "end", "label", "score"},
    "duplicates": {"id", "source", "url", "published", "language", "reason", "duplicate_of", "similarity", *ORIGIN},
    "quarantine": {"id", "source", "url", "published", "language", "reason", *ORIGIN},
}


@pytest.mark.parametrize("table", TABLES)
def test_columns_are_stored_as_what_they_hold(tmp_path: Path, table: str) -> None:
    """Dictionaries where values repeat, ranges where a reader can skip by them, neither for texts."""
    with TableFile(tmp_path / "part", TABLES[table]) as file:
        for batch in batches(ordinary(200)):
            file.add(route(by_outcome(batch))[table])
    group = pq.read_metadata(tmp_path / "part").row_group(0)
    columns = [group.column(number) for number in range(group.num_columns)]
    names = {column.path_in_schema: column.path_in_schema.removesuffix(".list.element") for column in columns}
    once = {names[column.path_in_schema] for column in columns if column.has_dictionary_page}
    ranges = {names[column.path_in_schema] for column in columns if column.is_stats_set}
    assert once == ONCE[table]
    assert ranges == RANGES[table]


def test_pages_carry_checksums_and_an_index(tmp_path: Path) -> None:
    """Damage inside a page is found by any reader that verifies, and readers can skip pages."""
    with TableFile(tmp_path / "part", DOCUMENTS) as file:
        file.add(route(by_outcome(batches(ordinary(200))[0]))["documents"])
    column = pq.read_metadata(tmp_path / "part").row_group(0).column(0)
    assert column.compression == "ZSTD"
    assert column.has_column_index
    assert column.has_offset_index
    data = bytearray((tmp_path / "part").read_bytes())
    data[column.data_page_offset + column.total_compressed_size - 5] ^= 1
    (tmp_path / "part").write_bytes(data)
    with pytest.raises(OSError, match=r"(?i)crc|checksum"):
        pq.read_table(tmp_path / "part", page_checksum_verification=True)
