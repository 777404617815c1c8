"""What was put in comes out again, byte for byte."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.corpus.restore import restore
from pipeline.errors import CorpusError, UsageError
from tests.conftest import EmptyFolder
from tests.finished import ON_DISK, Article, articles, ordinary, publish, write


@ON_DISK
@given(st.lists(articles(), max_size=12), st.integers(1, 3))
def test_every_record_comes_back(empty_folder: EmptyFolder, made: list[Article], parts: int) -> None:
    """Text files come back as their bytes, other records as their text in UTF-8, whatever became of them."""
    folder = empty_folder()
    write(folder, made, parts=parts)
    expected = {}
    for index, article in enumerate(made):
        whole = article.kind.lower().startswith("txt") or article.outcome == "quarantine"
        expected[article.record(index)["id"]] = article.source() if whole else (article.text or "").encode()
    assert {record.id: record.data for record in restore(folder)} == expected
    for name, data in expected.items():
        assert [record.data for record in restore(folder, [name])] == [data]


def test_ids_come_in_the_order_asked_for(tmp_path: Path) -> None:
    """Records are given back in the order of the ids, from all tables and parts, as often as asked."""
    corpus = publish(tmp_path, ordinary(100), parts=5)
    ids = [record.id for record in restore(corpus)][::-9]
    assert [record.id for record in restore(corpus, [*ids, ids[0]])] == [*ids, ids[0]]


def test_an_unknown_id_is_named_before_anything_is_given(tmp_path: Path) -> None:
    """One id that is not there is an error that names it, raised by the call itself."""
    corpus = publish(tmp_path, ordinary(20))
    known = next(restore(corpus)).id
    with pytest.raises(UsageError, match=r"no record with the id \.\./\.\./etc/passwd"):
        restore(corpus, [known, "../../etc/passwd"])


def test_a_repeated_id_gives_all_its_records(tmp_path: Path) -> None:
    """A document and the duplicate that came with the same id are both given back."""
    made = [
        Article("first", fields={"id": "a"}),
        Article("first", outcome="duplicate", reason="duplicate-id", fields={"id": "a"}),
    ]
    corpus = publish(tmp_path, made)
    assert [record.data for record in restore(corpus, ["a"])] == [b"first", b"first"]


def test_bytes_that_were_not_kept_are_none(tmp_path: Path) -> None:
    """A record whose text and bytes were too large to keep comes back with its origin alone."""
    huge = Article(None, outcome="quarantine", reason="too-large", fields={"raw": None})
    [record] = restore(publish(tmp_path, [huge]))
    assert record.data is None
    assert record.origin["uri"] == "articles/000000.txt"


@pytest.mark.parametrize(
    ("encoding", "bom"),
    [("utf-8", True), ("utf-16-le", True), ("utf-16-be", True), ("cp1252", False), ("utf-8", False)],
)
def test_encodings_come_back(tmp_path: Path, encoding: str, bom: bool) -> None:
    """The byte order mark and the encoding of a text file are put back."""
    article = Article("Größe – “quoted”\r\nnext\rlast\n", ((0, 7),), encoding=encoding, bom=bom)
    [record] = restore(publish(tmp_path, [article]))
    assert record.data == article.source()


def test_a_wrong_text_is_never_given_back(tmp_path: Path) -> None:
    """When text and spans do not give what was read, restore fails instead of giving something else."""
    corpus = publish(tmp_path, [Article("some text here", ((0, 4),))])
    part = corpus / "documents/part-00000.parquet"
    table = pq.read_table(part)
    pq.write_table(table.set_column(table.schema.get_field_index("text"), "text", pa.array([" text hers"])), part)
    with pytest.raises(CorpusError, match="run `pipeline check`"):
        list(restore(corpus))


def test_an_encoding_that_is_not_one_to_one_is_an_error(tmp_path: Path) -> None:
    """A text file whose encoding has two byte forms of one text fails rather than come back in the other form."""
    other = hashlib.sha256(b"+AC0-").hexdigest()  # UTF-7 writes a hyphen in two ways
    corpus = publish(tmp_path, [Article("-", encoding="utf-7", fields={"raw_sha256": other})])
    with pytest.raises(CorpusError, match="in utf-7 is not the file that was read"):
        list(restore(corpus))
