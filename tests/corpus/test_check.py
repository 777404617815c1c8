"""`check` finds every kind of damage, and nothing where there is none."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.corpus.check import CheckReport, check
from pipeline.errors import CorpusError
from pipeline.write import manifest
from pipeline.write.durable import file_digest
from tests.finished import ON_DISK, Article, articles, ordinary, publish, write


def copy_of(corpus: Path, folder: Path) -> Path:
    """The corpus in a folder of its own, without the build's name."""
    shutil.copytree(corpus, folder)
    return folder


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus that nothing is wrong with."""
    return publish(tmp_path_factory.mktemp("whole"), ordinary(120), parts=3)


@ON_DISK
@given(st.lists(articles(), max_size=12), st.integers(1, 3))
def test_what_was_written_is_well(tmp_path_factory: pytest.TempPathFactory, made: list[Article], parts: int) -> None:
    """Nothing is found in a corpus just written, whatever is in it."""
    folder = tmp_path_factory.mktemp("well")
    write(folder, made, parts=parts)
    report = check(folder)
    assert report.findings == ()
    assert report.ok
    assert report.rows["documents"] == sum(article.outcome is None for article in made)


def test_a_copy_is_well(whole: Path, tmp_path: Path) -> None:
    """A corpus may be copied anywhere, under any name; the report counts its files and bytes."""
    assert check(whole).ok
    report = check(copy_of(whole, tmp_path / "copy"))
    assert report.ok
    files = [path for path in whole.rglob("*") if path.is_file()]
    assert report.files == len(files)
    assert report.size == sum(path.stat().st_size for path in files)


def test_row_groups_of_documents_and_ledger_need_not_agree(tmp_path: Path) -> None:
    """Spans find their documents across the edges of row groups, here at 10,000 rows of each table."""
    made = [Article("one two three", ((0, 4), (8, 13))[: number % 3]) for number in range(20_500)]
    write(tmp_path, made)
    report = check(tmp_path)
    assert report.findings == ()
    assert report.rows["documents"] == 20_500
    groups = {table: pq.ParquetFile(tmp_path / table / "part-00000.parquet").num_row_groups for table in report.rows}
    assert (groups["documents"], groups["removed"]) == (3, 3)


@pytest.mark.parametrize("count", [200, pytest.param(1000, marks=pytest.mark.long)], ids=["quick", "long"])
@pytest.mark.parametrize("kind", ["flip", "cut", "grow", "swap bytes", "swap files", "delete"])
def test_damage_anywhere_is_found(whole: Path, tmp_path: Path, kind: str, count: int) -> None:
    """One flipped bit, a cut end, an added byte, two exchanged bytes or files, a file less: each is found and named."""
    corpus = copy_of(whole, tmp_path / "copy")
    good = {path.relative_to(corpus).as_posix(): path.read_bytes() for path in corpus.rglob("*") if path.is_file()}
    draw = random.Random(f"{kind} {count}")
    for _ in range(count if kind == "flip" or count == 1000 else count // 20):
        bad = _damaged(good, kind, draw)
        for name, data in bad.items():
            (corpus / name).unlink() if data is None else (corpus / name).write_bytes(data)
        report = check(corpus)
        for name in bad:
            (corpus / name).write_bytes(good[name])
        found = {finding.place for finding in report.findings}
        assert found == ({"manifest.json"} if "manifest.json" in bad else set(bad)), kind
    assert check(corpus).ok


def _damaged(good: dict[str, bytes], kind: str, draw: random.Random) -> dict[str, bytes | None]:
    """The files that are no longer as they were; None for one that is gone."""
    name = draw.choice(sorted(good))
    if kind == "delete":
        return {name: None}
    if kind == "swap files":
        other = draw.choice([other for other in sorted(good) if good[other] != good[name]])
        return {name: good[other], other: good[name]}
    bad = bytearray(good[name])
    at = draw.randrange(len(bad))
    if kind == "flip":
        bad[at] ^= 1 << draw.randrange(8)
    elif kind == "cut":
        del bad[at:]
    elif kind == "grow":
        bad.insert(at, draw.randrange(256))
    else:
        other_place = draw.choice([place for place in range(len(bad)) if bad[place] != bad[at]])
        bad[at], bad[other_place] = bad[other_place], bad[at]
    return {name: bytes(bad)}


def test_every_bit_of_the_manifest_counts(whole: Path) -> None:
    """No bit of the manifest can be flipped without being found, its white space and its digest included."""
    good = (whole / "manifest.json").read_bytes()
    for at in range(len(good)):
        for bit in range(8):
            bad = bytearray(good)
            bad[at] ^= 1 << bit
            with pytest.raises(CorpusError):
                manifest.parse(bytes(bad))


@pytest.mark.parametrize("name", ["README.md", "croissant.json", "documents/part-00001.parquet"])
def test_a_deleted_file_is_found(whole: Path, tmp_path: Path, name: str) -> None:
    """A file that is gone is named."""
    corpus = copy_of(whole, tmp_path / "copy")
    (corpus / name).unlink()
    assert [str(finding) for finding in check(corpus).findings] == [f"{name}: the file is missing"]


def test_a_deleted_manifest_is_found(whole: Path, tmp_path: Path) -> None:
    """Without its manifest nothing vouches for a folder."""
    corpus = copy_of(whole, tmp_path / "copy")
    (corpus / "manifest.json").unlink()
    report = check(corpus)
    assert [finding.place for finding in report.findings] == ["manifest.json"]
    assert (report.files, report.size, report.rows) == (0, 0, {})


@pytest.mark.parametrize("name", ["documents/part-00009.parquet", "notes.txt", "documents/.hidden"])
def test_an_added_file_is_found(whole: Path, tmp_path: Path, name: str) -> None:
    """A file that no build wrote is named: a loader would read it with the others."""
    corpus = copy_of(whole, tmp_path / "copy")
    (corpus / name).write_bytes(b"added")
    assert [str(finding) for finding in check(corpus).findings] == [f"{name}: this file is not part of the corpus"]


def test_an_added_link_is_found(whole: Path, tmp_path: Path) -> None:
    """A link to a folder elsewhere is named too."""
    corpus = copy_of(whole, tmp_path / "copy")
    (corpus / "more").symlink_to(tmp_path)
    assert [finding.place for finding in check(corpus).findings] == ["more"]


def test_exchanged_files_are_found(whole: Path, tmp_path: Path) -> None:
    """Two parts with each other's names are both named."""
    corpus = copy_of(whole, tmp_path / "copy")
    one, other = (corpus / f"documents/part-0000{number}.parquet" for number in (0, 1))
    one.rename(corpus / "aside")
    other.rename(one)
    (corpus / "aside").rename(other)
    assert len(check(corpus).findings) == 2


def test_the_manifest_of_another_build_is_found(tmp_path: Path) -> None:
    """A build's folder is named by its manifest; a whole build in the place of another is found."""
    corpus = publish(tmp_path, ordinary(10))
    other = publish(tmp_path / "other", ordinary(11))
    shutil.rmtree(corpus.resolve())
    shutil.copytree(other, corpus.resolve())
    assert "is not the manifest of this build" in str(check(corpus).findings[0])


def test_no_folder_is_an_error(tmp_path: Path) -> None:
    """A corpus that is not there is not a corpus with findings."""
    with pytest.raises(CorpusError, match="is no folder"):
        check(tmp_path / "missing")


def forge(corpus: Path, change: Callable[[Path, dict[str, Any]], None]) -> CheckReport:
    """Check a corpus whose tables were changed and whose manifest was made to fit again."""
    content = manifest.parse((corpus / "manifest.json").read_bytes())
    change(corpus, content)
    for name, entry in content["files"].items():
        entry["size"], entry["sha256"] = file_digest(corpus / name)
        if name.endswith(".parquet"):
            entry["rows"] = pq.read_metadata(corpus / name).num_rows
    (corpus / "manifest.json").write_bytes(manifest.render(content))
    return check(corpus)


def edit(table: str, change: Callable[[list[dict[str, Any]]], object]) -> Callable[[Path, dict[str, Any]], None]:
    """A change of the rows of a table's first part."""

    def change_file(corpus: Path, content: dict[str, Any]) -> None:
        file = corpus / table / "part-00000.parquet"
        read = pq.read_table(file)
        rows = read.to_pylist()
        change(rows)
        pq.write_table(pa.Table.from_pylist(rows, schema=read.schema), file)

    return change_file


def put(row: int, **values: object) -> Callable[[list[dict[str, Any]]], object]:
    """Other values in one row."""
    return lambda rows: rows[row].update(values)


FORGED = {
    "text": (edit("documents", lambda rows: rows[0].update(text=rows[0]["text"].upper())), "cannot be rebuilt"),
    "no text": (edit("documents", put(0, text=None)), "1 documents have no text"),
    "no id": (edit("documents", put(0, id=None)), "no id"),
    "same id": (edit("documents", lambda rows: rows[1].update(id=rows[0]["id"])), "an id that came before"),
    "span text": (edit("removed", put(0, text="?" * 13)), "cannot be rebuilt"),
    "longer span text": (edit("removed", put(0, text="?" * 14)), "do not fit their text"),
    "empty span": (edit("removed", put(0, end=12, text="")), "do not fit their text"),
    "span moved": (edit("removed", put(0, start=11, end=24)), "cannot be rebuilt"),
    "span before the text": (edit("removed", lambda rows: rows[0].update(start=-13, end=0)), "do not fit"),
    "span after the text": (edit("removed", lambda rows: rows[0].update(start=10**9, end=10**9 + 13)), "do not fit"),
    "spans in disorder": (edit("removed", lambda rows: rows.insert(0, rows.pop(1))), "overlap, are out of order"),
    "ledger in disorder": (edit("removed", lambda rows: rows.reverse()), "order"),
    "span of nobody": (edit("removed", put(-1, document_id="nobody")), "belong to no document"),
    "span lost": (edit("removed", lambda rows: rows.pop()), "the manifest counts"),
    "label": (edit("removed", put(0, label="surprise")), "unknown codes: surprise"),
    "other label": (edit("removed", put(0, label="donation")), "numbers of spans by label"),
    "document lost": (edit("documents", lambda rows: rows.pop()), "the manifest counts"),
    "duplicate lost": (edit("duplicates", lambda rows: rows.pop()), "the manifest counts"),
    "duplicate text": (edit("duplicates", put(0, text="another text")), "cannot be rebuilt"),
    "duplicate without text": (edit("duplicates", put(0, text=None)), "1 duplicates have no text"),
    "reason": (edit("quarantine", put(0, reason="bad luck")), "unknown codes: bad luck"),
    "no reason": (edit("quarantine", put(0, reason=None)), "unknown codes: None"),
    "other reason": (edit("quarantine", put(0, reason="too-large")), "numbers of rows by reason"),
    "records": (lambda _, content: content["accounting"].update(records=99), "not accounted for"),
}


@pytest.mark.parametrize("name", FORGED)
def test_contents_that_do_not_fit_are_found(tmp_path: Path, name: str) -> None:
    """Even with digests made to fit, what the tables say must hold together: counts, codes, order, reconstruction."""
    first = Article("first words\nadvert 13 by.\nlast words\nadvert 13 by.\n", ((12, 25), (37, 50)))
    more = [Article("a text with nothing removed"), *ordinary(30), Article("dup", outcome="duplicate", reason="exact")]
    more.append(Article("bad", outcome="quarantine", reason="wrong-type"))
    write(tmp_path / "corpus", [first, *more])
    change, problem = FORGED[name]
    report = forge(tmp_path / "corpus", change)
    assert any(problem in str(finding) for finding in report.findings), report.findings


def test_columns_of_another_version_are_found(tmp_path: Path) -> None:
    """A table with a column too few is named."""
    write(tmp_path / "corpus", ordinary(10))

    def drop_column(corpus: Path, content: dict[str, Any]) -> None:
        file = corpus / "removed/part-00000.parquet"
        pq.write_table(pq.read_table(file).drop_columns(["score"]), file)

    assert "other columns" in str(forge(tmp_path / "corpus", drop_column).findings[0])


def test_a_newer_format_is_not_misread(tmp_path: Path) -> None:
    """A manifest of a format that is not known yet is refused as such."""
    write(tmp_path / "corpus", ordinary(10))
    content = json.loads((tmp_path / "corpus/manifest.json").read_bytes())
    del content["digest"]
    (tmp_path / "corpus/manifest.json").write_bytes(manifest.render(content | {"format": 2}))
    assert "a format that this version does not know" in str(check(tmp_path / "corpus").findings[0])
