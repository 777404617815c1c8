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
from tests.conftest import EmptyFolder
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
def test_what_was_written_is_well(empty_folder: EmptyFolder, made: list[Article], parts: int) -> None:
    """Nothing is found in a corpus just written, whatever is in it."""
    folder = empty_folder()
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


def test_a_build_beside_a_damaged_one_is_well(tmp_path: Path) -> None:
    """Its folder has a number after the name that its manifest gives it."""
    corpus = publish(tmp_path, ordinary(10))
    numbered = corpus.resolve().rename(corpus.resolve().with_suffix(".1"))
    assert check(numbered).ok


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


def lose(table: str) -> Callable[[Path, dict[str, Any]], None]:
    """A table less, in the manifest too."""

    def remove(corpus: Path, content: dict[str, Any]) -> None:
        for file in (corpus / table).iterdir():
            del content["files"][file.relative_to(corpus).as_posix()]
            file.unlink()

    return remove


REBUILT = "the input text cannot be rebuilt: 000000-"
FIT = "spans overlap, are out of order, or do not fit their text: "
FORGED = {
    "text": (edit("documents", lambda rows: rows[0].update(text=rows[0]["text"].upper())), [f"documents: {REBUILT}"]),
    "no text": (edit("documents", put(0, text=None)), ["documents: 1 documents have no text"]),
    "no id": (edit("documents", put(0, id=None)), ["documents: 1 documents have no id", "tables: the ledger has rows"]),
    "no digest": (edit("documents", put(0, raw_sha256=None)), ["documents: 1 documents have no raw_sha256"]),
    "same id": (
        edit("documents", lambda rows: rows[1].update(id=rows[0]["id"])),
        ["documents: 1 documents have an id that came before"],
    ),
    "span text": (edit("removed", put(0, text="?" * 13)), [f"documents: {REBUILT}"]),
    "longer span text": (edit("removed", put(0, text="?" * 14)), [f"removed: {FIT}"]),
    "no span text": (edit("removed", put(0, end=13, text=None)), [f"removed: {FIT}"]),
    "no span start": (edit("removed", put(0, start=None)), [f"removed: {FIT}"]),
    "empty span": (edit("removed", put(0, end=12, text="")), [f"removed: {FIT}"]),
    "span moved": (edit("removed", put(0, start=11, end=24)), [f"documents: {REBUILT}"]),
    "span before the text": (edit("removed", lambda rows: rows[0].update(start=-13, end=0)), [f"removed: {FIT}"]),
    "span after the text": (
        edit("removed", lambda rows: rows[0].update(start=10**9, end=10**9 + 13)),
        [f"removed: {FIT}"],
    ),
    "span one byte after the text": (edit("removed", put(1, start=39, end=52)), [f"removed: {FIT}"]),
    "span over the one before": (edit("removed", put(1, start=24, end=37)), [f"removed: {FIT}"]),
    "spans in disorder": (edit("removed", lambda rows: rows.insert(0, rows.pop(1))), [f"removed: {FIT}"]),
    "ledger in disorder": (edit("removed", lambda rows: rows.reverse()), ["tables: the ledger is not in the order"]),
    "span of nobody": (
        edit("removed", put(-1, document_id="nobody")),
        ["documents: the input text cannot be rebuilt: ", "tables: the ledger has rows that belong to no document"],
    ),
    "span lost": (edit("removed", lambda rows: rows.pop()), ["removed: it has 29 rows, the manifest counts 30"]),
    "label": (edit("removed", put(0, label="surprise")), ["removed: unknown codes: surprise", "removed: it has other"]),
    "no label": (edit("removed", put(0, label="")), ["removed: unknown codes: ", "removed: it has other numbers"]),
    "other label": (edit("removed", put(0, label="donation")), ["removed: it has other numbers of spans by label"]),
    "document lost": (
        edit("documents", lambda rows: rows.pop()),
        ["documents: it has 24 rows, the manifest counts"],
    ),
    "duplicate lost": (edit("duplicates", lambda rows: rows.pop()), ["duplicates: it has 4 rows, the manifest counts"]),
    "duplicate text": (
        edit("duplicates", put(0, text="another text")),
        ["duplicates: the input text cannot be rebuilt: "],
    ),
    "duplicate without text": (edit("duplicates", put(0, text=None)), ["duplicates: 1 duplicates have no text"]),
    "reason": (
        edit("quarantine", put(0, reason="bad luck")),
        ["quarantine: unknown codes: bad luck", "quarantine: it has other numbers of rows by reason"],
    ),
    "no reason": (
        edit("quarantine", put(0, reason=None)),
        ["quarantine: unknown codes: None", "quarantine: it has other numbers of rows by reason"],
    ),
    "reason of duplicates": (
        edit("duplicates", put(0, reason="too-large")),
        ["duplicates: unknown codes: too-large", "duplicates: it has other numbers of rows by reason"],
    ),
    "other reason": (edit("quarantine", put(0, reason="too-large")), ["quarantine: it has other numbers of rows"]),
    "records": (
        lambda _, content: content["accounting"].update(records=99),
        ["manifest.json: records are not accounted for: "],
    ),
    "accounting": (
        lambda _, content: content["accounting"].update(records=36, duplicates=7),
        ["duplicates: it has 5 rows, the manifest accounts for 7"],
    ),
    "nothing, before there were signals": (lambda _, content: content["configuration"].pop("signals", None), []),
    "table lost": (
        lose("removed"),
        ["removed: the table has no file", "removed: it has 0 rows, the manifest"],
    ),
}


@pytest.mark.parametrize("name", FORGED)
def test_contents_that_do_not_fit_are_found(tmp_path: Path, name: str) -> None:
    """Even with digests made to fit, what the tables say must hold together: counts, codes, order, reconstruction."""
    first = Article("first words\nadvert 13 by.\nlast words\nadvert 13 by.\n", ((12, 25), (37, 50)))
    more = [Article("a text with nothing removed"), *ordinary(30), Article("dup", outcome="duplicate", reason="exact")]
    more.append(Article("bad", outcome="quarantine", reason="wrong-type"))
    write(tmp_path / "corpus", [first, *more])
    change, problems = FORGED[name]
    found = [str(finding) for finding in forge(tmp_path / "corpus", change).findings]
    assert len(found) == len(problems), found
    assert all(finding.startswith(problem) for finding, problem in zip(found, problems, strict=True)), found


def test_of_many_faults_three_are_named(tmp_path: Path) -> None:
    """A broken table does not fill the screen."""
    for number, more in ((3, ""), (4, " and 1 more"), (9, " and 6 more")):
        write(tmp_path / f"{number}", [Article(f"text {row}", fields={"id": f"{row}"}) for row in range(number)])

        def upper(rows: list[dict[str, Any]]) -> None:
            for row in rows:
                row["text"] = row["text"].upper()

        found = forge(tmp_path / f"{number}", edit("documents", upper)).findings
        assert [str(finding) for finding in found] == [f"documents: the input text cannot be rebuilt: 0, 1, 2{more}"]


def test_rows_of_a_file_that_the_manifest_does_not_know_are_found(tmp_path: Path) -> None:
    """Two files whose numbers of rows are exchanged in the manifest are both named."""
    write(tmp_path / "corpus", [Article(f"text {row}") for row in range(5)], parts=2)
    content = manifest.parse((tmp_path / "corpus/manifest.json").read_bytes())
    one, other = (content["files"][f"documents/part-0000{number}.parquet"] for number in (0, 1))
    one["rows"], other["rows"] = other["rows"], one["rows"]
    (tmp_path / "corpus/manifest.json").write_bytes(manifest.render(content))
    assert [str(finding) for finding in check(tmp_path / "corpus").findings] == [
        "documents/part-00000.parquet: it has 3 rows, the manifest says 2",
        "documents/part-00001.parquet: it has 2 rows, the manifest says 3",
    ]


def test_text_that_is_none_is_found(tmp_path: Path) -> None:
    """Bytes that are not UTF-8 in a column of text, which most readers of Parquet pass on, are named."""
    write(tmp_path / "corpus", [Article("one"), Article("abc", outcome="duplicate", reason="exact")])

    def spoil(corpus: Path, _: dict[str, Any]) -> None:
        file = corpus / "duplicates/part-00000.parquet"
        read = pq.read_table(file)
        text = pa.StringArray.from_buffers(1, pa.array([0, 3], pa.int32()).buffers()[1], pa.py_buffer(b"a\xffc"))
        pq.write_table(read.set_column(read.schema.get_field_index("text"), read.schema.field("text"), text), file)

    found = [str(finding) for finding in forge(tmp_path / "corpus", spoil).findings]
    assert found[0] == "duplicates: an input text is not UTF-8"
    assert found[1].startswith("duplicates: the input text cannot be rebuilt: ")


def test_a_page_that_cannot_be_read_is_found(tmp_path: Path) -> None:
    """A damaged page under a digest made to fit is found by its own checksum, not raised."""
    write(tmp_path / "corpus", ordinary(30))

    def flip(corpus: Path, _: dict[str, Any]) -> None:
        file = corpus / "removed/part-00000.parquet"
        column = pq.read_metadata(file).row_group(0).column(0)
        data = bytearray(file.read_bytes())
        data[column.data_page_offset + column.total_compressed_size - 5] ^= 1
        file.write_bytes(data)

    found = [str(finding) for finding in forge(tmp_path / "corpus", flip).findings]
    assert len(found) == 1
    assert found[0].startswith("tables: cannot read ")


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
