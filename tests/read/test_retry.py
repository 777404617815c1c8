"""Quarantined records as an input."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from pipeline.config import Config
from pipeline.read import read_quarantine
from pipeline.records import QUARANTINED, RECORDS

from .conftest import read_all


def _quarantine(table: pa.Table) -> pa.RecordBatch:
    rows = [row for row in table.to_pylist() if row["outcome"]]
    return pa.RecordBatch.from_pylist(rows, QUARANTINED)


def test_source_bytes_are_read_again(tmp_path: Path) -> None:
    """With the right setting, files and lines that were set aside come out as if it had been there at first."""
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.txt").write_bytes("Grüße".encode("cp1252"))
    (folder / "b.jsonl").write_bytes(b'{"text": "fine"}\n{"body": "other", "n": 1}\n')
    first = read_all(folder)
    config = Config(encoding="cp1252", columns={"text": "body"})
    again = read_quarantine(_quarantine(first), config)
    assert again.schema == RECORDS
    again.validate(full=True)
    assert again.column("text").to_pylist() == ["Grüße", "other"]
    assert again.column("outcome").to_pylist() == [None, None]
    direct = read_all(folder, config=config).to_pylist()
    assert again.to_pylist() == [direct[0], direct[2]]


def test_rows_with_a_text_go_on_as_they_are(tmp_path: Path) -> None:
    """A record that was set aside after reading goes on with its text and fields, and without its old reason."""
    (tmp_path / "a.csv").write_bytes(b"text,id,extra\nstory,7,x\n")
    row = read_all(tmp_path / "a.csv").to_pylist()[0]
    batch = pa.RecordBatch.from_pylist([{**row, "reason": "empty-after-strip", "detail": "x"}], QUARANTINED)
    assert read_quarantine(batch, Config()).to_pylist() == [row]


def test_rows_with_nothing_stay(tmp_path: Path) -> None:
    """A row without text and bytes stays in quarantine for its reason; no row is lost or added."""
    (tmp_path / "a.txt.gz").write_bytes(b"no gzip")
    (tmp_path / "b.csv").write_bytes(b"text,id\n,1\nshort\n")
    first = _quarantine(read_all(tmp_path))
    again = read_quarantine(first, Config())
    assert again.column("reason").to_pylist() == first.column("reason").to_pylist()
    assert again.column("id").to_pylist() == first.column("id").to_pylist()
    assert again.column("outcome").to_pylist() == ["quarantine"] * 3


def test_nothing_in_nothing_out() -> None:
    """An empty batch gives an empty batch."""
    batch = pa.RecordBatch.from_pylist([], QUARANTINED)
    assert read_quarantine(batch, Config()).num_rows == 0
