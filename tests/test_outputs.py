"""Whole builds into outputs that others want as well, and into outputs without room."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from pipeline.build import build
from pipeline.config import Config
from pipeline.corpus.check import check
from pipeline.errors import CorpusError, WriteError
from pipeline.read import source
from tests.conftest import ROOT
from tests.test_build import digests, rows
from tests.test_incremental import article, write_file
from tests.write.test_publish import mount, unmount

RACER = """
import sys
import time
from pathlib import Path
from pipeline.build import build
from pipeline.config import Config
from pipeline.errors import LockedError
from tests.test_incremental import article, write_file
output, racer, turns = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
won = lost = 0
while won < turns:
    name = f"{racer}.{won}"
    write_file(output / "in" / racer, name, [article(1000 * int(racer) + 10 * won + number) for number in range(5)])
    try:
        build([str(output / "in" / racer / f"{name}.jsonl")], output / "out", Config(workers=1))
        won += 1
    except LockedError:
        lost += 1
        time.sleep(0.05 * (1 + int(racer) % 7))
print(lost)
"""


def read_until(stop: threading.Event, corpus: Path, seen: list[str]) -> None:
    """Resolve the corpus and read it, again and again; what is seen is the one build that all ids and files are of."""
    while not stop.is_set():
        folder = corpus.resolve()
        try:
            builds = {row["id"].partition("-")[0] for row in rows(folder, "documents")}
            report = check(folder)
        except (FileNotFoundError, CorpusError):
            report = None
        if report is None or not report.ok:
            # Only a folder that is gone may be half: two builds were published since it was resolved.
            assert folder != corpus.resolve()
            continue
        assert len(builds) == 1
        seen.append(builds.pop())


@pytest.mark.parametrize(
    ("racers", "turns", "reads"), [(3, 2, 5), pytest.param(60, 2, 500, marks=pytest.mark.long)], ids=["quick", "long"]
)
def test_builds_race_for_one_output_while_it_is_read(tmp_path: Path, racers: int, turns: int, reads: int) -> None:
    """Each racer publishes in its turn; whoever resolves the corpus meanwhile reads one whole build of one racer."""
    (tmp_path / "in").mkdir()
    write_file(tmp_path / "in" / "start", "start", [article(number) for number in range(5)])
    corpus = build([str(tmp_path / "in" / "start")], tmp_path / "out", Config(workers=1)).corpus
    stop = threading.Event()
    seen: list[str] = []
    failed: list[BaseException] = []

    def read() -> None:
        try:
            read_until(stop, corpus, seen)
        except BaseException as error:  # noqa: BLE001 - told after the race
            failed.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    running = [
        subprocess.Popen(
            [sys.executable, "-c", RACER, str(tmp_path), str(number), str(turns)],
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(1, racers + 1)
    ]
    results = [racer.communicate() for racer in running]
    stop.set()
    reader.join()
    assert not failed, failed
    assert all(racer.returncode == 0 for racer in running), results
    print(
        f"{racers * turns} builds, {sum(int(out) for out, _ in results)} lost turns, {len(seen)} reads, "
        f"{len(set(seen))} builds seen"
    )
    assert len(seen) >= reads
    assert check(corpus).ok


# In per cent of what the output of a build takes in the end; on its way it takes up to three times as much.
QUICK, LONG = (40, 80, 120, 360), range(3, 183, 3)
SHARES = [pytest.param(QUICK, id="quick"), pytest.param(LONG, marks=pytest.mark.long, id="long")]


@pytest.mark.parametrize("shares", SHARES)
def test_a_full_disk_stops_a_build_and_harms_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shares: Sequence[int]
) -> None:
    """On disks of many sizes: one clear error and the former corpus, or the new one; with room the next build works."""
    monkeypatch.setattr(source, "SHARD_BYTES", 20_000)
    write_file(tmp_path / "small", "a", [article(number) for number in range(5)])
    for file in range(6):
        write_file(tmp_path / "large", f"{file}", [article(100 * file + number) for number in range(30)])
    small, large = [str(tmp_path / "small")], [str(tmp_path / "large")]
    former = digests(build(small, tmp_path / "one", Config(workers=1)).corpus)
    latter = digests(build(large, tmp_path / "other", Config(workers=1)).corpus)
    outcomes = []
    need = sum(file.stat().st_blocks * 512 for file in (tmp_path / "other").rglob("*"))
    for share in shares:
        disk = tmp_path / "disk"
        mount(disk, f"size={need * share // 100}")
        try:
            outcomes.append(_build_on(disk, small, large, former, latter))
        finally:
            unmount(disk)
    print({outcome: outcomes.count(outcome) for outcome in sorted(set(outcomes))})
    assert {"full", "fits"} <= set(outcomes)


def _build_on(disk: Path, small: list[str], large: list[str], former: dict[str, str], latter: dict[str, str]) -> str:
    """What became of a large build on a disk that holds a small corpus."""
    output = disk / "output"
    try:
        corpus = build(small, output, Config(workers=1)).corpus
    except WriteError as error:
        assert_clear(error)
        return "no room at all"
    try:
        build(large, output, Config(workers=1))
    except WriteError as error:
        assert_clear(error)
        assert digests(corpus) == former
        assert check(corpus).ok
        assert digests(build(small, output, Config(workers=1)).corpus) == former
        subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
        assert digests(build(large, output, Config(workers=1)).corpus) == latter
        return "full"
    assert digests(corpus) == latter
    return "fits"


def assert_clear(error: WriteError) -> None:
    assert "No space left on device; free some space" in str(error)
    assert "\n" not in str(error)
