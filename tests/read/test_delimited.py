"""CSV and TSV: the quick way and the exact way give the same rows."""

from __future__ import annotations

import csv
import gzip
import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.read import delimited
from tests.conftest import EmptyFolder, examples

from .conftest import Read, read_all

CELLS = st.text(max_size=8) | st.sampled_from(
    ["", "a,b", 'say "so"', "two\nlines", "cr\rhere", "crlf\r\nhere", " ", "ü"]
)
PIECES = st.sampled_from(
    [b'"', b'""', b",", b"\n", b"\r\n", b"\r", b"a", b"b c", "ü".encode(), b"\xff", b"\0", b'","', b'"\n"', b" "]
)


def _written(rows: list[list[str]], end: str, quoting: int) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator=end, quoting=quoting)  # type: ignore[arg-type]
    writer.writerow(["text", "id", "extra"])
    writer.writerows(rows)
    return out.getvalue().encode("utf-8", "surrogatepass")


FILES = st.builds(
    _written,
    st.lists(st.lists(CELLS, min_size=3, max_size=3), max_size=8),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
) | st.lists(PIECES, max_size=25).map(lambda pieces: b"text,id\n" + b"".join(pieces))


def _rows(data: bytes, empty_folder: EmptyFolder, **patches: Any) -> list[dict[str, Any]]:
    file = empty_folder() / "a.csv"
    file.write_bytes(data)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in patches.items():
            patch.setattr(delimited, name, value)
        return read_all(file).to_pylist()


@examples(200)
@given(data=FILES)
def test_both_ways_give_the_same_rows(data: bytes, empty_folder: EmptyFolder) -> None:
    """Whatever the bytes are, the quick way gives up or gives the rows of the exact way."""
    quick = _rows(data, empty_folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(delimited._Reader, "_quick", lambda *_: None)
        assert _rows(data, empty_folder) == quick


@examples(150)
@given(data=FILES, block=st.integers(1, 40), lines=st.integers(1, 3))
def test_rows_do_not_depend_on_the_block(data: bytes, block: int, lines: int, empty_folder: EmptyFolder) -> None:
    """Blocks of any size, in bytes or rows, give the same rows."""
    assert _rows(data, empty_folder, BLOCK=block, BLOCK_LINES=lines) == _rows(data, empty_folder)


@examples(100)
@given(rows=st.lists(st.lists(CELLS, min_size=3, max_size=3), max_size=8), end=st.sampled_from(["\n", "\r\n"]))
def test_written_cells_are_read(rows: list[list[str]], end: str, empty_folder: EmptyFolder) -> None:
    """Each row that the standard library writes is one record with the same text."""
    found = _rows(_written(rows, end, csv.QUOTE_ALL), empty_folder)
    assert len(found) == len(rows)
    for record, (text, _, extra) in zip(found, rows, strict=True):
        assert record["reason"] == (None if text.strip() else record["reason"])
        assert record["text"] == (text or None)
        assert (json.loads(record["metadata"]) if record["metadata"] else {}) == ({"extra": extra} if extra else {})


def test_well_quoted_files_take_the_quick_way(read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    """Quoted commas, quotes, line breaks and CRLF need no exact way."""
    monkeypatch.setattr(delimited._Reader, "_exact", None)
    rows = read("a.csv", b'text,id\r\n"a, ""b""\r\nc",1\r\n\r\nplain,2')
    assert [row["text"] for row in rows] == ['a, "b"\r\nc', "plain"]
    assert [row["origin"]["index"] for row in rows] == [0, 1]


def test_ragged_rows_are_set_aside_one_by_one(read: Read) -> None:
    """A row with too few or too many cells is invalid-csv with its bytes; its neighbours are fine."""
    rows = read("a.csv", b"text,id\nfine,1\nshort\nlong,2,3\nfine,4\n")
    assert [row["reason"] for row in rows] == [None, "invalid-csv", "invalid-csv", None]
    assert [row["raw"] for row in rows] == [None, b"short\n", b"long,2,3\n", None]


def test_open_quote_is_invalid(read: Read) -> None:
    """A quote that is never closed makes the rest of the file one invalid-csv row."""
    rows = read("a.csv", b'text,id\nfine,1\n"open,2\nmore,3\n')
    assert [row["reason"] for row in rows] == [None, "invalid-csv"]


def test_cells_that_are_not_utf8(read: Read) -> None:
    """A cell that is not UTF-8 is read by the declared encoding, or its row is not-utf8."""
    data = "text,id\nGrüße,1\n".encode("cp1252") + "Grüße,2\n".encode()
    assert [row["reason"] for row in read("a.csv", data)] == ["not-utf8", None]
    rows = read("a.csv", data, encoding="cp1252")
    assert [row["text"] for row in rows] == ["Grüße", "Grüße"]
    assert [row["origin"]["encoding"] for row in rows] == ["cp1252", "utf-8"]


@pytest.mark.parametrize(
    ("data", "reasons"),
    [
        (b"", ["invalid-csv"]),
        (b"\n\n", ["invalid-csv"]),
        (b"text,id\n", []),
        (b"text,id", []),
        (b"title,id\na,1\n", ["missing-text"]),
        (b"\xef\xbb\xbftext,id\nfine,1\n", [None]),
        (b"text\rfine\rfiner\r", [None, None]),
        (b'text\n""\n', ["missing-text"]),
        (b"text,text,\na,b,c\n", [None]),
    ],
)
def test_shapes_of_files(data: bytes, reasons: list[str | None], read: Read) -> None:
    """Files without header, rows, text column or line feeds end as they should."""
    assert [row["reason"] for row in read("a.csv", data)] == reasons


def test_a_header_that_does_not_end_is_the_fault_of_the_file(read: Read) -> None:
    """A quote that opens in the header takes the file with it: one row, which says so; blank lines before it do not."""
    (row,) = read("a.csv", b'"text,id\n' + b"fine,1\n" * 2_000_000)
    assert row["reason"] == "invalid-csv"
    assert "the header does not end within" in row["detail"]
    (row,) = read("a.csv", b"\n" * 10_000_000 + b"text,id\nfine,1\n")
    assert row["text"] == "fine"


def test_columns_of_one_name_and_none_are_told_apart(read: Read) -> None:
    """The first column of a name has it; later ones and nameless ones get their number."""
    (row,) = read("a.csv", b"text,text,\na,b,c\n")
    assert row["text"] == "a"
    assert json.loads(row["metadata"]) == {"text_2": "b", "column_3": "c"}


def test_tabs_and_utf16(read: Read) -> None:
    """TSV is split at tabs, and UTF-16 with its mark is read."""
    rows = read("a.tsv", "text\tid\nGrüße, alle\t7\n".encode("utf-16"))
    assert [(row["text"], row["id"]) for row in rows] == [("Grüße, alle", "7")]


def test_huge_rows_are_passed_over(read: Read) -> None:
    """A row over the limit is too-large, quoted line breaks included, and the rows after it are read."""
    huge = b'"' + b"x\n" * 4_000_000 + b'",2\n'
    rows = read("a.csv", b"text,id\na,1\n" + huge + b"b,3\n" * 60_000, max_document=1000)
    assert [row["reason"] for row in rows[:3]] == [None, "too-large", None]
    assert len(rows) == 60_002


def test_cut_file_gives_whole_rows_and_the_damage(read: Read) -> None:
    """Rows before a cut are kept, and what is left of the last goes with the row that says truncated."""
    packed = gzip.compress(b"text,id\na,1\nb,2\nc,3")
    rows = read("a.csv.gz", packed[:-8])
    assert [row["reason"] for row in rows] == [None, None, "truncated"]
    assert rows[-1]["raw"] == b"c,3"
