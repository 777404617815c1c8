"""Readers: what once went wrong, named by its cause."""

from __future__ import annotations

import tracemalloc
from functools import partial

import pytest

from pipeline.read import delimited, jsonl
from pipeline.read.delimited import _MAX_COLUMNS
from tests.linear import RATIO, growth
from tests.read.conftest import Read, read

__all__ = ["read"]


@pytest.fixture
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of 16 kB, and records of 25 kB at most (of 3,000 bytes of text)."""
    monkeypatch.setattr(delimited, "BLOCK", 1 << 14)
    monkeypatch.setattr(jsonl, "_ROOM", 1 << 14)


@pytest.mark.usefixtures("_small")
def test_csv_record_too_large_by_quotes_inside_cells(read: Read) -> None:
    """Quotes inside a cell that is not quoted do not count: the record that never ends is one, and is read once."""
    for size in (100_000, 800_000):
        rows = read("a.csv", b"text,id\n" + b'a"b,"\n' * (size // 6), max_document=3_000)
        assert [(row["reason"], row["origin"]["index"]) for row in rows] == [("too-large", 0)]


@pytest.mark.usefixtures("_small")
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("size", [20_000, 32_759, 32_760, 32_761, 60_000])
@pytest.mark.parametrize("cell", [b"%s", b'"%s"', b'"%s""\n"'])
def test_csv_records_after_one_too_large_by_their_line_end(read: Read, end: bytes, size: int, cell: bytes) -> None:
    """What follows a record too large is read, whatever ends the lines and wherever a block ends."""
    data = end.join([b"text,id", cell % (b"x" * size) + b",1", b"fine,2", b"fine too,3"]) + end
    rows = read("a.csv", data, max_document=3_000)
    assert [(row["reason"], row["text"]) for row in rows] == [("too-large", None), (None, "fine"), (None, "fine too")]


def test_csv_short_rows_under_a_wide_header(read: Read) -> None:
    """A row of two bytes costs nothing for the columns that it lacks, and keeps its place among the others."""
    header = b",".join([b"text", *(b"c%d" % number for number in range(4_999))])
    fine = b",".join([b"fine", *[b""] * 4_999])
    data = b"\n".join([header, *[b"x"] * 1_000, fine, *[b"y"] * 1_000])
    tracemalloc.start()
    rows = read("a.csv", data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [row["reason"] for row in rows] == ["invalid-csv"] * 1_000 + [None] + ["invalid-csv"] * 1_000
    assert [row["origin"]["index"] for row in rows] == list(range(2_001))
    assert (rows[999]["raw"], rows[1_000]["text"], rows[1_001]["raw"]) == (b"x\n", "fine", b"y\n")
    assert peak < 30_000_000


def test_csv_header_of_too_many_columns(read: Read) -> None:
    """A header that no table has is one row that says so; the rest of the file is not read column by column."""
    rows = read("a.csv", b"," * _MAX_COLUMNS + b"\n" + b"x\n" * 1_000)
    assert [(row["reason"], row["detail"]) for row in rows] == [
        ("invalid-csv", f"the header has {_MAX_COLUMNS + 1} columns; {_MAX_COLUMNS} are the most that are read")
    ]
    assert len(read("a.csv", b",".join([b"text"] * _MAX_COLUMNS))) == 0


@pytest.mark.parametrize(
    "tag",
    [
        "<p {}>",
        "<p a='>' {}>",
        "<!-- <p a=' --> <p {}> <!-- ' -->",
        "<p {}",
        "<script>if (a<b && c == '</script><p {}>",
        "<p x/{}/>".replace(" ", "/"),
    ],
)
def test_html_tag_of_very_many_attributes(read: Read, tag: str) -> None:
    """The parser takes quadratic time for the attributes of a tag: a page with a tag that no page has is set aside."""
    pytest.importorskip("trafilatura", reason="the extra [html] is not installed")
    many = tag.format(" ".join(f"a{number}='{number}'" for number in range(25_000)))
    [row] = read("a.html", f"<html><body>{many}The river rose.</body></html>".encode())
    assert row["reason"] == "too-large"


def test_html_of_very_many_tags_and_words_is_no_wide_tag(read: Read) -> None:
    """A long page of ordinary tags, words and a script is read."""
    pytest.importorskip("trafilatura", reason="the extra [html] is not installed")
    story = "<p class='body' id=x>The river rose by two metres on Monday, and the lower town was under water.</p>\n"
    script = "<script>for (i = 0; i <n; i++) { x = '" + "words in a script " * 3_000 + "'; y => 5 }</script>"
    [row] = read("a.html", f"<html><body>{script}<article>{story * 3_000}</article></body></html>".encode())
    assert row["reason"] is None


def test_html_declaration_that_never_ends(read: Read) -> None:
    """Lxml looks for an encoding in an open `<?xml` in quadratic time; it does not get to see one."""
    pytest.importorskip("trafilatura", reason="the extra [html] is not installed")
    for start in (b"<?xml ", b"<?xml?>\n<?xml "):
        ratios = growth(partial(read, "a.html"), lambda size, start=start: start + b" " * size, (10_000, 100_000))
        assert max(ratios) <= RATIO
    story = (
        "The river rose by two metres on Monday night, and the lower town was under water before the sirens sounded."
    )
    page = f"<?xml version='1.0'><html><body><article><p>{story}</p><p>{story[::-1]}</p></article></body></html>"
    assert story in read("a.html", page.encode())[0]["text"]
