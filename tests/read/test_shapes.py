"""Inputs of extreme shapes and compression bombs: little time, little memory."""

from __future__ import annotations

import gzip
import time
import zlib
from pathlib import Path

import pyarrow as pa
import pytest

from .conftest import Read, read_all
from .test_columnar import _measure


def _bomb(megabytes: int, suffix: str) -> bytes:
    """Some kB that unpack to that many MB of spaces."""
    piece = b" " * (1 << 20)
    if suffix == "zst":
        sink = pa.BufferOutputStream()
        with pa.CompressedOutputStream(sink, "zstd") as out:
            for _ in range(megabytes):
                out.write(piece)
        return sink.getvalue().to_pybytes()
    packer = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    return b"".join(packer.compress(piece) for _ in range(megabytes)) + packer.flush()


@pytest.mark.parametrize("suffix", ["gz", "zst"])
@pytest.mark.parametrize("kind", ["txt", "jsonl", "csv"])
def test_bombs_stop_at_the_cap(suffix: str, kind: str, tmp_path: Path) -> None:
    """A gzip or Zstandard bomb is one quarantined record, whatever it claims to be, and takes little memory."""
    path = tmp_path / f"a.{kind}.{suffix}"
    path.write_bytes((gzip.compress(b"text\n") if kind == "csv" else b"") + _bomb(150, suffix))
    seen, grown = _measure(path)
    assert set(seen) <= {"too-large", "truncated", "missing-text", "invalid-csv"}
    assert sum(seen.values()) <= 2
    assert grown < 300


def test_nested_bombs_are_opened_once(read: Read) -> None:
    """A compressed file inside a compressed file is data: it is not opened again."""
    (row,) = read("a.txt.gz", gzip.compress(gzip.compress(b"story")))
    assert row["reason"] == "not-utf8"


def test_many_small_files_are_quick(tmp_path: Path) -> None:
    """Five thousand small text files take less than half a second of CPU: a hundred thousand less than ten."""
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(5000):
        (folder / f"{number}.txt").write_bytes(b"story %d" % number)
    before = time.process_time()
    assert read_all(folder).num_rows == 5000
    assert time.process_time() - before < 0.8  # twice the measured figure


def test_empty_files_of_every_kind(tmp_path: Path) -> None:
    """Files without a byte: no records in JSON Lines, one quarantined row elsewhere."""
    for name in ("a.txt", "b.jsonl", "c.csv", "d.parquet", "e.txt.gz", "f.jsonl.zst"):
        (tmp_path / name).write_bytes(b"")
    rows = read_all(tmp_path).to_pylist()
    assert [(row["origin"]["uri"][-9:].rpartition("/")[2], row["reason"]) for row in rows] == [
        ("a.txt", "missing-text"),
        ("c.csv", "invalid-csv"),
        ("d.parquet", "truncated"),
        ("e.txt.gz", "truncated"),
        ("jsonl.zst", "truncated"),
    ]
