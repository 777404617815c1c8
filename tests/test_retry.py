"""`build --retry`: what the last build set aside gets another chance."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from pipeline.build import Built, build
from pipeline.config import Config
from pipeline.corpus.check import check
from pipeline.corpus.restore import restore
from pipeline.errors import CorpusError
from pipeline.records import TABLES
from tests.conftest import SEEDS

LATIN = "Café au lait is a drink that people like.\n".encode("cp1252")
LONG = "The harbour was full of ships on that day. " * 20


def rows(corpus: Path, table: str) -> list[dict[str, Any]]:
    """All rows of a table."""
    return [row for part in sorted((corpus / table).glob("*.parquet")) for row in pq.read_table(part).to_pylist()]


def tables(corpus: Path) -> dict[str, list[dict[str, Any]]]:
    """All rows of all tables."""
    return {table: rows(corpus, table) for table in TABLES}


def counted(built: Built) -> tuple[int, int, int]:
    """Documents, duplicates, quarantine."""
    return tuple(built.counts.rows[table] for table in ("documents", "duplicates", "quarantine"))  # type: ignore[return-value]


@pytest.fixture
def inputs(tmp_path: Path) -> Path:
    """A good file, one that is not UTF-8, one too long, a line that is no JSON, one without text, a damaged file."""
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.txt").write_text("The council met on Monday and talked for hours.\n")
    (folder / "b.txt").write_bytes(LATIN)
    (folder / "c.txt").write_text(LONG)
    (folder / "d.jsonl").write_text('{"id": "1", "body": "The ferry sank in calm water on Friday."}\n{broken\n')
    (folder / "e.txt.gz").write_bytes(gzip.compress(LONG.encode())[:-9])
    return folder


def test_settings_that_were_wrong_can_be_mended(inputs: Path, tmp_path: Path) -> None:
    """With the right encoding and column what was in quarantine becomes documents; the rest keeps its reason."""
    out = tmp_path / "out"
    first = build([str(inputs)], out, Config(workers=1))
    assert counted(first) == (2, 0, 4)
    again = build([], out, Config(workers=1, encoding="cp1252", columns={"text": "body"}), retry=True)
    assert counted(again) == (4, 0, 2)
    assert sorted(row["reason"] for row in rows(again.corpus, "quarantine")) == ["invalid-json", "truncated"]
    assert check(again.corpus).ok


def test_what_was_saved_restores_byte_for_byte(inputs: Path, tmp_path: Path) -> None:
    """A file that was read on the second try still gives back its own bytes, under its own id."""
    out = tmp_path / "out"
    first = build([str(inputs)], out, Config(workers=1))
    ids = {row["origin"]["uri"]: row["id"] for row in rows(first.corpus, "quarantine")}
    again = build([], out, Config(workers=1, encoding="cp1252"), retry=True)
    [record] = restore(again.corpus, [ids["in/b.txt"]])
    assert (record.data, record.origin["encoding"]) == (LATIN, "cp1252")


def test_with_inputs_only_the_quarantine_is_added(inputs: Path, tmp_path: Path) -> None:
    """New inputs come with the quarantine of the last build, not with its documents."""
    out = tmp_path / "out"
    build([str(inputs)], out, Config(workers=1))
    new = tmp_path / "new"
    new.mkdir()
    (new / "f.txt").write_text("Another story of another day in another town.\n")
    again = build([str(new)], out, Config(workers=1, encoding="cp1252"), retry=True)
    assert counted(again) == (2, 0, 3)
    assert {row["origin"]["uri"] for row in rows(again.corpus, "documents")} == {"new/f.txt", "in/b.txt"}


def test_the_same_inputs_again_make_duplicates_not_losses(inputs: Path, tmp_path: Path) -> None:
    """A file that is read from the quarantine and from its folder is one document and one duplicate."""
    out = tmp_path / "out"
    build([str(inputs)], out, Config(workers=1))
    again = build([str(inputs)], out, Config(workers=1, encoding="cp1252"), retry=True)
    assert again.counts.records == 6 + 4
    assert [row["origin"]["uri"] for row in rows(again.corpus, "duplicates")] == ["in/b.txt"]
    assert check(again.corpus).ok


def test_nothing_changes_when_nothing_is_new(tmp_path: Path) -> None:
    """Building the last build again gives the same rows: fields found in a text are found again, not taken as given."""
    out = tmp_path / "out"
    first = tables(build([str(SEEDS)], out, Config(workers=1)).corpus)
    assert tables(build([], out, Config(workers=1), retry=True).corpus) == first


def test_fields_and_flags_of_tables_survive(tmp_path: Path) -> None:
    """Title, date, metadata and the reader's flags of a table record are as they came."""
    (tmp_path / "in").mkdir()
    record = {
        "id": "x",
        "text": "The ferry sank in calm water on Friday.",
        "title": "Ferry",
        "published": "soon",
        "n": 1,
    }
    (tmp_path / "in" / "a.jsonl").write_text(json.dumps(record) + "\n")
    out = tmp_path / "out"
    first = tables(build([str(tmp_path / "in")], out, Config(workers=1)).corpus)
    [document] = first["documents"]
    assert (document["title"], document["flags"]) == ("Ferry", ["unparsed-published"])
    assert tables(build([], out, Config(workers=1), retry=True).corpus) == first


def test_duplicates_stay_accounted(tmp_path: Path) -> None:
    """Every record of the last build is there again, duplicates among them."""
    (tmp_path / "in").mkdir()
    for name in "abc":
        (tmp_path / "in" / f"{name}.txt").write_text("The same story, told three times over.\n")
    out = tmp_path / "out"
    first = build([str(tmp_path / "in")], out, Config(workers=1))
    again = build([], out, Config(workers=1), retry=True)
    assert counted(first) == counted(again) == (1, 2, 0)


def test_a_retry_that_was_interrupted_does_not_serve_another(inputs: Path, tmp_path: Path) -> None:
    """Finished work of `--retry` alone is not taken for that of `--retry INPUT`, which reads less."""
    out = tmp_path / "out"
    build([str(inputs)], out, Config(workers=1))
    with pytest.raises(Exception, match="strict"):
        build([], out, Config(workers=1, strict=True), retry=True)
    assert list((out / ".work").iterdir())
    again = build([str(inputs / "a.txt")], out, Config(workers=1), retry=True)
    assert counted(again) == (1, 0, 4)


def test_there_must_be_a_last_build(tmp_path: Path) -> None:
    """Without a corpus there is nothing to retry."""
    with pytest.raises(CorpusError):
        build([], tmp_path / "out", Config(workers=1), retry=True)


def test_two_workers_give_the_same_bytes(inputs: Path, tmp_path: Path) -> None:
    """The corpus of a retry does not depend on the number of workers."""
    names = []
    for workers in (1, 2):
        out = tmp_path / f"out-{workers}"
        build([str(inputs)], out, Config(workers=1))
        names.append(
            build([str(inputs)], out, Config(workers=workers, encoding="cp1252"), retry=True).corpus.resolve().name
        )
    assert names[0] == names[1]
