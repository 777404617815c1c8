"""Workers that die on one document: it alone is set aside, wherever it stands and however they die."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import pipeline.build
from pipeline.build import build
from pipeline.config import Config
from pipeline.corpus.check import check
from pipeline.corpus.restore import restore
from pipeline.errors import PipelineError
from pipeline.read import source
from tests.deadly import DEATHS, Deadly, DeadlyRead
from tests.test_build import digests, rows
from tests.test_incremental import article, write_file

FILES, ARTICLES = 4, 6
PLACES = {"first": "0-0", "middle": "2-3", "last": "3-5"}


def write_inputs(folder: Path, deadly: str) -> None:
    for file in range(FILES):
        names = [f"{file}-{number}" for number in range(ARTICLES)]
        texts = [article(10 * file + number) for number in range(ARTICLES)]
        write_file(folder, f"{file}", texts)
        if deadly in names:
            lines = (folder / f"{file}.jsonl").read_text().splitlines()
            lines[names.index(deadly)] = lines[names.index(deadly)].removesuffix("}") + ', "is": "deadly"}'
            (folder / f"{file}.jsonl").write_text("\n".join(lines) + "\n")


QUICK = {("killed", "first"), ("out of memory", "middle"), ("aborted", "last")}
# Bytes of a shard: it holds a whole file, or a part of one.
SHARDS = {"first": 12_000, "middle": 1_000, "last": 1_000}


@pytest.mark.parametrize(
    ("death", "place"),
    [
        pytest.param(death, place, marks=[] if (death, place) in QUICK else pytest.mark.long)
        for death in DEATHS
        for place in PLACES
    ],
)
def test_only_the_document_that_kills_its_worker_is_set_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, death: str, place: str
) -> None:
    """First, middle or last of a build: every other document is published, and the guilty one can be restored."""
    monkeypatch.setattr(source, "SHARD_BYTES", SHARDS[place])
    folder, guilty = tmp_path / "in", PLACES[place]
    write_inputs(folder, guilty)
    whole = build([str(folder)], tmp_path / "whole", Config(workers=1)).corpus
    with monkeypatch.context() as patched:
        faulty = lambda config: Deadly(config, death, os.getpid())  # noqa: E731
        patched.setattr(pipeline.build, "StripStep", faulty)
        corpus = build([str(folder)], tmp_path / "out", Config(workers=2)).corpus
    assert check(corpus).ok
    assert [(row["id"], row["reason"]) for row in rows(corpus, "quarantine")] == [(guilty, "worker-died")]
    assert rows(corpus, "documents") == [row for row in rows(whole, "documents") if row["id"] != guilty]
    assert [record.data for record in restore(corpus, [guilty])] == [record.data for record in restore(whole, [guilty])]
    again = build([str(folder)], tmp_path / "out", Config(workers=2)).corpus
    assert digests(again) == digests(whole)


@pytest.mark.parametrize(
    "guilty", [2, pytest.param(0, marks=pytest.mark.long), pytest.param(9, marks=pytest.mark.long)]
)
def test_only_the_file_that_kills_its_reader_is_set_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, guilty: int
) -> None:
    """A file that is one record is blamed for a reader that dies; all other files are published."""
    monkeypatch.setattr(source, "SHARD_BYTES", 5_000)
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(10):
        (folder / f"{number}.txt").write_text(article(number))
    whole = build([str(folder)], tmp_path / "whole", Config(workers=1)).corpus
    with monkeypatch.context() as patched:
        patched.setattr(pipeline.build, "ReadStep", lambda config: DeadlyRead(config, "killed", f"{guilty}.txt"))
        corpus = build([str(folder)], tmp_path / "out", Config(workers=2)).corpus
    assert check(corpus).ok
    aside = [(row["origin"]["uri"], row["reason"]) for row in rows(corpus, "quarantine")]
    assert aside == [(f"in/{guilty}.txt", "worker-died")]
    kept = [row for row in rows(whole, "documents") if row["origin"]["uri"] != f"in/{guilty}.txt"]
    assert rows(corpus, "documents") == kept
    assert digests(build([str(folder)], tmp_path / "out", Config(workers=2)).corpus) == digests(whole)


def test_a_file_of_many_records_that_kills_its_reader_fails_the_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No single record is known to be guilty, and none is set aside for others: one clear error."""
    monkeypatch.setattr(source, "SHARD_BYTES", 20_000)
    write_inputs(tmp_path / "in", "none")
    monkeypatch.setattr(pipeline.build, "ReadStep", lambda config: DeadlyRead(config, "killed", "2.jsonl"))
    with pytest.raises(PipelineError, match="no single record is to blame"):
        build([str(tmp_path / "in")], tmp_path / "out", Config(workers=2))
    assert not (tmp_path / "out" / "corpus").exists()
