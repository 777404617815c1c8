"""Builds that reuse what an earlier one made give the bytes of a build from nothing."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

import pipeline.build
from pipeline import parts, stages
from pipeline.build import build
from pipeline.config import Config
from pipeline.corpus.check import check
from pipeline.errors import PipelineError
from pipeline.read import source
from tests.conftest import ROOT, SEEDS
from tests.test_build import digests, rows

WORDS = [
    "harbour",
    "council",
    "ferry",
    "bridge",
    "winter",
    "market",
    "school",
    "river",
    "night",
    "early",
    "vote",
    "paper",
    "ship",
    "stone",
    "glass",
]


def article(number: int, closing: str = "") -> str:
    """An article of its own; the closing line is what several of a source may share."""
    draw = random.Random(number)
    lines = [" ".join(draw.choices(WORDS, k=40)) + f" {number}." for _ in range(6)]
    return "\n".join([*lines, closing]) + "\n"


def write_file(folder: Path, name: str, texts: list[str]) -> None:
    folder.mkdir(exist_ok=True)
    with (folder / f"{name}.jsonl").open("w", encoding="utf-8") as lines:
        for number, text in enumerate(texts):
            lines.write(json.dumps({"id": f"{name}-{number}", "text": text, "source": "gazette"}) + "\n")


@pytest.fixture(autouse=True)
def _a_shard_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "SHARD_BYTES", 1_000)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Five files of five articles."""
    for file in range(5):
        write_file(tmp_path / "in", f"{file}", [article(10 * file + number) for number in range(5)])
    return tmp_path / "in"


@pytest.fixture
def worked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the stages did since the list was cleared: shards read and stripped, parts written."""
    done: list[str] = []

    def noting(module: object, name: str) -> None:
        real: Callable[..., object] = getattr(module, name)

        def note(*given: object, **named: object) -> object:
            done.append(name)
            return real(*given, **named)

        monkeypatch.setattr(module, name, note)

    noting(stages, "read_shard")
    noting(stages, "stripped")
    noting(parts, "make_part")
    noting(pipeline.build, "finish")
    return done


def same_as_fresh(folder: Path, tmp_path: Path, config: Config | None = None) -> Path:
    """Build again over what is there and from nothing; both must be equal."""
    settings = config or Config(workers=1)
    again = build([str(folder)], tmp_path / "out", settings).corpus
    fresh = build([str(folder)], tmp_path / f"fresh-{time.monotonic_ns()}", settings).corpus
    assert digests(again) == digests(fresh)
    return again


def test_nothing_changed_means_nothing_is_read_stripped_or_written(
    folder: Path, tmp_path: Path, worked: list[str]
) -> None:
    """A second build of the same inputs reuses every part."""
    first = digests(build([str(folder)], tmp_path / "out", Config(workers=1)).corpus)
    assert set(worked) == {"read_shard", "stripped", "make_part", "finish"}
    worked.clear()
    assert digests(build([str(folder)], tmp_path / "out", Config(workers=1)).corpus) == first
    assert worked == []


def test_one_changed_file_is_one_shard_of_work(folder: Path, tmp_path: Path, worked: list[str]) -> None:
    """The other files are neither read, stripped nor written again."""
    build([str(folder)], tmp_path / "out", Config(workers=1))
    write_file(folder, "2", [article(99)])
    worked.clear()
    build([str(folder)], tmp_path / "out", Config(workers=1))
    assert sorted(worked) == ["finish", "make_part", "read_shard", "stripped"]
    same_as_fresh(folder, tmp_path)


def test_adding_and_removing_files_gives_the_bytes_of_a_fresh_build(folder: Path, tmp_path: Path) -> None:
    """Parts move to other numbers when a file comes or goes before them."""
    build([str(folder)], tmp_path / "out", Config(workers=1))
    write_file(folder, "00", [article(200)])
    same_as_fresh(folder, tmp_path)
    (folder / "1.jsonl").unlink()
    (folder / "4.jsonl").unlink()
    same_as_fresh(folder, tmp_path)


def test_a_duplicate_that_comes_or_goes_elsewhere_is_seen(folder: Path, tmp_path: Path) -> None:
    """An earlier copy in a new file changes the part of the file that had the text first, and back."""
    build([str(folder)], tmp_path / "out", Config(workers=1))
    write_file(folder, "00", [article(20)])
    assert len(rows(same_as_fresh(folder, tmp_path), "duplicates")) == 1
    (folder / "00.jsonl").unlink()
    assert not rows(same_as_fresh(folder, tmp_path), "duplicates")


def test_a_template_line_that_comes_or_goes_elsewhere_is_seen(folder: Path, tmp_path: Path) -> None:
    """A line becomes a template when other files bring it often enough, and stops to be one when they go."""
    line = "Read more from the gazette every morning"
    write_file(folder, "1", [article(60, line)])
    one = build([str(folder)], tmp_path / "out", Config(workers=1)).corpus.resolve()
    write_file(folder, "5", [article(70 + number, line) for number in range(4)])
    other = same_as_fresh(folder, tmp_path).resolve()
    evidence = [row["evidence"] for row in rows(other, "removed") if row["document_id"] == "1-0"]
    before = [row["evidence"] for row in rows(one, "removed") if row["document_id"] == "1-0"]
    assert ["repeated" in entry for entry in evidence] != ["repeated" in entry for entry in before]
    (folder / "5.jsonl").unlink()
    assert digests(same_as_fresh(folder, tmp_path)) == digests(one)


def test_settings_and_rules_count(folder: Path, tmp_path: Path) -> None:
    """Another strictness, way of dedupe or rule pack is not served what was made for the former one."""
    write_file(folder, "3", [article(30), article(30), article(31)])
    build([str(folder)], tmp_path / "out", Config(workers=1))
    same_as_fresh(folder, tmp_path, Config(workers=1, dedupe="none"))
    same_as_fresh(folder, tmp_path, Config(workers=1, strictness="thorough"))
    same_as_fresh(folder, tmp_path, Config(workers=1, max_document=1_000))


def test_a_damaged_corpus_does_not_damage_the_next(folder: Path, tmp_path: Path) -> None:
    """A kept part shares its bytes with the published file; what is no longer what was written is made again."""
    first = build([str(folder)], tmp_path / "out", Config(workers=1)).corpus
    whole = digests(first)
    part = next(iter(sorted((first / "documents").iterdir())))
    part.chmod(0o644)
    data = bytearray(part.read_bytes())
    data[len(data) // 2] ^= 0xFF
    part.write_bytes(data)
    assert digests(first) != whole
    assert digests(build([str(folder)], tmp_path / "out", Config(workers=1)).corpus) == whole


@pytest.mark.parametrize("name", ["manifest.json", "README.md", "croissant.json"])
def test_a_damaged_description_is_made_again(folder: Path, tmp_path: Path, name: str) -> None:
    """What is published counts as published only while every byte of it is."""
    first = build([str(folder)], tmp_path / "out", Config(workers=1)).corpus
    whole = digests(first)
    file = first / name
    file.chmod(0o644)
    file.write_bytes(file.read_bytes()[:-9])
    assert digests(build([str(folder)], tmp_path / "out", Config(workers=1)).corpus) == whole


def test_what_is_published_is_not_built_again(folder: Path, tmp_path: Path) -> None:
    """The same inputs again: no stage runs, corpus and counts are what they were, and `strict` is still heard."""
    (folder / "bad.jsonl").write_text("no JSON\n")
    first = build([str(folder)], tmp_path / "out", Config(workers=1))
    stages: list[str] = []
    again = build([str(folder)], tmp_path / "out", Config(workers=1), lambda stage, *_: stages.append(stage))
    assert stages == []
    assert again.counts == first.counts
    assert again.corpus.resolve() == first.corpus.resolve()
    with pytest.raises(PipelineError, match="invalid-json 1"):
        build([str(folder)], tmp_path / "out", Config(workers=1, strict=True))


def test_a_build_that_is_gone_is_published_again(folder: Path, tmp_path: Path) -> None:
    """The note of what was published is believed only together with what it speaks of."""
    first = build([str(folder)], tmp_path / "out", Config(workers=1)).corpus
    whole = digests(first)
    for file in (first / "removed").iterdir():
        file.unlink()
    assert digests(build([str(folder)], tmp_path / "out", Config(workers=1)).corpus) == whole


def test_without_hard_links_parts_are_copied(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system without links costs space, no more."""

    def refuse(_path: Path, _target: Path) -> None:
        raise PermissionError

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    build([str(folder)], tmp_path / "out", Config(workers=1))
    same_as_fresh(folder, tmp_path)


def test_what_is_kept_is_small_and_belongs_to_the_last_build(folder: Path, tmp_path: Path) -> None:
    """No spilled records stay, and nothing of files that are gone."""
    build([str(folder)], tmp_path / "out", Config(workers=1))
    for number in range(4):
        (folder / f"{number}.jsonl").unlink()
    build([str(folder)], tmp_path / "out", Config(workers=1))
    kept = {place.name for place in (tmp_path / "out" / ".work").iterdir()}
    kinds = {name.split(".", 1)[1] for name in kept}
    assert kinds == {"fingerprints.arrow", "part", "sightings.arrow", "json"}
    build([str(folder)], tmp_path / "fresh", Config(workers=1))
    assert kept == {place.name for place in (tmp_path / "fresh" / ".work").iterdir()}


BUILD = """
import sys
from pathlib import Path
from pipeline.build import build
from pipeline.config import Config
from pipeline.corpus.check import check
from pipeline.read import source
source.SHARD_BYTES = 1_000
build([sys.argv[1]], Path(sys.argv[2]), Config(workers=2), lambda *told: print(*told, flush=True))
"""


def killed_at(share: int, folder: Path, output: Path) -> dict[str, int]:
    """Build in a process group that is killed at this share of its progress, in per cent: shards done by stage."""
    told: list[list[str]] = []
    lines = 1
    with subprocess.Popen(
        [sys.executable, "-c", BUILD, str(folder), str(output)],
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        start_new_session=True,
        text=True,
    ) as running:
        assert running.stdout is not None
        while len(told) < lines:
            told.append(running.stdout.readline().split())
            shards = int(told[0][2])
            lines = round(3 * (1 + shards) * share / 100)  # three stages tell of their start and of each shard
        os.killpg(running.pid, signal.SIGKILL)
    assert running.returncode == -signal.SIGKILL
    return {"shards": shards} | {stage: int(done) for stage, done, _ in told}


KILLED_AT = [pytest.param(share, marks=[] if share in (30, 60, 90) else pytest.mark.long) for share in range(5, 100, 5)]


@pytest.mark.parametrize("share", KILLED_AT)
def test_killed_on_its_way_the_next_build_is_that_of_an_undisturbed_one(
    folder: Path, tmp_path: Path, worked: list[str], share: int
) -> None:
    """Kill -9 of all its processes: the former corpus is whole, what was finished is not done again, same bytes."""
    former = digests(build([str(SEEDS)], tmp_path / "out", Config(workers=1)).corpus)
    done = killed_at(share, folder, tmp_path / "out")
    assert check(tmp_path / "out" / "corpus").ok
    assert digests(tmp_path / "out" / "corpus") == former
    worked.clear()
    again = build([str(folder)], tmp_path / "out", Config(workers=1)).corpus
    assert worked.count("read_shard") <= done["shards"] - done["read"]
    assert worked.count("stripped") <= done["shards"] - done.get("strip", 0)
    assert worked.count("make_part") <= done["shards"] - done.get("write", 0)
    assert digests(again) == digests(build([str(folder)], tmp_path / "fresh", Config(workers=1)).corpus)


def test_what_a_worker_died_on_is_tried_again(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A record that was set aside because its worker died is not set aside for ever."""
    real = stages.shard_task

    def with_guilty(*given: object) -> stages.ShardTask:
        task = real(*given)  # type: ignore[arg-type]
        return task if task.number else replace(task, guilty=frozenset({0}))

    monkeypatch.setattr("pipeline.build.shard_task", with_guilty)
    first = build([str(folder)], tmp_path / "out", Config(workers=1)).corpus
    assert [row["reason"] for row in rows(first, "quarantine")] == ["worker-died"]
    monkeypatch.setattr("pipeline.build.shard_task", real)
    assert not rows(same_as_fresh(folder, tmp_path), "quarantine")
