"""The dataset folder: parts, counts, accounting, the same bytes everywhere."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config import Config
from pipeline.errors import WriteError
from pipeline.records import TABLES
from pipeline.write import PartCounts, finish, manifest, total, write_part
from pipeline.write.durable import file_digest
from tests.conftest import EmptyFolder
from tests.finished import ON_DISK, VERSIONS, Article, articles, batches, ordinary, write

ROOT = Path(__file__).parents[2]


def tree(folder: Path) -> dict[str, tuple[int, str]]:
    """Mode and digest of every file."""
    return {
        path.relative_to(folder).as_posix(): (
            path.stat().st_mode & 0o7777,
            "" if path.is_dir() else file_digest(path)[1],
        )
        for path in folder.rglob("*")
    }


def test_a_folder_has_all_that_a_reader_looks_for(tmp_path: Path) -> None:
    """Four tables, manifest, card, Croissant and report are there, and nothing else."""
    write(tmp_path, ordinary(50))
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        [*TABLES, "README.md", "croissant.json", "manifest.json", "report.html"]
    )


def test_a_table_without_rows_is_there(tmp_path: Path) -> None:
    """Every table has a Parquet file with its columns, even when the build had no input."""
    write(tmp_path, [])
    for table, schema in TABLES.items():
        read = pq.read_table(tmp_path / table / "part-00000.parquet")
        assert (read.num_rows, read.schema) == (0, schema)


@ON_DISK
@given(st.lists(articles(), max_size=15))
def test_counts_are_those_of_the_records(empty_folder: EmptyFolder, made: list[Article]) -> None:
    """Rows, reasons, labels and bytes are counted as a plain loop over the records counts them."""
    counts = write_part(batches(made, 4), empty_folder(), 0)
    documents = [article for article in made if article.outcome is None]
    assert counts.records == len(made)
    assert counts.rows["documents"] == len(documents)
    assert counts.rows["removed"] == counts.spans.total() == sum(len(article.cuts) for article in documents)
    assert counts.duplicates.total() == counts.rows["duplicates"] == sum(a.outcome == "duplicate" for a in made)
    assert counts.quarantine.total() == counts.rows["quarantine"] == sum(a.outcome == "quarantine" for a in made)
    assert counts.input_bytes == sum(len(article.text.encode()) for article in made if article.text is not None)
    size = sum(len((article.text or "").encode()) for article in documents)
    assert counts.text_bytes + counts.removed_bytes.total() == size


def test_counts_of_parts_add_up(tmp_path: Path) -> None:
    """The sum over parts is the count of the whole, in any order, through pickle and JSON."""
    made = batches(ordinary(300), 100)
    parts = [write_part([batch], tmp_path / "parts", number) for number, batch in enumerate(made)]
    whole = write_part(made, tmp_path / "whole", 0)
    assert total(parts) == total(reversed(parts)) == whole
    assert pickle.loads(pickle.dumps(whole)) == whole
    assert PartCounts.from_json(json.loads(json.dumps(whole.to_json()))) + PartCounts() == whole


def test_a_part_written_again_replaces_the_first(tmp_path: Path) -> None:
    """A retried part leaves no row of the first try, not even in a table that has none now."""
    write_part(batches(ordinary(80)), tmp_path, 3)
    write_part(batches([Article("only this")]), tmp_path, 3)
    assert [path.relative_to(tmp_path).as_posix() for path in tmp_path.glob("[a-z]*/*.parquet")] == [
        "documents/part-00003.parquet"
    ]


@pytest.mark.parametrize("change", [{"records": 51}, {"rows": {}}])
def test_unaccounted_records_are_not_published(tmp_path: Path, change: dict[str, object]) -> None:
    """When the records that came in are not those that went out, finish refuses."""
    counts = write_part(batches(ordinary(50)), tmp_path, 0)
    wrong = PartCounts.from_json(counts.to_json() | change)
    with pytest.raises(WriteError, match="nothing is published"):
        finish(tmp_path, wrong, [], {}, Config(), VERSIONS)


def test_a_lost_part_is_not_published(tmp_path: Path) -> None:
    """When a part was lost after it was counted, finish refuses."""
    counts = write_part(batches(ordinary(50)), tmp_path, 0) + write_part(batches(ordinary(50)), tmp_path, 1)
    (tmp_path / "documents/part-00001.parquet").unlink()
    with pytest.raises(WriteError, match="nothing is published"):
        finish(tmp_path, counts, [], {}, Config(), VERSIONS)


def test_leftovers_of_a_killed_worker_are_not_published(tmp_path: Path) -> None:
    """A temporary file that a killed worker left in a table is gone after finish."""
    counts = write_part(batches(ordinary(20)), tmp_path, 0)
    (tmp_path / "documents/.part-00001.parquet.tmp").write_bytes(b"half")
    finish(tmp_path, counts, [], {}, Config(), VERSIONS)
    assert [path.name for path in (tmp_path / "documents").iterdir()] == ["part-00000.parquet"]


def test_the_manifest_lists_every_file(tmp_path: Path) -> None:
    """Each file but the manifest itself is listed with its size, digest and rows."""
    write(tmp_path, ordinary(90), parts=3)
    content = manifest.parse((tmp_path / "manifest.json").read_bytes())
    files = {path.relative_to(tmp_path).as_posix(): path for path in tmp_path.rglob("*") if path.is_file()}
    assert content["files"].keys() == files.keys() - {"manifest.json"}
    for name, entry in content["files"].items():
        data = files[name].read_bytes()
        assert (entry["size"], entry["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
        assert entry.get("rows") == (pq.read_metadata(files[name]).num_rows if name.endswith("parquet") else None)


@dataclass(frozen=True)
class Seen:
    """An input file, as the manifest knows it."""

    uri: str
    size: int
    sha256: str


def test_the_manifest_says_what_was_read_with_what(tmp_path: Path) -> None:
    """Inputs in their order, files passed over, settings, versions, and records by table; it is given back too."""
    counts = write_part(batches(ordinary(40)), tmp_path, 0)
    inputs = [Seen("b.txt", 7, "1" * 64), Seen("a.txt", 5, "2" * 64)]
    content = finish(tmp_path, counts, inputs, {"empty": 2}, Config(strictness="careful"), VERSIONS)
    read = manifest.parse((tmp_path / "manifest.json").read_bytes())
    assert {name: read[name] for name in content} == content
    assert content["format"] == manifest.FORMAT
    assert content["inputs"] == [
        {"uri": "b.txt", "size": 7, "sha256": "1" * 64},
        {"uri": "a.txt", "size": 5, "sha256": "2" * 64},
    ]
    assert content["skipped"] == {"empty": 2}
    assert content["configuration"]["strictness"] == "careful"
    assert content["versions"] == {"pyarrow": pa.__version__, **VERSIONS}
    assert content["counts"] == counts.to_json()
    tables = ("documents", "duplicates", "quarantine")
    assert content["accounting"] == {"records": 40, **{table: counts.rows[table] for table in tables}}
    assert {"README.md", "croissant.json", "report.html"} < content["files"].keys()
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_the_report_and_the_groups_tell_of_all_tables(tmp_path: Path) -> None:
    """A document, a duplicate and a record set aside, each in another part, are shown and counted with their source."""
    told = {"documents": "Harbour Post", "duplicates": "Valley News", "quarantine": "Hill Echo"}
    made = [
        Article("The harbour. Sign up now!", ((13, 25),), fields={"source": told["documents"]}),
        Article("The harbour.", (), "duplicate", "exact", fields={"source": told["duplicates"]}),
        Article("H", (), "quarantine", "bad-date", fields={"source": told["quarantine"], "detail": "no such day"}),
    ]
    write(tmp_path, made, parts=3)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert [text for text in ("Sign up now!", "no such day", *told.values()) if text not in page] == []
    groups = manifest.parse((tmp_path / "manifest.json").read_bytes())["groups"]["source"]
    counted = {group[0]: dict(zip(groups["figures"], group, strict=True)) for group in groups["largest"]}
    assert {table: [counted[name][table] for table in told] for table, name in told.items()} == {
        "documents": [1, 0, 0],
        "duplicates": [0, 1, 0],
        "quarantine": [0, 0, 1],
    }


def test_parts_come_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    """Part 100,000 comes after part 99,999, in the tables and in the list of files."""
    counts = write_part(batches([Article("one")]), tmp_path, 100_000)
    counts += write_part(batches([Article("two")]), tmp_path, 99_999)
    files = finish(tmp_path, counts, [], {}, Config(), VERSIONS)["files"]
    assert [name for name in files if name.startswith("documents/")] == [
        "documents/part-99999.parquet",
        "documents/part-100000.parquet",
    ]


def test_settings_that_change_no_byte_are_not_in_the_manifest(tmp_path: Path) -> None:
    """Workers, engine, memory and batch size leave no trace."""
    made = []
    for name, config in (("a", Config()), ("b", Config(workers=7, memory=99_000_000, batch_rows=3))):
        counts = write_part(batches(ordinary(20)), tmp_path / name, 0)
        finish(tmp_path / name, counts, [], {}, config, VERSIONS)
        made.append(tree(tmp_path / name))
    assert made[0] == made[1]


RUN = """
import sys
from pathlib import Path
from tests.finished import ordinary, write
write(Path(sys.argv[1]), ordinary(400), rows=int(sys.argv[2]), parts=2)
"""


def test_bytes_and_modes_are_the_same_everywhere(tmp_path: Path) -> None:
    """Hash seed, time zone, locale, umask, working directory and batch size change no byte and no mode."""
    settings = [
        {"PYTHONHASHSEED": "1", "TZ": "UTC", "LC_ALL": "C", "umask": 0o022, "rows": "1000"},
        {"PYTHONHASHSEED": "2", "TZ": "Asia/Tokyo", "LC_ALL": "C.UTF-8", "umask": 0o077, "rows": "1"},
        {"PYTHONHASHSEED": "3", "TZ": "America/New_York", "LC_ALL": "tr_TR.UTF-8", "umask": 0o000, "rows": "37"},
    ]
    trees = []
    for number, setting in enumerate(settings):
        folder, cwd = tmp_path / f"{number}", tmp_path / f"cwd{number}"
        cwd.mkdir()
        subprocess.run(
            [sys.executable, "-c", RUN, str(folder), str(setting["rows"])],
            env=os.environ | {"PYTHONPATH": str(ROOT)} | {k: str(v) for k, v in setting.items() if k.isupper()},
            umask=int(str(setting["umask"])),
            cwd=cwd,
            check=True,
        )
        trees.append(tree(folder))
    assert trees[0] == trees[1] == trees[2]
    assert {mode for mode, digest in trees[0].values() if digest} == {0o644}
    assert {mode for mode, digest in trees[0].values() if not digest} == {0o755}


def test_a_file_name_that_is_no_text_does_not_break_the_manifest() -> None:
    """A lone surrogate, which Python makes of undecodable file names, survives as a JSON escape."""
    content = {"format": 1, "inputs": [{"uri": "a\udc80b/ü.txt"}]}
    data = manifest.render(content)
    assert "ü".encode() in data
    assert manifest.parse(data)["inputs"] == content["inputs"]


json_values = st.recursive(
    st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=9
)


def test_a_manifest_can_be_read_and_compared_line_by_line() -> None:
    """Each file and each input has a line of its own, below the digest, keys in order."""
    data = manifest.render(
        {"inputs": [{"uri": "b", "size": 1}, {"uri": "a"}], "format": 1, "files": {"z": {}, "c": {"rows": 2}}}
    )
    assert data.decode().splitlines()[2:] == [
        '"files": {',
        '"c": {"rows": 2},',
        '"z": {}',
        "},",
        '"format": 1,',
        '"inputs": [',
        '{"size": 1, "uri": "b"},',
        '{"uri": "a"}',
        "]",
        "}",
    ]
    assert data.endswith(b"\n}\n")


@ON_DISK
@given(st.dictionaries(st.text(), json_values))
def test_any_manifest_comes_back(content: dict[str, object]) -> None:
    """The hand-made line breaks are JSON: what was rendered is what is parsed."""
    content |= {"format": 1}
    data = manifest.render(content)
    parsed = manifest.parse(data)
    assert parsed == content | {"digest": parsed["digest"]}
    assert manifest.render(parsed) == data


def test_part_counts_are_plain(tmp_path: Path) -> None:
    """Counts hold Python integers, none of numpy or Arrow."""
    counts = write_part(batches(ordinary(30)), tmp_path, 0)
    assert json.loads(json.dumps(counts.to_json())) == counts.to_json()
    assert replace(counts) == counts
