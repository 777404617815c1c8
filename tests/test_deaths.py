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
from pipeline.read import source
from tests.deadly import DEATHS, Deadly
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
    monkeypatch.setattr(source, "SHARD_BYTES", 1_000)
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
