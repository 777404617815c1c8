"""Whole builds of inputs of extreme shapes, in processes of their own: under 10 s of CPU and 1 GB of memory each."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

# What one build may take: seconds of CPU of its whole process tree, and bytes of memory.
SECONDS = 10.0
MEMORY = 1_000_000_000

STORY = b"The river rose on Monday and fell on Tuesday."
MANY = 100_000_000


def one(name: str, data: bytes) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        (folder / name).write_bytes(data)

    return write


def repeated(name: str, unit: bytes, size: int, before: bytes = b"", after: bytes = b"") -> Callable[[Path], None]:
    """One file: so many bytes of a unit, written without holding them."""

    def write(folder: Path) -> None:
        with (folder / name).open("wb") as file:
            file.write(before)
            block = unit * (1_000_000 // len(unit))
            for _ in range(size // len(block)):
                file.write(block)
            file.write(after)

    return write


def files(count: int, make: Callable[[int], bytes]) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        for number in range(count):
            if number % 1_000 == 0:
                (folder / f"{number:06d}").mkdir()
            (folder / f"{number - number % 1_000:06d}" / f"{number:06d}.txt").write_bytes(make(number))

    return write


# Name: what writes the input, options, and the counts of records, documents and quarantine.
Case = tuple[Callable[[Path], None], list[str], tuple[int, int, int]]
WIDE = ["--max-document", "200MB", "--memory", "3GB"]  # as much is set aside for a text that needs it
CASES: dict[str, Case] = {
    "a text of one line of 100 MB": (repeated("a.txt", b"a", MANY), [], (1, 0, 1)),
    "the longest line that is allowed": (repeated("a.txt", b"word ", 16_000_000), [], (1, 1, 0)),
    "a JSON line of 100 MB": (
        repeated("a.jsonl", b"a", MANY, b'{"text": "', b'"}\n{"text": "The river rose."}\n'),
        [],
        (2, 1, 1),
    ),
    "100 MB that are no line of JSON": (repeated("a.jsonl", b"[", MANY), [], (1, 0, 1)),
    "a CSV cell of 100 MB": (repeated("a.csv", b"a", MANY, b"text\n", b"\nThe river rose.\n"), [], (2, 1, 1)),
    "an open quote over 100 MB": (repeated("a.csv", b"a,b\n", MANY, b'text\n"'), [], (1, 0, 1)),
    "quotes that open cells for 100 MB": (repeated("a.csv", b'a"b,"\n', MANY, b"text\n"), [], (1, 0, 1)),
    "a header of 100 MB": (repeated("a.csv", b"name,", MANY), [], (1, 0, 1)),
    "10 million empty lines": (repeated("a.txt", b"\n", 10_000_000), [], (1, 0, 1)),
    "10 million empty lines in a story": (repeated("a.txt", b"\n", 10_000_000, STORY, STORY), [], (1, 1, 0)),
    "10 million empty lines with CR": (repeated("a.txt", b"\r\n", 20_000_000, STORY, STORY), WIDE, (1, 1, 0)),
    "10 million empty lines of JSON": (repeated("a.jsonl", b"\n", 10_000_000), [], (0, 0, 0)),
    "10 million empty lines of CSV": (repeated("a.csv", b"\n", 10_000_000, b"text\n", STORY), [], (1, 1, 0)),
    "100,000 files": (files(100_000, lambda number: STORY + b" %d" % number), [], (100_000, 100_000, 0)),
    "100,000 files without a byte": (files(100_000, lambda _: b""), [], (100_000, 0, 100_000)),
    "no byte": (one("a.txt", b""), [], (1, 0, 1)),
    "no byte of JSON Lines": (one("a.jsonl", b""), [], (0, 0, 0)),
    "no byte of CSV": (one("a.csv", b""), [], (1, 0, 1)),
    "no byte of Parquet": (one("a.parquet", b""), [], (1, 0, 1)),
    "no byte of gzip": (one("a.txt.gz", b""), [], (1, 0, 1)),
    "lists 10 million deep": (
        one("a.jsonl", b'{"text": "x", "a": ' + b"[" * 10_000_000 + b"]" * 10_000_000 + b"}\n"),
        [],
        (1, 0, 1),
    ),
    "objects a million deep": (
        one("a.jsonl", b'{"text": "x", "a": ' + b'{"a":' * 1_000_000 + b"1" + b"}" * 1_000_000 + b"}\n"),
        [],
        (1, 0, 1),
    ),
    "200 lists deep": (one("a.jsonl", b'{"text": "x y", "a": ' + b"[" * 198 + b"]" * 198 + b"}\n"), [], (1, 1, 0)),
    "a million fields": (
        one("a.jsonl", b'{"text": "x y"' + b"".join(b',"f%d":1' % number for number in range(1_000_000)) + b"}\n"),
        [],
        (1, 1, 0),
    ),
}


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "in").mkdir()
    yield tmp_path
    # Hundreds of MB and 100,000 files are not kept for a look.
    subprocess.run(["rm", "-rf", str(tmp_path)], check=True)


@pytest.mark.long
@pytest.mark.parametrize("name", CASES)
def test_extreme_shapes_take_little_time_and_memory(home: Path, name: str) -> None:
    """The build of each shape ends well, counts its records, and stays under both bounds."""
    write, options, counts = CASES[name]
    write(home / "in")
    command = [sys.executable, "-m", "pipeline", "build", "in", "-o", "out", "--json", "--workers", "1", *options]
    with (home / "out.json").open("wb") as out, subprocess.Popen(command, stdout=out, cwd=home) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    summary = json.loads((home / "out.json").read_text())
    assert (summary["records"], summary["documents"], summary["quarantine"]) == counts
    seconds = usage.ru_utime + usage.ru_stime
    memory = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    print(f"{name}: {seconds:.1f} s of CPU, {memory / 1e6:.0f} MB")
    assert seconds < SECONDS
    assert memory < MEMORY
