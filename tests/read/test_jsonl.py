"""JSON Lines: the quick way and the exact way give the same rows, and those are the right ones."""

from __future__ import annotations

import hashlib
import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config import Config
from pipeline.read import Stream, jsonl, source
from pipeline.read.inputs import InputFile, Slice
from tests.conftest import EmptyFolder, examples

from .conftest import Read, read_all

TEXTS = st.text(max_size=20) | st.sampled_from(["", " ", "a story", "\x00", '"\\', "\u2028", "\ud800", "a\r\nb"])
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.integers(-5, 5)
    | st.floats()
    | TEXTS
    | st.sampled_from(["2017-02-28", "2017-02-28T10:00:00Z"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
OBJECTS = st.fixed_dictionaries(
    {"text": TEXTS | st.just("a story")},
    optional={
        "id": TEXTS | st.integers() | st.just("7"),
        "title": TEXTS,
        "published": st.sampled_from(["2017-02-28", "soon", "Tue, 28 Feb 2017 09:30:00 -0500"]) | TEXTS,
        "n": st.integers(-9, 9) | st.floats(),
        "tags": st.lists(TEXTS, max_size=3),
        "meta": st.dictionaries(st.sampled_from("abc"), VALUES, max_size=3),
        "other": VALUES,
    },
)
ODD_LINES = st.sampled_from(
    [
        b"",
        b" \t\r",
        b"{}",
        b"[1]",
        b'{"text": "x"',
        b'{"text": "x"} {"text": "y"}',
        b'{"text": "x"}\r{"text": "y"}',
        b'{"text": "x", "text": "y"}',
        b'{"text": "\xff"}',
        b'{"text": "x", "a": NaN}',
        b'{"text": "x", "a": 1e999}',
        b'{"text": "x", "a": -0}',
        b'{"text": "x", "a": 1.0}',
        b'{"text": "x", "a": 0.1e1}',
        b'{"text": "x", "a": ' + b"9" * 5000 + b"}",
        b'{"text": "x", "a": ' + b"[" * 500 + b"]" * 500 + b"}",
        b'{"text": "x"}\r',
        b' {"text": "x"} ',
        b'{"text": "x"}\0}',
        b'\xef\xbb\xbf{"text": "x"}',
        b'{"te\\u0078t": "x"}',
        b'{"text": 5}',
        b"nonsense",
    ]
)


def _line(record: dict[str, Any], ascii_only: bool) -> bytes:
    return json.dumps(record, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")


# Records of steady types, which the quick way should take.
WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
STEADY = st.fixed_dictionaries(
    {"text": WORDS},
    optional={
        "id": WORDS,
        "published": WORDS | st.just("2017-02-28"),
        "n": st.integers(-(2**63), 2**63 - 1) | st.none(),
        "score": st.floats(0.1, 0.9),
        "good": st.booleans() | st.none(),
        "tags": st.lists(WORDS | st.none(), max_size=3),
        "meta": st.fixed_dictionaries({}, optional={"a": WORDS | st.none(), "b": st.lists(st.lists(st.booleans()))}),
        'a "name"': WORDS,
    },
)
LINES = st.lists(st.builds(_line, STEADY, st.booleans()), max_size=12) | st.lists(
    st.builds(_line, OBJECTS, st.booleans()) | ODD_LINES, max_size=12
)


def _rows(data: bytes, tmp: Path, monkeypatch: pytest.MonkeyPatch | None, **patches: Any) -> list[dict[str, Any]]:
    file = tmp / "a.jsonl"
    file.write_bytes(data)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in patches.items():
            patch.setattr(jsonl, name, value)
        return read_all(file).to_pylist()


@examples(200)
@given(lines=LINES)
def test_both_ways_give_the_same_rows(lines: list[bytes], empty_folder: EmptyFolder) -> None:
    """Whatever the lines hold, the quick way gives up or gives the rows of the exact way."""
    tmp = empty_folder()
    data = b"\n".join(lines)
    quick = _rows(data, tmp, None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jsonl._Reader, "_quick", lambda *_: None)
        exact = _rows(data, tmp, None)
    assert quick == exact
    assert len(exact) == sum(bool(line.strip(b" \t\r")) for line in data.removeprefix(b"\xef\xbb\xbf").split(b"\n"))


@examples(100)
@given(lines=LINES, block=st.integers(1, 60), count=st.integers(1, 4))
def test_rows_do_not_depend_on_the_block(lines: list[bytes], block: int, count: int, empty_folder: EmptyFolder) -> None:
    """Blocks of any size, in bytes or lines, give the same rows."""
    tmp = empty_folder()
    data = b"\n".join(lines)
    assert _rows(data, tmp, None, BLOCK=block, BLOCK_LINES=count) == _rows(data, tmp, None)


def test_usual_lines_take_the_quick_way(read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines with texts, numbers, lists and objects of steady types never need the exact way."""
    monkeypatch.setattr(jsonl._Reader, "_exact", None)
    record = {
        "id": 7,
        "text": "ü",
        "date": "2017-02-28",
        "score": 0.25,
        "n": None,
        "tags": ["a", None],
        "meta": {"a": {}},
    }
    lines = json.dumps(record) + "\r\n" + json.dumps({**record, "meta": {"a": {"b": None}}, "n": None}) + "\n\n"
    rows = read("a.jsonl", lines.encode())
    assert [row["metadata"] for row in rows] == [
        '{"date":"2017-02-28","meta":{"a":{}},"score":0.25,"tags":["a",null]}'
    ] * 2
    assert [row["id"] for row in rows] == ["7", "7"]


def test_source_bytes_are_the_line_without_its_break(read: Read) -> None:
    """The hash, the id made from it and the position are those of the line."""
    line = '{"text": "Grüße"}'.encode()
    (_, row) = read("a.jsonl", b'{"text": "x"}\n\n' + line + b"\r\n")
    assert row["raw_sha256"] == hashlib.sha256(line).hexdigest()
    assert row["id"] == hashlib.sha256(line + b"\0" + b"2").hexdigest()[:16]
    assert row["origin"] == {
        "uri": "a.jsonl",
        "member": None,
        "index": 2,
        "encoding": "utf-8",
        "bom": False,
        "text_sha256": hashlib.sha256("Grüße".encode()).hexdigest(),
    }


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"nonsense", "invalid-json"),
        (b"[]", "invalid-json"),
        (b'{"text": "\\ud800"}', "invalid-json"),
        (b'{"text": "x", "a": Infinity}', "invalid-json"),
        (b'{"text": "\xff"}', "not-utf8"),
        (b'{"text": 1}', "wrong-type"),
        (b'{"text": "x", "title": ["a"]}', "wrong-type"),
        (b'{"text": "x", "id": true}', "wrong-type"),
        (b'{"text": " \\n"}', "missing-text"),
        (b'{"text": null}', "missing-text"),
        (b"{}", "missing-text"),
        (b'{"text": "too long by far"}', "too-large"),
    ],
)
def test_bad_lines_have_a_reason_and_their_bytes(line: bytes, reason: str, read: Read) -> None:
    """A bad line is one quarantined row with its reason and bytes, between two good ones."""
    good = b'{"text": "fine"}\n'
    rows = read("a.jsonl", good + line + b"\n" + good, max_document=10)
    assert [row["reason"] for row in rows] == [None, reason, None]
    assert rows[1]["raw"] == line
    assert rows[1]["detail"]


def test_metadata_keeps_what_others_lose(read: Read) -> None:
    """Long integers, numbers no double can hold, and half surrogate pairs stay exact."""
    line = b'{"text": "x", "a": 123456789012345678901234567890, "b": 1e999, "c": "\\udc00", "d": "a\\"\\u0001"}'
    (row,) = read("a.jsonl", line)
    assert row["metadata"] == ('{"a":123456789012345678901234567890,"b":"1e999","c":"\\udc00","d":"a\\"\\u0001"}')


def test_columns_can_be_renamed(read: Read) -> None:
    """A renamed field fills our column, and the field that has our name is metadata."""
    (row,) = read(
        "a.jsonl", b'{"body": "story", "text": "x", "date": "someday"}', columns={"text": "body", "published": "date"}
    )
    assert row["text"] == "story"
    assert row["flags"] == ["unparsed-published"]
    assert row["metadata"] == '{"date":"someday","text":"x"}'


def test_empty_fields_are_null(read: Read) -> None:
    """A field that is empty or white space is null, and an id is made."""
    (row,) = read("a.jsonl", b'{"text": "x", "id": "", "title": " ", "url": null}')
    assert row["title"] is None
    assert row["url"] is None
    assert len(row["id"]) == 16


def test_utf16_lines_are_read_by_their_mark(read: Read) -> None:
    """A file in UTF-16 with a byte order mark is read like any other."""
    rows = read("a.jsonl", '{"text": "Grüße"}\n{"text": "二"}\n'.encode("utf-16"))
    assert [row["text"] for row in rows] == ["Grüße", "二"]


def test_declared_encoding_serves_lines_that_are_not_utf8(read: Read) -> None:
    """Lines in the declared encoding stand among lines in UTF-8."""
    rows = read("a.jsonl", '{"text": "Grüße"}\n'.encode() + '{"text": "Grüße"}\n'.encode("cp1252"), encoding="cp1252")
    assert [row["text"] for row in rows] == ["Grüße", "Grüße"]
    assert [row["origin"]["encoding"] for row in rows] == ["utf-8", "cp1252"]


def test_cut_line_of_a_damaged_file_is_the_row_of_the_damage(read: Read) -> None:
    """What is left of a cut line goes with the row that says truncated; a closed object is whole."""
    import gzip

    packed = gzip.compress(b'{"text": "a"}\n{"text": "b')
    rows = read("a.jsonl.gz", packed[:-8])
    assert [row["reason"] for row in rows] == [None, "truncated"]
    assert rows[1]["raw"] == b'{"text": "b'
    rows = read("a.jsonl.gz", gzip.compress(b'{"text": "a"}\n{"text": "b"}')[:-8])
    assert [row["reason"] for row in rows] == [None, None, "truncated"]


def test_slices_read_the_lines_of_the_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file cut into byte ranges gives the rows, and the positions, of the file read at once."""
    data = b"".join(b'{"text": "story %d"}\n' % n + b"\n" * (n % 3) for n in range(500))
    file = tmp_path / "a.jsonl"
    file.write_bytes(data)
    whole = read_all(file).to_pylist()
    monkeypatch.setattr(source, "SHARD_BYTES", 1000)
    assert read_all(file).to_pylist() == whole
    assert len(source.plan(source.discover([str(file)], Config()), Config())) > 5


def test_long_line_is_passed_over(tmp_path: Path) -> None:
    """A line of 100 MB is one too-large row with its hash, the lines around it are read, and memory stays small."""
    line = b'{"text": "' + b"x" * 100_000_000 + b'"}'
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"text": "a"}\n' + line + b'\n{"text": "b"}\n')
    digest = hashlib.sha256(line).hexdigest()
    del line
    config = Config()
    file = InputFile("a.jsonl", str(path), path.stat().st_size, "jsonl", None)
    tracemalloc.start()
    with Stream(None, str(path), None) as stream:
        rows = [row for batch in jsonl.read(stream, Slice(file), config) for row in batch.to_pylist()]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [row["reason"] for row in rows] == [None, "too-large", None]
    assert rows[1]["raw_sha256"] == digest
    assert [row["origin"]["index"] for row in rows] == [0, 1, 2]
    assert peak < 250_000_000


def test_millions_of_blank_lines_are_no_records(read: Read) -> None:
    """Ten million blank lines around one record give one record."""
    rows = read("a.jsonl", b"\n" * 5_000_000 + b'{"text": "x"}' + b"\n" * 5_000_000)
    assert len(rows) == 1
    assert rows[0]["origin"]["index"] == 5_000_000
