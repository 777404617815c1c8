"""Text files: the encoding ladder, and only such text as gives the same bytes back."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config import Config
from pipeline.errors import InputError
from pipeline.read import decode

from .conftest import Read

_BOMS = {
    "utf-8": b"\xef\xbb\xbf",
    "utf-16-le": b"\xff\xfe",
    "utf-16-be": b"\xfe\xff",
    "utf-32-le": b"\xff\xfe\0\0",
    "utf-32-be": b"\0\0\xfe\xff",
}


def _bytes(text: str, encoding: str, bom: bool) -> bytes:
    return (_BOMS[encoding] if bom else b"") + text.encode(encoding)


@given(
    data=st.binary(max_size=40), bom=st.sampled_from([b"", *_BOMS.values()]), declared=st.sampled_from([None, "cp1252"])
)
def test_decoded_text_gives_the_same_bytes(data: bytes, bom: bytes, declared: str | None) -> None:
    """Any bytes are refused, or decode to a text that with encoding and mark gives them back."""
    data = bom + data
    try:
        text, encoding, marked = decode(data, declared)
    except InputError:
        return
    assert (_BOMS[encoding] if marked else b"") + text.encode(encoding) == data


@pytest.mark.parametrize("encoding", list(_BOMS))
@given(text=st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\0")))
def test_marks_name_the_encoding(encoding: str, text: str) -> None:
    """A byte order mark says how to read what follows it."""
    assert decode(_bytes(text, encoding, bom=True), None) == (text, encoding, True)


@pytest.mark.parametrize(
    "text",
    [
        "a\0b",
        "cr\rlf\ncrlf\r\n",
        "\u2028\u2029",
        "\u202eright to left",
        "zero\u200bwidth",
        "Ã¼ mojibake",
        "\ufeff\ufeffx",
        "💩",
    ],
)
def test_nothing_in_a_text_is_changed(text: str, read: Read) -> None:
    """NUL, line ends of all kinds, marks, invisible characters and mojibake stay as they are."""
    data = text.encode()
    (row,) = read("a.txt", data)
    assert (_BOMS["utf-8"] if row["origin"]["bom"] else b"") + row["text"].encode() == data
    assert row["raw_sha256"] == hashlib.sha256(data).hexdigest()


def test_row_of_a_text_file(read: Read) -> None:
    """Id, hashes and origin are those of the file's bytes and of its text."""
    data = _bytes("Grüße", "utf-16-le", bom=True)
    (row,) = read("a.txt", data)
    assert row["id"] == hashlib.sha256(data + b"\0" + b"0").hexdigest()[:16]
    assert row["raw_sha256"] == hashlib.sha256(data).hexdigest()
    assert row["origin"]["text_sha256"] == hashlib.sha256("Grüße".encode()).hexdigest()
    assert (row["origin"]["encoding"], row["origin"]["bom"]) == ("utf-16-le", True)


def test_declared_encoding_comes_last(read: Read) -> None:
    """The declared encoding serves files that are not UTF-8 and have no mark, and only these."""
    for encoding, expected in (("cp1252", "Grüße"), ("latin-1", "Grüße")):
        (row,) = read("a.txt", "Grüße".encode("cp1252"), encoding=encoding)
        assert row["text"] == expected
    (row,) = read("a.txt", "Grüße".encode(), encoding="cp1252")
    assert row["origin"]["encoding"] == "utf-8"
    (row,) = read("a.txt", b"\xef\xbb\xbf\xff", encoding="cp1252")
    assert row["reason"] == "not-utf8"


@pytest.mark.parametrize(
    "declared", ["utf-16", "utf-7", "idna", "punycode", "iso2022_jp", "unicode_escape", "utf-8-sig", "ascii"]
)
def test_strange_declared_encodings_never_raise(declared: str, read: Read) -> None:
    """Whatever encoding is declared, odd bytes decode exactly or go into quarantine."""
    for data in (b"\xff\xfe\xfd", b"\x80" * 7, b"+AGE-\xff", b"a\\x41\xff", b"xn--\xff"):
        (row,) = read("a.txt", data, encoding=declared)
        assert row["reason"] == "not-utf8" or row["text"].encode(row["origin"]["encoding"]) == data


@pytest.mark.parametrize(
    ("data", "reason"),
    [(b"", "missing-text"), (b" \r\n\t", "missing-text"), (b"\xef\xbb\xbf", "missing-text"), (b"\xff", "not-utf8")],
)
def test_bad_files_keep_their_bytes(data: bytes, reason: str, read: Read) -> None:
    """An empty, blank or undecodable file is one quarantined record with its bytes."""
    (row,) = read("a.txt", data)
    assert (row["reason"], row["raw"]) == (reason, data)


def test_the_limit_is_on_the_text(read: Read) -> None:
    """A file is too large by its UTF-8 text: the mark and a wide encoding do not count."""
    assert read("a.txt", b"x" * 10, max_document=10)[0]["reason"] is None
    assert read("a.txt", b"x" * 11, max_document=10)[0]["reason"] == "too-large"
    assert read("a.txt", b"\xef\xbb\xbf" + b"x" * 10, max_document=10)[0]["reason"] is None
    assert read("a.txt", _bytes("x" * 10, "utf-32-le", bom=True), max_document=10)[0]["reason"] is None
    assert read("a.txt", _bytes("x" * 11, "utf-32-le", bom=True), max_document=10)[0]["reason"] == "too-large"
    assert read("a.txt", _bytes("ü" * 6, "utf-16-le", bom=True), max_document=10)[0]["reason"] == "too-large"


def test_decode_says_what_to_do() -> None:
    """Bytes that cannot be decoded raise an error that names the setting."""
    with pytest.raises(InputError, match="encoding"):
        decode(b"\xff", Config().encoding)
