"""Whole builds of files that others made to break programs: nothing crashes, nothing is lost, nothing escapes."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.corpus.check import check
from pipeline.corpus.restore import restore
from pipeline.read.inputs import escape
from pipeline.records import QUARANTINE_REASONS

# Kinds as which the same bytes are offered, each to another reader.
KINDS = (".txt", ".jsonl", ".csv", ".tsv", ".parquet", ".txt.gz", ".jsonl.zst")
TEXT_FIELDS = ("id", "title", "source", "url", "byline", "language", "published")


def pipeline(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[bytes]:
    """Run a command as a user does."""
    command = [sys.executable, "-m", "pipeline", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, check=False, cwd=cwd, timeout=300)


def snapshot(folder: Path, without: Path) -> dict[str, str]:
    """Every file below a folder, but for one part of it, with its hash."""
    files = (path for path in folder.rglob("*") if path.is_file() and not path.is_relative_to(without))
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def strings(hostile: Path) -> list[str]:
    """The naughty strings that can be written in JSON and UTF-8."""
    return json.loads((hostile / "naughty-strings.json").read_text(encoding="utf-8"))


def offer_files(hostile: Path, inputs: Path) -> None:
    """The suites' files under the names of every kind that is read; the extra kinds for a part of them only."""
    suites = [*(hostile / "json").iterdir(), *(hostile / "utf8").iterdir(), *(hostile / "parquet").glob("*.parquet")]
    for number, file in enumerate(sorted(suites)):
        data = file.read_bytes()
        for place, kind in enumerate(KINDS):
            if place < 2 or number % 5 == place % 5 or file.suffix == kind:
                (inputs / f"{number:04d}{kind}").write_bytes(data)
    for number, file in enumerate(sorted((hostile / "toml").rglob("*.toml"))):
        (inputs / f"toml-{number:04d}.txt").write_bytes(file.read_bytes())


def offer_strings(strings: list[str], inputs: Path) -> None:
    """The naughty strings as every field of table records, as whole texts, and as names of files."""
    with (inputs / "naughty.jsonl").open("w", encoding="utf-8") as lines:
        for number, text in enumerate(strings):
            body = f"Story {number} is about {text} and what came of it."
            fields = dict.fromkeys(TEXT_FIELDS, text)
            lines.write(json.dumps({**fields, "text": body, text: text}) + "\n")
            lines.write(json.dumps({"text": text, "id": f"text-{number}"}, ensure_ascii=False) + "\n")
            lines.write(
                json.dumps({TEXT_FIELDS[number % 7]: text, "text": f"Only one field of {number} is odd."}) + "\n"
            )
    with (inputs / "naughty.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow([*TEXT_FIELDS, "text"])
        table.writerows([text.replace("\0", "")] * 8 for text in strings)
    columns = dict.fromkeys((*TEXT_FIELDS, "text"), strings)
    pq.write_table(pa.table(columns), inputs / "naughty.parquet")
    for number, text in enumerate(strings):
        name = text.replace("/", "\u2215").replace("\0", "")[:40]
        if name.strip(".") and not name.startswith("."):
            (inputs / f"{name}.txt").write_text(f"File {number} has a name that is odd.\n")


def offer_scripts(hostile: Path, inputs: Path) -> None:
    """Script injections in every field that is shown anywhere."""
    payloads = (hostile / "xss-payloads.txt").read_text(encoding="utf-8", errors="replace").splitlines()
    with (inputs / "scripts.jsonl").open("w", encoding="utf-8") as lines:
        for number, text in enumerate(payloads):
            fields = {"title": text, "source": text, "byline": text, "url": text, "id": f"{number} {text}"}
            lines.write(json.dumps({**fields, "text": f"Script {number}: {text}", "language": "en"}) + "\n")


@pytest.fixture(scope="module")
def attack(hostile: Path, strings: list[str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """One build of everything, and what lay around it before."""
    home = tmp_path_factory.mktemp("attack")
    inputs = home / "in"
    inputs.mkdir()
    offer_files(hostile, inputs)
    offer_strings(strings, inputs)
    offer_scripts(hostile, inputs)
    before = snapshot(home, home / "out")
    done = pipeline("build", "in", "-o", "out", "--json", cwd=home)
    return {"home": home, "before": before, "done": done, "corpus": home / "out" / "corpus"}


def test_the_build_ends_well_and_accounts_for_every_record(attack: dict[str, Any]) -> None:
    """Exit 0, no traceback, records = documents + duplicates + quarantine, every reason a fixed code."""
    done = attack["done"]
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    assert b"Traceback" not in done.stderr
    summary = json.loads(done.stdout)
    assert summary["records"] == summary["documents"] + summary["duplicates"] + summary["quarantine"]
    assert set(summary["quarantine_reasons"]) <= set(QUARANTINE_REASONS)
    assert min(summary["documents"], summary["duplicates"], summary["quarantine"]) > 50


def test_every_file_has_a_record(attack: dict[str, Any]) -> None:
    """No input file is missing from the corpus, but for tables without a row."""
    seen = {record.origin["uri"] for record in restore(attack["corpus"])}
    absent = {f"in/{escape(file.name)}" for file in (attack["home"] / "in").iterdir()} - seen
    texts = {uri for uri in absent if uri.endswith((".txt", ".txt.gz", ".parquet"))}
    assert texts == set()
    for uri in absent:  # a table may be empty: white space, or a header alone
        data = (attack["home"] / uri).read_bytes()
        assert len(data.splitlines()) <= 1, uri


def test_the_corpus_passes_its_check(attack: dict[str, Any]) -> None:
    """Hashes, counts, offsets and reconstruction hold for all of it."""
    report = check(attack["corpus"])
    assert report.ok, report.findings[:5]


def test_every_text_file_comes_back_byte_for_byte(attack: dict[str, Any]) -> None:
    """Whatever became of a text file, its bytes are in the corpus."""
    files = {f"in/{escape(file.name)}": file for file in (attack["home"] / "in").glob("*.txt")}
    count = 0
    for record in restore(attack["corpus"]):
        uri = record.origin["uri"]
        if uri in files:
            assert record.data == files[uri].read_bytes(), uri
            count += 1
    assert count == len(files) > 1_000


def test_nothing_outside_the_output_has_changed(attack: dict[str, Any]) -> None:
    """No name, id or title led to a file elsewhere or to a name in the output; nothing was written to the inputs."""
    home = attack["home"]
    assert snapshot(home, home / "out") == attack["before"]
    tables = {"documents", "removed", "duplicates", "quarantine"}
    names = {path.relative_to(attack["corpus"]).parts[0] for path in attack["corpus"].rglob("*")}
    assert names <= tables | {"manifest.json", "README.md", "croissant.json", "report.html"}
    parts = {path.name for table in tables for path in (attack["corpus"] / table).iterdir()}
    assert all(name.startswith("part-") and name.endswith(".parquet") for name in parts)


def test_no_data_is_markup_in_the_card(attack: dict[str, Any]) -> None:
    """The dataset card and the Croissant file hold no script of an input."""
    for name in ("README.md", "croissant.json"):
        assert "<script" not in (attack["corpus"] / name).read_text(encoding="utf-8").lower()


def test_ids_lead_back_to_their_records(attack: dict[str, Any], strings: list[str]) -> None:
    """A naughty string that became an id finds its record, on the command line too."""
    ids = {row for part in (attack["corpus"] / "documents").iterdir() for row in pq.read_table(part)["id"].to_pylist()}
    naughty = [text for text in strings if text in ids and "\0" not in text]
    assert len(naughty) > 50
    assert next(record.id for record in restore(attack["corpus"], naughty)) == naughty[0]
    home = attack["home"]
    done = pipeline("restore", "out/corpus", "-o", "out/back", "--", *naughty[:50], cwd=home)
    assert (done.returncode, b"Traceback" in done.stderr) == (0, False)
    assert all(path.name == "index.jsonl" or path.stem.isdigit() for path in (home / "out" / "back").iterdir())
    assert snapshot(home, home / "out") == attack["before"]


@pytest.mark.long
def test_another_build_gives_the_same_bytes(attack: dict[str, Any]) -> None:
    """Two workers make of the hostile files what one makes."""
    done = pipeline("build", "in", "-o", "out", "--workers", "1", cwd=attack["home"])
    assert done.returncode == 0
    assert len([path for path in (attack["home"] / "out" / ".builds").iterdir() if path.is_dir()]) == 1


@pytest.mark.long
def test_a_retry_of_the_quarantine_is_accounted(attack: dict[str, Any]) -> None:
    """What was set aside can be read again in any encoding without a crash or a loss."""
    home = attack["home"]
    before = json.loads((attack["corpus"] / "manifest.json").read_text())["accounting"]
    done = pipeline("build", "--retry", "-o", "out", "--encoding", "cp1252", "--json", cwd=home)
    assert (done.returncode, b"Traceback" in done.stderr) == (0, False)
    summary = json.loads(done.stdout)
    assert summary["records"] == before["records"]
    assert check(attack["corpus"]).ok


@pytest.mark.parametrize("kind", ["", ".html"])
def test_web_archives_are_read_or_refused_in_one_line(hostile: Path, tmp_path: Path, kind: str) -> None:
    """Every archive of the suite, under any name, is exit 0 or one clear line with exit 2."""
    inputs = tmp_path / "in"
    inputs.mkdir()
    for number, file in enumerate(sorted((hostile / "warc").iterdir())):
        (inputs / (f"{number}{kind}" if kind else file.name)).write_bytes(file.read_bytes())
    done = pipeline("build", "in", "--workers", "1", cwd=tmp_path)
    assert done.returncode in (0, 2)
    assert b"Traceback" not in done.stderr
    if done.returncode:
        assert done.stderr.count(b"\n") == 1


def test_links_do_not_lead_out_of_the_tree(tmp_path: Path) -> None:
    """Links to other files, folders, devices and to themselves are passed over and counted."""
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "s.txt").write_text("not for the corpus")
    inputs = tmp_path / "in"
    inputs.mkdir()
    (inputs / "a.txt").write_text("The river rose on Monday and fell on Tuesday.")
    for name, target in {
        "b.txt": secret / "s.txt",
        "c": secret,
        "d.txt": "/dev/zero",
        "e.txt": "e.txt",
        "f": "..",
    }.items():
        (inputs / name).symlink_to(target)
    os.mkfifo(inputs / "g.txt")
    done = pipeline("build", "in", "--json", cwd=tmp_path)
    summary = json.loads(done.stdout)
    assert (summary["records"], summary["skipped_files"]) == (1, {"(link)": 5, "(special)": 1})
