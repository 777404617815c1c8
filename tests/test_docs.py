"""The documentation is true: commands exist, examples print what they say, the reference is that of the program.

`UPDATE_DOCS=1 python -m pytest tests/test_docs.py` writes what is generated; the next run proves it.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from pipeline.build import build
from pipeline.cli import main
from pipeline.config import Config
from tests.conftest import ROOT, SEEDS
from tests.reference import PAGES as GENERATED

REFERENCE = ROOT / "docs" / "cli.md"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
UPDATE = bool(os.environ.get("UPDATE_DOCS"))
WIDTH = 110

HEADER = """# Command reference

<!-- generated: UPDATE_DOCS=1 python -m pytest tests/test_docs.py -->

Exit codes: 0 done; 1 failed, and the corpus that was there is untouched; 2 wrong usage or configuration.
"""

EXAMPLE = re.compile(
    r"(?P<head><!-- example: (?P<command>[^\n]+) -->\n```text\n)(?P<output>.*?)(?P<tail>```\n)", re.DOTALL
)


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def commands(command: click.Command, *path: str) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command with its path, the group's own first."""
    yield path, command
    if isinstance(command, click.Group):
        for name in sorted(command.commands):
            yield from commands(command.commands[name], *path, name)


COMMANDS = dict(commands(main, "pipeline"))


def run(arguments: list[str]) -> str:
    result = CliRunner().invoke(main, arguments, terminal_width=WIDTH)
    assert result.exit_code == 0, result.output
    return result.output


def reference() -> str:
    """The help of all commands as Markdown."""
    sections = [f"## {' '.join(path)}\n\n```text\n{run([*path[1:], '--help'])}```\n" for path in COMMANDS]
    return "\n".join([HEADER, *sections])


def test_the_command_reference_is_that_of_the_program() -> None:
    """docs/cli.md is what `--help` of every command prints."""
    if UPDATE:
        REFERENCE.write_text(reference(), encoding="utf-8")
    assert REFERENCE.read_text(encoding="utf-8") == reference()


@pytest.mark.parametrize("page", GENERATED)
def test_a_reference_page_is_that_of_the_code(page: str) -> None:
    """docs/reference/ holds the settings, tables, codes and functions that the code has."""
    file = ROOT / "docs" / "reference" / page
    if UPDATE:
        file.write_text(GENERATED[page](), encoding="utf-8")
    assert file.read_text(encoding="utf-8") == GENERATED[page]()


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_and_option_says_what_it_does(path: tuple[str, ...]) -> None:
    """No command is without a help text, and no option without its line."""
    command = COMMANDS[path]
    assert command.help
    assert [option.name for option in command.params if isinstance(option, click.Option) and not option.help] == []


def example_output(command: str) -> str:
    """What a `pipeline` command prints in the repository's root."""
    name, *arguments = shlex.split(command)
    assert name == "pipeline"
    return run(arguments)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_examples_are_what_the_commands_print(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A block after `<!-- example: COMMAND -->` is the output of that command, apart from spaces at line ends."""
    monkeypatch.chdir(ROOT)
    text = page.read_text(encoding="utf-8")

    def printed(found: re.Match[str]) -> str:
        lines = (line.rstrip() + "\n" for line in example_output(found["command"]).splitlines())
        return found["head"] + "".join(lines) + found["tail"]

    if UPDATE:
        page.write_text(EXAMPLE.sub(printed, text), encoding="utf-8")
    assert EXAMPLE.sub(printed, text) == page.read_text(encoding="utf-8")
    assert text.count("<!-- example:") == len(EXAMPLE.findall(text))


def calls(text: str) -> Iterator[str]:
    """The `pipeline` commands of a page: in its code blocks and between backticks."""
    blocks = re.findall(r"^```(?:sh|text|console)\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    lines = [part for block in blocks for line in block.splitlines() for part in line.split("&&")]
    spans = re.findall(r"`(pipeline [^`]+)`", text)
    for line in (*lines, *spans):
        stripped = line.split("#")[0].strip().removeprefix(".venv/bin/")
        if stripped.startswith("pipeline ") and "|" not in stripped:
            yield stripped


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_in_the_text_exist(page: Path) -> None:
    """Every `pipeline …` in a page names a command, and only options that it has."""
    for call in calls(page.read_text(encoding="utf-8")):
        words = shlex.split(call.replace("…", ""))
        path = max((known for known in COMMANDS if tuple(words[: len(known)]) == known), key=len, default=())
        assert path, call
        command = COMMANDS[path]
        is_group = isinstance(command, click.Group)
        assert not (is_group and len(words) > len(path) and words[len(path)][0].isalpha()), call
        options = {name for option in command.params for name in (*option.opts, *option.secondary_opts)}
        options |= {"--help", "-h", "--version"}
        used = {word.partition("=")[0] for word in words if re.fullmatch(r"--?[a-z].*", word)}
        assert used <= options, call


def anchors(page: Path) -> set[str]:
    """The anchors that a page's headings get."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_inside_the_repository_resolve(page: Path) -> None:
    """Every relative link leads to a file, and every anchor to a heading."""
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if "://" in target or target.startswith("mailto:"):
            continue
        path, _, anchor = target.partition("#")
        place = (page.parent / path) if path else page
        assert place.exists(), target
        assert not anchor or anchor in anchors(place), target


def test_python_in_the_readme_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The Python block of the README loads the corpus of the seeds."""
    pytest.importorskip("pandas", reason="pandas is in the extra `test`")
    monkeypatch.chdir(tmp_path)
    build([str(SEEDS)], Path("output"), Config(workers=1))
    [block] = re.findall(
        r"^```python\n(.*?)^```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )
    names: dict[str, object] = {}
    exec(block, names)
    assert len(names["documents"]) == 4  # type: ignore[arg-type]


def tracked() -> list[Path]:
    """The files under version control, but for the seeds, which are not ours."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listed.returncode:
        pytest.skip("this is no checkout")
    files = [ROOT / name for name in listed.stdout.decode().split("\0") if name and not name.startswith("seeds/")]
    return [file for file in files if file.is_file()]


# Written in two parts, for this file is under version control too.
HOSTS = [
    "py" + "pi.org",
    "python" + "hosted.org",
    "ana" + "conda.org",
    "npm" + "js.",
    "index" + "-url",
    "crates" + ".io",
]
MACHINE = re.compile(r"(?<![\w.~])/(?:home|root|Users|work|tmp/w)/[\w.-]+")


def test_no_file_names_a_registry_or_a_place_on_somebodys_machine() -> None:
    """What is under version control works anywhere: no registry's host name, no absolute path of a machine."""
    for file in tracked():
        text = file.read_bytes().decode("utf-8", "replace")
        assert [host for host in HOSTS if host in text] == [], file
        assert MACHINE.findall(text) == [], file
