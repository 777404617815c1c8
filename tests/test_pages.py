"""The pages do what they say: every block of the tutorial, the how-to pages and others is run, in order.

- A `sh`, `python` or `sql` block is run; a `text` block right after it is what it prints; `…` stands for anything.
- A block after `<!-- file: NAME -->` is a file that the reader makes.
- A block after `<!-- not run: REASON -->` is left out, one after `<!-- install -->` is for a machine of its own.
- A page with `<!-- needs: NAME -->` is skipped where that library is missing.

`UPDATE_DOCS=1` writes what is printed into the pages.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest

from pipeline.build import build
from pipeline.config import Config
from pipeline.strip.rules import load_packs
from pipeline.strip.rules.examples import check_examples
from tests.conftest import ROOT, SEEDS

DOCS = ROOT / "docs"
TUTORIAL = DOCS / "tutorial.md"
# Pages whose examples others see to: test_docs.py the reference, test_api.py those in Python.
ELSEWHERE = {DOCS / "python.md", DOCS / "cli.md", *(DOCS / "reference").glob("*.md")}
RUN = ("sh", "python", "sql")
UPDATE = bool(os.environ.get("UPDATE_DOCS"))
BLOCK = re.compile(
    r"(?:^<!-- (?P<note>[^\n]+) -->\n)?^```(?P<language>\w+)\n(?P<body>.*?)^```$", re.DOTALL | re.MULTILINE
)
INSTALLS = "install"
# What pages call `articles/`: what a reader may have.
ARTICLES = {
    "bridge.txt": "The council voted on Tuesday to keep the old bridge open for another year, the mayor said.\n",
    "pont.txt": "Le conseil municipal a décidé mardi de garder le vieux pont ouvert pendant une année encore.\n",
}
# What a page runs as Python sees what its earlier blocks have made, without what they have printed.
PYTHON = """\
import contextlib, io, sys
names = {{"__name__": "__main__"}}
with contextlib.redirect_stdout(io.StringIO()):
    exec({before!r}, names)
exec({now!r}, names)
"""


@dataclass(frozen=True)
class Block:
    """A code block: its language, its text, what a note before it says, where its text lies in the page."""

    language: str
    body: str
    note: str
    start: int
    end: int


def blocks(text: str) -> list[Block]:
    """The code blocks of a page."""
    return [
        Block(found["language"], found["body"], found["note"] or "", *found.span("body"))
        for found in BLOCK.finditer(text)
    ]


def has_something_to_run(page: Path) -> bool:
    """Whether a page has a block that is run."""
    found = blocks(page.read_text(encoding="utf-8"))
    return any(block.language in RUN and block.note != INSTALLS for block in found)


PAGES = [page for page in sorted(DOCS.rglob("*.md")) if page not in ELSEWHERE and has_something_to_run(page)]


def programs(folder: Path) -> str:
    """A search path on which `pipeline` is the one of this checkout, and `python` the one that runs the tests."""
    folder.mkdir()
    for name, command in (("pipeline", f"{sys.executable} -m pipeline"), ("python", sys.executable)):
        (folder / name).write_text(f'#!/bin/sh\nexec {command} "$@"\n')
        (folder / name).chmod(0o755)
    return f"{folder}{os.pathsep}{os.environ['PATH']}"


def printed(text: str, folder: Path, path: str, *, install: bool = False) -> Iterator[tuple[Block, str, Block | None]]:
    """Run the blocks of a page in a folder; each with what it printed, and the block that says what it should."""
    found = blocks(text)
    followers = {
        one.start: two for one, two in pairwise(found) if not text[one.end : two.start].split("```")[1].strip()
    }
    before = ""
    for block in found:
        kind, _, words = block.note.partition(": ")
        if kind == "file":
            file = folder / words
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(block.body, encoding="utf-8")
        if kind in ("file", "not run") or (kind == INSTALLS and not install) or block.language not in RUN:
            continue
        if block.language == "sh":
            command = ["bash", "-euo", "pipefail", "-c", block.body]
        elif block.language == "sql":
            command = ["python", "-c", f"import duckdb; print(duckdb.sql({block.body!r}))"]
        else:
            command = ["python", "-c", PYTHON.format(before=before, now=block.body)]
            before += block.body
        environment = {**os.environ, "PATH": path, "PYTHONPATH": "" if install else str(ROOT), "COLUMNS": "110"}
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=600, check=False
        )
        assert done.returncode == 0, f"{block.body}\n{done.stdout}\n{done.stderr}"
        follower = followers.get(block.start)
        yield block, done.stdout, follower if follower and follower.language == "text" and not follower.note else None


def fits(expected: str, actual: str) -> bool:
    """Whether a page shows what was printed; `…` stands for anything."""
    pattern = ".*".join(map(re.escape, "\n".join(map(str.rstrip, expected.strip().splitlines())).split("…")))
    shown = "\n".join(map(str.rstrip, actual.strip().splitlines()))
    return re.fullmatch(pattern, shown, re.DOTALL) is not None


@pytest.fixture(scope="module")
def seeds_corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output folder of a build of the seeds."""
    output = tmp_path_factory.mktemp("built") / "output"
    build([str(SEEDS)], output, Config(workers=1))
    return output


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_does_what_it_says(page: Path, tmp_path: Path, seeds_corpus: Path) -> None:
    """Every block of the page runs and prints what stands below it."""
    text = page.read_text(encoding="utf-8")
    for name in re.findall(r"^<!-- needs: (\w+) -->", text, re.MULTILINE):
        if not importlib.util.find_spec(name):
            pytest.skip(f"the page needs {name}")
    folder = tmp_path / "here"
    folder.mkdir()
    shutil.copytree(SEEDS, folder / "seeds")
    if page != TUTORIAL:  # which begins with nothing
        shutil.copytree(seeds_corpus, folder / "output", symlinks=True)
        (folder / "articles").mkdir()
        for name, article in ARTICLES.items():
            (folder / "articles" / name).write_text(article)
    wrong, ran = [], 0
    for block, output, expected in printed(text, folder, programs(tmp_path / "bin")):
        ran += 1
        if expected is not None and not fits(expected.body, output):
            wrong.append((block.body, output, expected))
    assert ran
    if UPDATE:
        for _, output, expected in reversed(wrong):
            lines = "".join(line.rstrip() + "\n" for line in output.rstrip().splitlines())
            text = text[: expected.start] + lines + text[expected.end :]
        page.write_text(text, encoding="utf-8")
    else:
        assert [(body, output) for body, output, _ in wrong] == []


@pytest.mark.parametrize("page", [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))], ids=lambda page: page.stem)
def test_settings_and_packs_on_a_page_are_sound(page: Path, tmp_path: Path) -> None:
    """A TOML block is a configuration, or a rule pack whose examples hold."""
    for number, block in enumerate(blocks(page.read_text(encoding="utf-8"))):
        if block.language == "toml" and ("[[rule]]" in block.body or "[[block]]" in block.body):
            (tmp_path / f"{number}.toml").write_text(block.body, encoding="utf-8")
            packs = load_packs([tmp_path])
            assert check_examples(packs) == []
        elif block.language == "toml":
            Config.model_validate(tomllib.loads(block.body))


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A fresh copy of what is under version control."""
    files = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if files.returncode:
        pytest.skip("this is no checkout")
    folder = tmp_path / "checkout"
    for name in filter(None, files.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, folder / name)
    return folder


@pytest.mark.long
def test_the_first_command_of_the_readme_builds_the_sample_corpus(checkout: Path) -> None:
    """In an empty environment the first block of the README, as it is printed, ends in a corpus."""
    first = blocks((checkout / "README.md").read_text(encoding="utf-8"))[0]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        ["bash", "-c", first.body], cwd=checkout, env=environment, capture_output=True, text=True, check=True
    )
    assert "4 records = 4 documents" in done.stdout
    assert (checkout / "output" / "corpus" / "manifest.json").is_file()


@pytest.mark.long
def test_the_tutorial_on_a_fresh_machine_takes_less_than_five_minutes(checkout: Path) -> None:
    """From an empty environment to a loaded corpus: installed, built, checked, loaded, in the time it promises."""
    begun = time.monotonic()
    text = TUTORIAL.read_text(encoding="utf-8")
    path = f"{checkout / '.venv' / 'bin'}{os.pathsep}{os.environ['PATH']}"
    for block, output, expected in printed(text, checkout, path, install=True):
        assert expected is None or fits(expected.body, output), block.body
    assert time.monotonic() - begun < 300
