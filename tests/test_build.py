"""The straight path on real input: the seeds from text files to a published corpus."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from pipeline.build import build
from pipeline.config import Config
from pipeline.corpus.check import check
from pipeline.corpus.restore import restore
from pipeline.errors import UsageError
from tests.conftest import SEEDS


def rows(corpus: Path, table: str) -> list[dict[str, Any]]:
    return pq.read_table(corpus / table).to_pylist()


def digests(corpus: Path) -> dict[str, str]:
    """The SHA-256 of every published file by name."""
    files = sorted(file for file in corpus.rglob("*") if file.is_file())
    return {str(file.relative_to(corpus)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The corpus of the seeds."""
    return build([str(SEEDS)], tmp_path_factory.mktemp("built"), Config()).corpus


def gold_of(file: Path) -> Iterator[dict[str, Any]]:
    with file.open(encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def test_every_labelled_line_of_the_seeds_comes_out_as_labelled(corpus: Path, seed_gold: Path) -> None:
    """Each `keep` line is whole and in order, each `drop` line is gone, title, captions and date are in columns."""
    documents = {Path(row["origin"]["uri"]).name: row for row in rows(corpus, "documents")}
    for gold in gold_of(seed_gold):
        document = documents[gold["file"]]
        kept = [line.strip() for line in document["text"].split("\n") if line.strip()]
        wanted = [line["text"].strip() for line in gold["lines"] if line["label"] == "keep"]
        neutral = [line["text"].strip() for line in gold["lines"] if line["label"] == "neutral"]
        assert [line for line in kept if line not in neutral] == wanted
        fields = gold["fields"]
        assert document["title"] == fields["title"]
        assert document["captions"] == fields["captions"]
        published = document["published"]
        assert (published.date().isoformat() if published else None) == fields["published"]


def test_the_seeds_keep_their_body_and_nothing_else(corpus: Path) -> None:
    """Line by line, as numbered in tests/cases/seeds.json: body stays whole and in order, all else goes or moves."""
    cases = json.loads((Path(__file__).parent / "cases" / "seeds.json").read_text(encoding="utf-8"))
    documents = {Path(row["origin"]["uri"]).name: row for row in rows(corpus, "documents")}
    assert set(documents) == set(cases)
    for name, case in cases.items():
        lines = (SEEDS / name).read_text(encoding="utf-8").split("\n")
        stays = sorted(case["keep"] + case["neutral"])
        document = documents[name]
        assert [line for line in document["text"].split("\n") if line.strip()] == [lines[number] for number in stays]
        assert document["title"] == case["title"]
        assert len(document["captions"]) == case["captions"]
        published = document["published"]
        assert (published.date().isoformat() if published else None) == case["published"]


def test_the_input_files_come_back_byte_for_byte(corpus: Path) -> None:
    """Clean text and ledger rebuild all four files."""
    restored = {Path(origin["uri"]).name: data for _, origin, data in restore(corpus, ())}
    assert restored == {file.name: file.read_bytes() for file in SEEDS.glob("*.txt")}


def test_a_fresh_corpus_passes_its_check(corpus: Path) -> None:
    """Hashes, counts, accounting and reconstruction hold."""
    report = check(corpus)
    assert report.ok, report.findings


def test_records_are_documents_duplicates_and_quarantine(tmp_path: Path) -> None:
    """A copy, a bad encoding and an empty file each end in exactly one table, with a reason."""
    inputs = tmp_path / "in"
    inputs.mkdir()
    text = next(SEEDS.glob("*.txt")).read_bytes()
    (inputs / "a.txt").write_bytes(text)
    (inputs / "b.txt").write_bytes(text.replace(b"\n\n", b"\n\n\n"))
    (inputs / "c.txt").write_bytes(b"broken \x80\xff")
    (inputs / "d.txt").write_bytes(b"  \n")
    (inputs / "e.txt.gz").write_bytes(gzip.compress(text)[:-20])
    (inputs / "f.pdf").write_bytes(b"%PDF")
    built = build([str(inputs)], tmp_path / "out", Config())
    assert [len(rows(built.corpus, table)) for table in ("documents", "duplicates", "quarantine")] == [1, 1, 3]
    assert [row["reason"] for row in rows(built.corpus, "duplicates")] == ["exact"]
    reasons = sorted(row["reason"] for row in rows(built.corpus, "quarantine"))
    assert reasons == ["missing-text", "not-utf8", "truncated"]
    assert built.counts.records == 5
    assert check(built.corpus).ok


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of table inputs big enough for several shards' worth of batches."""
    folder = tmp_path_factory.mktemp("many")
    texts = [file.read_text(encoding="utf-8") for file in sorted(SEEDS.glob("*.txt"))]
    for part in range(3):
        with (folder / f"part-{part}.jsonl").open("w", encoding="utf-8") as lines:
            for number in range(40):
                text = texts[number % 4].replace("Russia", f"Russia{part}{number // 4}")
                record = {"id": f"{part}-{number}", "text": text, "source": "seeds", "extra": number}
                lines.write(json.dumps(record, ensure_ascii=False) + "\n")
            lines.write("{broken\n")
    return folder


VARIANTS = {
    "plain": ([], {}),
    "two workers": (["--workers", "2"], {}),
    "hash seed": ([], {"PYTHONHASHSEED": "123"}),
    "time zone": ([], {"TZ": "Asia/Kathmandu"}),
    "locale": ([], {"LC_ALL": "tr_TR.UTF-8", "LANG": "tr_TR.UTF-8"}),
}


def test_builds_are_the_same_bytes_whatever_the_circumstances(many: Path, tmp_path: Path) -> None:
    """Workers, hash seed, time zone and locale change no published byte."""
    found = {}
    for name, (options, environment) in VARIANTS.items():
        output = tmp_path / name.replace(" ", "-")
        command = [sys.executable, "-m", "pipeline", "build", str(many), str(SEEDS), "-o", str(output), *options]
        subprocess.run(command, check=True, env={**os.environ, **environment}, capture_output=True)
        found[name] = digests(output / "corpus")
    assert found == dict.fromkeys(VARIANTS, found["plain"])


@pytest.mark.parametrize("batch_rows", [1, 7, 1_000])
def test_the_batch_size_changes_no_byte(many: Path, tmp_path: Path, batch_rows: int) -> None:
    """Chunks of batches do not leak into the files."""
    one = build([str(many)], tmp_path / "one", Config())
    other = build([str(many)], tmp_path / "other", Config(batch_rows=batch_rows))
    assert digests(one.corpus) == digests(other.corpus)


def test_the_order_of_arguments_changes_no_byte(many: Path, tmp_path: Path) -> None:
    """Inputs are read in the order of their names, however they were given."""
    one = build([str(many), str(SEEDS)], tmp_path / "one", Config())
    other = build([str(SEEDS), str(many)], tmp_path / "other", Config())
    assert digests(one.corpus) == digests(other.corpus)


def test_a_missing_input_is_a_usage_error(tmp_path: Path) -> None:
    """The message names what is missing."""
    with pytest.raises(UsageError, match="nowhere"):
        build([str(tmp_path / "nowhere")], tmp_path / "out", Config())
    assert not (tmp_path / "out" / "corpus").exists()


def test_a_build_that_fails_leaves_the_former_corpus(tmp_path: Path) -> None:
    """After an error the corpus that was there still passes its check."""
    built = build([str(SEEDS)], tmp_path / "out", Config())
    before = digests(built.corpus)
    with pytest.raises(UsageError):
        build([str(tmp_path / "nowhere")], tmp_path / "out", Config())
    assert digests(built.corpus) == before


def test_stages_one_at_a_time_publish_what_a_build_publishes(tmp_path: Path) -> None:
    """read, strip, validate, dedupe and write by hand give the same tables as one build."""
    from click.testing import CliRunner

    from pipeline.cli import main

    def run(*arguments: object) -> None:
        result = CliRunner().invoke(main, [str(argument) for argument in arguments])
        assert result.exit_code == 0, result.output

    run("read", SEEDS, "-o", tmp_path / "1")
    run("strip", tmp_path / "1", "-o", tmp_path / "2")
    run("validate", tmp_path / "2", "-o", tmp_path / "3")
    run("dedupe", tmp_path / "3", "-o", tmp_path / "4")
    run("write", tmp_path / "4", "-o", tmp_path / "by-hand")
    run("build", SEEDS, "-o", tmp_path / "at-once")
    assert digests(tmp_path / "by-hand" / "corpus") == digests(tmp_path / "at-once" / "corpus")
