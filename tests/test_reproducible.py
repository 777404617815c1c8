"""The same bytes whatever the circumstances: thirty builds that differ in everything that must not matter."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import cycle, islice, product
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.conftest import ROOT, SEEDS
from tests.finished import ordinary
from tests.test_build import digests

BUILDS = 30


@dataclass(frozen=True)
class Circumstances:
    """Everything around a build that must not show in it."""

    python: str
    workers: int
    batch_rows: int
    reverse: bool
    hash_seed: str
    zone: str
    locale: str
    umask: int
    cwd: str


def combinations() -> Iterator[Circumstances]:
    """Workers and batch sizes in all combinations; the others in turns of coprime lengths, so that they mix."""
    turns = zip(
        cycle(pythons()),
        cycle(product((1, 2, 8), (1, 7, 1_000))),
        cycle((False, True)),
        cycle(("0", "1", "4294967295", "random", "77")),
        cycle(("UTC", "Asia/Kathmandu", "America/St_Johns", "Pacific/Kiritimati", "EST5EDT", "", "nowhere")),
        cycle(("C", "POSIX", "C.UTF-8", "tr_TR.UTF-8", "de_DE.ISO-8859-1")),
        cycle((0o022, 0o002, 0o077, 0o000)),
        cycle((".", "elsewhere", "elsewhere/deep")),
        strict=False,
    )
    for python, (workers, rows), *others in islice(turns, BUILDS):
        yield Circumstances(python, workers, rows, *others)


@lru_cache(maxsize=1)
def pythons() -> list[str]:
    """This Python, and every other of `PIPELINE_PYTHONS` (paths, a colon between them) that can run the package."""
    probe = "import click, numpy, pyarrow, pydantic, re2; from importlib.metadata import version as v; "
    probe += "print(*map(v, ('numpy', 'pyarrow', 'google-re2', 'pydantic')))"
    found = [sys.executable]
    for path in filter(None, os.environ.get("PIPELINE_PYTHONS", "").split(":")):
        done = subprocess.run([path, "-c", probe], capture_output=True, check=False, cwd=ROOT)
        if done.returncode == 0:
            found.append(path)
    return found


def write_inputs(folder: Path) -> None:
    """Files of every kind, good and broken, repeated lines and duplicates among them, in no order of their names."""
    texts = [file.read_text(encoding="utf-8") for file in sorted(SEEDS.glob("*.txt"))]
    texts += [article.text or "" for article in ordinary(200)]
    closing = "\nRead more from the Gazette every morning\n"
    records = [
        {"id": f"{number}", "text": text + closing, "source": "Gazette", "published": "2017-02-28", "extra": number}
        for number, text in enumerate(texts)
    ]
    broken = ['{"a": 1, }', '{"a": [1, ]}', "{broken", '{"text": 5}', '{"text": "\\ud800"}', '{"text": ""}', '{"text"']
    lines = [json.dumps(record, ensure_ascii=number % 2 == 0) for number, record in enumerate(records)]
    names = {
        "z.jsonl": "\n".join([*lines[:90], *broken, *lines[:9]]).encode(),
        "m.jsonl": "\n".join(lines[90:]).encode(),
        "b.csv": b'text,id\nThe river rose on Monday.,x\nshort\n"open,2\n',
        "bad.txt": b"caf\xe9",
        "empty.txt": b"",
        **{f"{number}.txt": text.encode() for number, text in enumerate(texts[:40])},
    }
    order = list(names)
    random.Random(9).shuffle(order)
    folder.mkdir()
    for name in order:
        (folder / name).write_bytes(names[name])
    pq.write_table(pa.table({"text": texts[:60], "n": range(60)}), folder / "a.parquet", row_group_size=25)


def built(home: Path, number: int, given: Circumstances) -> dict[str, str]:
    """Build under some circumstances; the digest of every published file."""
    here = (home / given.cwd).resolve()
    here.mkdir(parents=True, exist_ok=True)
    settings = home / f"{number}.toml"
    settings.write_text(f'batch_rows = {given.batch_rows}\nworkers = {given.workers}\ndedupe = "near"\n')
    inputs = [str(home / "in" / "sub"), str(home / "in" / "top")]
    command = [given.python, "-m", "pipeline", "build", *(reversed(inputs) if given.reverse else inputs)]
    command += ["-o", str(home / f"out-{number}"), "--config", str(settings)]
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "PYTHONHASHSEED": given.hash_seed,
        "TZ": given.zone,
        "LC_ALL": given.locale,
        "LANG": given.locale,
        "PYTHONUTF8": "0",
        "PYTHONCOERCECLOCALE": "0",
    }
    subprocess.run(command, check=True, capture_output=True, cwd=here, env=environment, umask=given.umask)
    found = digests(home / f"out-{number}" / "corpus")
    shutil.rmtree(home / f"out-{number}")
    return found


@pytest.mark.long
def test_thirty_builds_are_the_same_bytes(tmp_path: Path) -> None:
    """Python, workers, batch size, order, hash seed, time zone, locale, umask and working folder change no byte."""
    (tmp_path / "in").mkdir()
    write_inputs(tmp_path / "in" / "top")
    (tmp_path / "in" / "sub").mkdir()
    shutil.copy(tmp_path / "in" / "top" / "m.jsonl", tmp_path / "in" / "sub" / "m2.jsonl")
    everything = list(combinations())
    first = built(tmp_path, 0, everything[0])
    assert len(first) > 7
    for number, given in enumerate(everything[1:], 1):
        found = built(tmp_path, number, given)
        differ = [name for name in first if first[name] != found.get(name)]
        assert not differ, (given, differ)
    print(len(everything), "builds,", len(pythons()), "versions of Python")
