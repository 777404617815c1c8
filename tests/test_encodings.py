"""Every way in which text is written, badly or well: what becomes of each file, and its bytes back from the corpus."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from pipeline.build import build
from pipeline.config import Config
from pipeline.corpus.check import check
from pipeline.corpus.restore import restore
from pipeline.records import TABLES

BODY = "The river rose on Monday and fell on Tuesday. "
BAD = "not-utf8"


def utf8(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


# Name, bytes, and the encoding that the file is read in; or the reason for which it is set aside.
CASES: list[tuple[str, bytes, str]] = [
    # Sound, and left as it is
    ("ascii", utf8(BODY), "utf-8"),
    ("two, three and four bytes", utf8(BODY + "é 漢 🙂"), "utf-8"),
    ("first and last code points of each length", utf8("x\x01\x7f\x80\u07ff\u0800\uffff\U00010000\U0010ffff"), "utf-8"),
    ("around the surrogates", utf8(BODY + "\ud7ff\ue000"), "utf-8"),
    ("non-characters", utf8(BODY + "\ufffe\ufdd0\U0001fffe"), "utf-8"),
    ("private use", utf8(BODY + "\ue000\U000f0000"), "utf-8"),
    ("unassigned", utf8(BODY + "\u0378\U000e0fff"), "utf-8"),
    ("replacement character", utf8(BODY + "caf\ufffd"), "utf-8"),
    ("NUL", utf8(BODY + "\0"), "utf-8"),
    ("NUL alone in front", utf8("\0" + BODY), "utf-8"),
    ("control characters", utf8(BODY + "".join(map(chr, range(1, 32)))), "utf-8"),
    ("C1 control characters", utf8(BODY + "".join(map(chr, range(0x80, 0xA0)))), "utf-8"),
    ("DEL and escape sequences", utf8(BODY + "\x7f\x1b[31mred\x1b[0m"), "utf-8"),
    ("decomposed", utf8(BODY + "cafe\u0301"), "utf-8"),
    ("composed and compatibility forms", utf8(BODY + "ﬁ Å Å ① ｆｕｌｌ"), "utf-8"),
    ("many combining marks", utf8(BODY + "e" + "\u0301" * 500), "utf-8"),
    ("line feeds", utf8(BODY + "\n\n" + BODY + "\n"), "utf-8"),
    ("CRLF", utf8(BODY + "\r\n\r\n" + BODY + "\r\n"), "utf-8"),
    ("CR", utf8(BODY + "\r\r" + BODY + "\r"), "utf-8"),
    ("all line ends mixed", utf8(f"{BODY}\n{BODY}\r{BODY}\r\n{BODY}\n\r{BODY}"), "utf-8"),
    ("no line end at the end", utf8(f"{BODY}\n{BODY}"), "utf-8"),
    ("line separator U+2028", utf8(f"{BODY}\u2028{BODY}"), "utf-8"),
    ("paragraph separator U+2029", utf8(f"{BODY}\u2029{BODY}"), "utf-8"),
    ("next line U+0085", utf8(f"{BODY}\u0085{BODY}"), "utf-8"),
    ("vertical tab and form feed", utf8(f"{BODY}\x0b{BODY}\x0c{BODY}"), "utf-8"),
    ("bidirectional overrides", utf8(f"{BODY}\u202eevil\u202c\u2066x\u2069\u200f"), "utf-8"),
    ("zero width", utf8("The\u200b river\u200c rose\u200d on\u2060 Monday.\u00ad"), "utf-8"),
    ("no-break and odd spaces", utf8("The\u00a0river\u2009rose\u202fon\u3000Monday.\u180e"), "utf-8"),
    ("zero-width joiners in emoji", utf8(BODY + "👩\u200d👩\u200d👧\ufe0f"), "utf-8"),
    ("flags, tags and variation selectors", utf8(BODY + "🇩🇪\U000e0067\U000e007f\ufe0e"), "utf-8"),
    ("right-to-left scripts", utf8("ارتفع النهر يوم الاثنين. הנהר עלה ביום שני."), "utf-8"),
    ("scripts without spaces", utf8("周一河水上涨，周二回落。月曜日に川が増水した。แม่น้ำเพิ่มขึ้น"), "utf-8"),
    ("mojibake once", utf8(BODY + "é“”".encode().decode("cp1252", "replace")), "utf-8"),
    ("mojibake twice", utf8(BODY + "é".encode().decode("latin-1").encode().decode("latin-1")), "utf-8"),
    ("UTF-7, which is ASCII", utf8(BODY + "+AGE-"), "utf-8"),
    ("HTML entities", utf8(BODY + "&eacute;&#0;&#x110000;"), "utf-8"),
    ("a mark of UTF-8", b"\xef\xbb\xbf" + utf8(BODY + "é"), "utf-8"),
    ("two marks of UTF-8", b"\xef\xbb\xbf" * 2 + utf8(BODY), "utf-8"),
    ("a mark in the middle", utf8(f"{BODY}\ufeff{BODY}"), "utf-8"),
    ("UTF-16, little endian", b"\xff\xfe" + (BODY + "é🙂").encode("utf-16-le"), "utf-16-le"),
    ("UTF-16, big endian", b"\xfe\xff" + (BODY + "é🙂").encode("utf-16-be"), "utf-16-be"),
    ("UTF-16 with NUL and line ends", b"\xff\xfe" + f"{BODY}\0\r\n{BODY}\n".encode("utf-16-le"), "utf-16-le"),
    ("UTF-32, little endian", b"\xff\xfe\0\0" + (BODY + "é🙂").encode("utf-32-le"), "utf-32-le"),
    ("UTF-32, big endian", b"\0\0\xfe\xff" + (BODY + "é🙂").encode("utf-32-be"), "utf-32-be"),
    ("UTF-16 without a mark reads as UTF-8 with NUL", BODY.encode("utf-16-le"), "utf-8"),
    # Not UTF-8, nor anything that says what it is
    ("latin-1", (BODY + "é").encode("latin-1"), BAD),
    ("cp1252", (BODY + "“é”").encode("cp1252"), BAD),
    ("Shift JIS", "月曜日に川が増水した。".encode("shift_jis"), BAD),
    ("KOI8-R", "Река поднялась в понедельник.".encode("koi8-r"), BAD),
    ("a continuation byte alone", utf8(BODY) + b"\x80", BAD),
    ("all continuation bytes", bytes(range(0x80, 0xC0)), BAD),
    ("two bytes, cut", utf8(BODY) + b"\xc3", BAD),
    ("three bytes, cut after one", utf8(BODY) + b"\xe6", BAD),
    ("three bytes, cut after two", utf8(BODY) + b"\xe6\xbc", BAD),
    ("four bytes, cut after three", utf8(BODY) + b"\xf0\x9f\x99", BAD),
    ("cut in the middle", utf8(BODY) + b"\xe6\xbc" + utf8(BODY), BAD),
    ("overlong solidus, two bytes", utf8(BODY) + b"\xc0\xaf", BAD),
    ("overlong solidus, three bytes", utf8(BODY) + b"\xe0\x80\xaf", BAD),
    ("overlong solidus, four bytes", utf8(BODY) + b"\xf0\x80\x80\xaf", BAD),
    ("overlong NUL, as Java writes it", utf8(BODY) + b"\xc0\x80", BAD),
    ("half a surrogate pair, high", utf8(BODY + "\ud800"), BAD),
    ("half a surrogate pair, low", utf8(BODY + "\udfff"), BAD),
    ("a surrogate pair in UTF-8, CESU-8", utf8(BODY + "\ud83d\ude42"), BAD),
    ("above U+10FFFF", utf8(BODY) + b"\xf4\x90\x80\x80", BAD),
    ("five bytes", utf8(BODY) + b"\xf8\x88\x80\x80\x80", BAD),
    ("six bytes", utf8(BODY) + b"\xfc\x84\x80\x80\x80\x80", BAD),
    ("bytes that are never there", utf8(BODY) + b"\xc1\xf5\xfe\xff", BAD),
    ("good, bad and good again", utf8("é") + b"\xe9" + utf8("é"), BAD),
    ("a mark of UTF-8 before latin-1", b"\xef\xbb\xbf" + "é".encode("latin-1"), BAD),
    ("UTF-16 with an odd byte", b"\xff\xfe" + BODY.encode("utf-16-le") + b"x", BAD),
    ("UTF-16 with half a pair", b"\xff\xfe" + BODY.encode("utf-16-le") + b"\x00\xd8", BAD),
    ("UTF-32 above U+10FFFF", b"\0\0\xfe\xff" + b"\x00\x11\x00\x00", BAD),
    ("gzip without its name", b"\x1f\x8b\x08\x00\x00\x00\x00\x00", BAD),
    # Nothing in it
    ("no byte", b"", "missing-text"),
    ("line ends alone", b"\n\r\n\r", "missing-text"),
    ("white space of all kinds", utf8(" \t\x0b\x0c\u00a0\u2028\u2029\u0085\u3000"), "missing-text"),
    ("a mark alone, UTF-8", b"\xef\xbb\xbf", "missing-text"),
    ("a mark alone, UTF-16", b"\xff\xfe", "missing-text"),
    ("a mark alone, UTF-32", b"\xff\xfe\0\0", "missing-text"),
    ("zero width alone", utf8("\u200b\u2060\u200e"), "empty-after-strip"),
]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All cases in one build."""
    home = tmp_path_factory.mktemp("encodings")
    (home / "in").mkdir()
    for number, (_, data, _) in enumerate(CASES):
        (home / "in" / f"{number:03d}.txt").write_bytes(data)
    return build([str(home / "in")], home / "out", Config(workers=1, dedupe="none")).corpus


@pytest.fixture(scope="module")
def rows(corpus: Path) -> dict[str, dict[str, Any]]:
    """Every record of the corpus by the name of its file."""
    tables = (table for table in TABLES if table != "removed")
    return {row["origin"]["uri"]: row for table in tables for row in pq.read_table(corpus / table).to_pylist()}


@pytest.fixture(scope="module")
def restored(corpus: Path) -> dict[str, bytes]:
    """Every restored file by its name."""
    return {record.origin["uri"]: record.data for record in restore(corpus, ())}


@pytest.mark.parametrize("number", range(len(CASES)), ids=[name for name, _, _ in CASES])
def test_what_becomes_of_it(number: int, rows: dict[str, dict[str, Any]], restored: dict[str, bytes]) -> None:
    """Each case is a document in the encoding named, or set aside for that reason; either way its bytes come back."""
    _, data, expected = CASES[number]
    row = rows[f"in/{number:03d}.txt"]
    assert restored[f"in/{number:03d}.txt"] == data
    assert (row.get("reason") or row["origin"]["encoding"]) == expected


def test_the_corpus_of_all_of_them_is_sound(corpus: Path) -> None:
    """Eighty odd files make a corpus that passes its check."""
    assert len(CASES) >= 80
    report = check(corpus)
    assert report.ok, report.findings[:5]
