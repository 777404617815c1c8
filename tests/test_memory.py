"""The bound on memory: what is derived from it, and that whole builds stay below it."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from pipeline.errors import UsageError
from pipeline.memory import share_out

GB = 1_000_000_000
WORDS = [f"{one}{other}" for one in ("bar", "cor", "den", "fil", "gran", "hal") for other in ("en", "ta", "lo", "mus")]


@pytest.mark.parametrize(("memory", "asked", "workers"), [(GB, 1, 1), (GB, 2, 2), (GB, 64, 2), (30 * GB, 64, 64)])
def test_workers_follow_from_the_memory(memory: int, asked: int, workers: int) -> None:
    """No more workers than asked for, and no more than there is room for."""
    shares = share_out(memory, asked, 16 << 20)
    assert shares.workers == workers
    assert shares.workers * shares.worker < memory


def test_larger_texts_leave_room_for_fewer_workers() -> None:
    """A batch holds at least one text, so the largest one counts."""
    assert share_out(4 * GB, 64, 1 << 20).workers > share_out(4 * GB, 64, 64 << 20).workers


def test_too_little_memory_is_said_with_what_is_enough() -> None:
    """The message names the least, and that least is accepted."""
    with pytest.raises(UsageError, match="at least 469MB, or a smaller --max-document"):
        share_out(400_000_000, 1, 16 << 20)
    assert share_out(400_000_000, 1, 1 << 20).workers == 1


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pipeline", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_fewer_workers_than_asked_are_told(tmp_path: Path) -> None:
    """The command line says how many work and why; too little memory is wrong usage."""
    (tmp_path / "a.txt").write_text("The ferry runs again from Monday, the harbour office said.\n")
    told = run("build", tmp_path / "a.txt", "-o", tmp_path / "out", "--workers", "8", "--memory", "1GB")
    assert told.returncode == 0
    assert "2 of 8 workers" in told.stderr
    refused = run("build", tmp_path / "a.txt", "-o", tmp_path / "out", "--memory", "70MB")
    assert refused.returncode == 2
    assert "at least" in refused.stderr


def write_articles(file: Path, count: int) -> None:
    """So many short articles of three sources, each with a closing line of its source; one in fifty is a copy."""
    draw = random.Random(5)
    with file.open("w", encoding="utf-8") as lines:
        for number in range(count):
            made = draw.randrange(number) if number and number % 50 == 0 else number
            one = random.Random(made)
            text = " ".join(one.choices(WORDS, k=60)) + f" {made}.\nMore from our weekend desk {made % 3}\n"
            lines.write(json.dumps({"id": f"{number}", "text": text, "source": f"s{made % 3}"}) + "\n")


def peak_of(*command: str) -> float:
    """Bytes of private memory of a command's whole process tree at its peak."""
    peaks = [0.0]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        watch = threading.Thread(target=_watch, args=(process, peaks))
        watch.start()
    watch.join()
    assert process.returncode == 0
    return max(peaks)


def _watch(process: subprocess.Popen[bytes], peaks: list[float]) -> None:
    while process.poll() is None:
        peaks.append(sum(map(_private, _tree(process.pid))))
        time.sleep(0.05)


def _tree(root: int) -> list[int]:
    found = [root]
    for pid in found:
        for task in Path(f"/proc/{pid}/task").glob("*/children"):
            try:
                found += map(int, task.read_text().split())
            except OSError:
                continue
    return found


def _private(pid: int) -> int:
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    return 1024 * sum(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Private_"))


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="tells memory by Linux's /proc")
@pytest.mark.parametrize(
    "count",
    [
        10_000,
        pytest.param(100_000, marks=pytest.mark.long),
        pytest.param(1_000_000, marks=pytest.mark.long),
    ],
)
@pytest.mark.parametrize("workers", [1, 2])
def test_builds_stay_below_the_bound(tmp_path: Path, count: int, workers: int) -> None:
    """Near-duplicates, one worker in 500 MB, two in 850 MB, whatever the number of articles."""
    write_articles(tmp_path / "in.jsonl", count)
    memory = {1: 500_000_000, 2: 850_000_000}[workers]
    command = [sys.executable, "-m", "pipeline", "build", str(tmp_path / "in.jsonl"), "-o", str(tmp_path / "out")]
    options = ["--dedupe", "near", "--memory", f"{memory}", "--workers", f"{workers}", "--max-document", "1MiB"]
    os.environ["OMP_NUM_THREADS"] = "1"
    assert peak_of(*command, *options) < memory
