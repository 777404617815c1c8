"""Files that others made to break readers, and good files cut short: one outcome a record, never an exception."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.records import QUARANTINE_REASONS

from .conftest import Read, read_all

CUTS = 100


def _outcomes(rows: list[dict]) -> list[str | None]:
    for row in rows:
        assert (row["outcome"], row["reason"] in QUARANTINE_REASONS) in ((None, False), ("quarantine", True))
        assert row["id"]
        assert row["origin"]["uri"]
        assert row["outcome"] or row["text"]
    return [row["reason"] for row in rows]


def test_every_json_file_as_a_text_file_is_one_record(hostile: Path, read: Read) -> None:
    """Each file of the JSON suite, named .txt, gives one record whose text is the file's bytes, or quarantine."""
    for file in sorted((hostile / "json").iterdir()):
        data = file.read_bytes()
        rows = read("a.txt", data)
        assert len(rows) == 1, file
        (reason,) = _outcomes(rows)
        if reason is None and not rows[0]["origin"]["bom"]:
            assert rows[0]["text"].encode(rows[0]["origin"]["encoding"]) == data
        elif reason:
            assert reason in ("missing-text", "not-utf8"), file


def test_every_json_file_as_json_lines_gives_one_record_a_line(hostile: Path, read: Read) -> None:
    """Each file of the JSON suite, named .jsonl, gives one record for each line that is not blank."""
    for file in sorted((hostile / "json").iterdir()):
        data = file.read_bytes()
        reasons = _outcomes(read("a.jsonl", data))
        wide = data.startswith((b"\xff\xfe", b"\xfe\xff"))
        body = data.removeprefix(b"\xef\xbb\xbf")
        if not wide:
            assert len(reasons) == sum(bool(line.strip(b" \t\r")) for line in body.split(b"\n")), file
        # No document of the suite has a text, so none may pass.
        assert None not in reasons, file


def test_every_json_value_can_be_metadata(hostile: Path, read: Read) -> None:
    """What must parse is kept as metadata, and what must not parse is invalid-json or not-utf8."""
    for file in sorted((hostile / "json").iterdir()):
        data = file.read_bytes()
        if b"\n" in data or data.startswith((b"\xff\xfe", b"\xfe\xff")):
            continue
        (row,) = read("a.jsonl", b'{"text": "a story", "extra": ' + data + b"}\n")
        if file.name.startswith("y_"):
            assert row["reason"] is None, (file, row["detail"])
        elif file.name.startswith("n_"):
            broken_out = file.name in ("n_object_trailing_comment_slash_open.json", "n_structure_no_data.json")
            assert row["reason"] in ("invalid-json", "not-utf8") or broken_out, (file, row["metadata"])


def test_utf8_cases_are_told_apart_as_python_does(hostile: Path, read: Read) -> None:
    """Each line of the UTF-8 suite is a document when it is UTF-8 and not-utf8 when it is not."""
    for file in sorted((hostile / "utf8").iterdir()):
        lines = [line for line in file.read_bytes().split(b"\n") if line.strip()]
        for line in lines:
            (row,) = read("a.txt", line)
            try:
                text = line.decode()
            except UnicodeDecodeError:
                assert row["reason"] == "not-utf8"
                assert row["raw"] == line
            else:
                assert row["reason"] is None
                assert row["text"] == text
        for suffix in ("txt", "jsonl", "csv", "tsv"):
            _outcomes(read(f"a.{suffix}", file.read_bytes()))


def test_every_damaged_parquet_file_ends_in_quarantine(hostile: Path) -> None:
    """Each damaged Parquet file gives one row for the damage and no exception."""
    for file in sorted((hostile / "parquet").glob("*.parquet")):
        reasons = _outcomes(read_all(file).to_pylist())
        assert reasons, file
        assert set(reasons) <= {"invalid-parquet", "truncated", "missing-text", "wrong-type"}, file


def test_naughty_strings_pass_every_format(hostile: Path, tmp_path: Path) -> None:
    """Each naughty string comes out of JSON Lines, CSV, TSV and Parquet as it went in, in every field."""
    strings = [text for text in json.loads((hostile / "naughty-strings.json").read_text("utf-8")) if text.strip()]
    table = pa.table({"text": strings, "id": strings, "title": strings, "extra": strings})
    pq.write_table(table, tmp_path / "a.parquet")
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in table.to_pylist()), "utf-8")
    for name in ("a.parquet", "a.jsonl"):
        rows = read_all(tmp_path / name).to_pylist()
        assert [row["text"] for row in rows] == strings
        assert [row["id"] for row in rows] == strings
        assert [row["title"] for row in rows] == strings
        assert [json.loads(row["metadata"])["extra"] for row in rows] == strings


LINES = b"".join(
    b'{"text": "story %d, and some words that make it longer", "n": %d}\n' % (n, n * 7919) for n in range(300)
)


def _offsets(size: int) -> list[int]:
    return sorted({size * step // CUTS for step in range(CUTS)})


@pytest.mark.parametrize("suffix", ["gz", "zst"])
def test_cut_compressed_lines_keep_what_came_before(suffix: str, read: Read) -> None:
    """JSON Lines cut at 100 offsets give whole records from the start on and then one row that says truncated."""
    data = gzip.compress(LINES) if suffix == "gz" else pa.Codec("zstd").compress(LINES, asbytes=True)
    whole = [row["text"] for row in read(f"a.jsonl.{suffix}", data)]
    assert len(whole) == 300
    kept = set()
    for offset in _offsets(len(data)):
        rows = read(f"a.jsonl.{suffix}", data[:offset])
        assert _outcomes(rows[-1:]) == ["truncated"], offset
        texts = [row["text"] for row in rows[:-1]]
        assert texts == whole[: len(texts)]
        assert [row["outcome"] for row in rows[:-1]] == [None] * len(texts)
        kept.add(len(texts))
    assert suffix == "zst" or len(kept) > 20


@pytest.mark.parametrize("suffix", ["gz", "zst"])
def test_cut_compressed_text_is_truncated(suffix: str, read: Read) -> None:
    """A compressed text file cut at 100 offsets is one quarantined record."""
    data = gzip.compress(LINES) if suffix == "gz" else pa.Codec("zstd").compress(LINES, asbytes=True)
    for offset in _offsets(len(data)):
        assert _outcomes(read(f"a.txt.{suffix}", data[:offset])) == ["truncated"], offset


def test_cut_parquet_is_truncated(read: Read, tmp_path: Path) -> None:
    """A Parquet file cut at 100 offsets is one quarantined record."""
    pq.write_table(
        pa.table({"text": [f"story {n}" for n in range(1000)]}), tmp_path / "whole.parquet", row_group_size=100
    )
    data = (tmp_path / "whole.parquet").read_bytes()
    for offset in _offsets(len(data)):
        assert _outcomes(read("a.parquet", data[:offset])) == ["truncated"], offset


def test_flipped_bytes_never_raise(read: Read, tmp_path: Path) -> None:
    """A byte flipped anywhere in a Parquet, gzip or Zstandard file gives records or quarantine, no exception."""
    pq.write_table(pa.table({"text": [f"story {n}" for n in range(100)]}), tmp_path / "whole.parquet")
    parquet = (tmp_path / "whole.parquet").read_bytes()
    packed = {
        "a.parquet": parquet,
        "a.jsonl.gz": gzip.compress(LINES),
        "a.jsonl.zst": pa.Codec("zstd").compress(LINES, asbytes=True),
    }
    for name, data in packed.items():
        for offset in _offsets(len(data)):
            damaged = bytearray(data)
            damaged[offset] ^= 0xFF
            _outcomes(read(name, bytes(damaged)))


def test_garbage_after_the_end_is_told(read: Read) -> None:
    """Records before garbage are kept, and the garbage is one row; zero bytes after gzip are padding."""
    packed = gzip.compress(LINES)
    assert _outcomes(read("a.jsonl.gz", packed + b"garbage")) == [None] * 300 + ["truncated"]
    assert _outcomes(read("a.jsonl.gz", packed + b"\0" * 512)) == [None] * 300
    frame = pa.Codec("zstd").compress(LINES, asbytes=True)
    assert _outcomes(read("a.jsonl.zst", frame + b"garbage")) == [None] * 300 + ["truncated"]


def test_members_and_frames_follow_each_other(read: Read) -> None:
    """A file of several gzip members, or Zstandard frames, is all of them."""
    assert len(read("a.jsonl.gz", gzip.compress(LINES) * 3)) == 900
    assert len(read("a.jsonl.zst", pa.Codec("zstd").compress(LINES, asbytes=True) * 3)) == 900
