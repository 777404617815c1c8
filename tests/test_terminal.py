"""On a terminal: bars, tables and colours that fit its width; without one, or with NO_COLOR, none of them."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path
from typing import Self

import pytest

from tests.conftest import SEEDS

COLOUR = re.compile(r"\x1b\[[0-9;]*m")
CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
# What a user may have chosen for all programs; a test chooses for itself.
CHOICES = {"NO_COLOR", "FORCE_COLOR", "COLUMNS"}
ARTICLE = "The council voted on Tuesday to keep the old bridge open.\n\nSign up for our free weekly newsletter\n"


class Terminal:
    """A process on a terminal of its own, gone when the test is over."""

    def __init__(self, command: list[str], columns: int = 100, **environment: str) -> None:
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
        plain = {name: value for name, value in os.environ.items() if name not in CHOICES}
        self.process = subprocess.Popen(
            command,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env={**plain, "TERM": "xterm-256color", "LANG": "C.UTF-8", **environment},
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509 - else no control-C arrives
        )
        os.close(theirs)
        self._written = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        os.close(self._ours)

    def type(self, keys: str) -> None:
        """Press keys."""
        os.write(self._ours, keys.encode())

    def read(self, until: str | None = None) -> str:
        """All that was written so far, up to the end of the process or to some text."""
        end = time.monotonic() + 60
        while until is None or until not in self._text():
            ready, _, _ = select.select([self._ours], [], [], 1)
            assert time.monotonic() < end, self._text()
            try:
                data = os.read(self._ours, 1 << 16) if ready else None
            except OSError:  # nobody has the other side open any more
                data = b""
            if data == b"":
                break
            self._written += data or b""
        return self._text()

    def _text(self) -> str:
        return self._written.decode(errors="replace")


def on_terminal(*arguments: object, columns: int = 100, code: int = 0, **environment: str) -> str:
    """What a command writes to a terminal."""
    with Terminal([sys.executable, "-m", "pipeline", *map(str, arguments)], columns, **environment) as terminal:
        text = terminal.read()
        assert terminal.process.wait(60) == code, text
    return text


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_build_shows_bars_tables_and_the_next_command() -> None:
    """Every stage has its line with shards, time and a bar, the summary is tables, the last line says what to try."""
    text = on_terminal("build", SEEDS)
    plain = CONTROL.sub("", text)
    for stage in ("read", "strip", "write"):
        assert re.search(rf"{stage} +━+ 1/1 shards +[\d:]+", plain)
    assert re.search(r"records +share\r\n─+\r\ndocuments +4 +100.0%", plain)
    assert re.search(r"4 records, [\d.]+ kB of text, in [\d.]+ s", plain)
    assert plain.rstrip().splitlines()[-1] == "next:   pipeline check output/corpus"
    assert COLOUR.search(text)


def test_a_sign_of_life_stays_until_the_build_is_done() -> None:
    """Beside a stage something turns as long as the build is at work, and nothing does at its end."""
    *others, last = CONTROL.sub("", on_terminal("build", SEEDS)).split("read  ")
    turning = re.compile(r"[\d:]{7} +[-\\|/]\s")
    assert any(map(turning.search, others))  # how often a screen is drawn, and when, is the machine's affair
    assert not turning.search(last)


def test_a_second_build_says_how_to_read_what_is_not_utf8() -> None:
    """Where a setting could help, the next command is the one with that setting, and it does help."""
    Path("in").mkdir()
    Path("in/a.txt").write_bytes("Café au lait is a drink.\n".encode("cp1252"))
    plain = CONTROL.sub("", on_terminal("build", "in"))
    assert re.search(r"quarantine +share\r\n─+\r\nnot-utf8 +1", plain)
    proposed = plain.rstrip().splitlines()[-1].removeprefix("next:").partition("#")[0].split()
    assert proposed[:4] == ["pipeline", "build", "--retry", "--encoding"]
    assert "documents    1" in CONTROL.sub("", on_terminal(*proposed[1:]))


@pytest.mark.parametrize("columns", [36, 60, 200])
def test_nothing_is_wider_than_the_terminal(columns: int) -> None:
    """Bars and tables fit: each screen line that rich draws is as wide as the terminal at most."""
    build = CONTROL.sub("", on_terminal("build", SEEDS, columns=columns))
    drawn = [line for line in re.split(r"[\r\n]+", build) if not re.match(r"(corpus|report|next): ", line)]
    assert max(map(len, drawn)) <= columns
    if columns >= 60:
        listed = CONTROL.sub("", on_terminal("rules", "list", columns=columns))
        assert max(map(len, listed.splitlines())) <= columns
        assert ("newsletter.sign-up-for" in listed) == (columns == 200)


@pytest.mark.parametrize("environment", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_no_colour_where_none_is_wanted(environment: dict[str, str]) -> None:
    """NO_COLOR and a terminal that knows no colours get none, in bars, tables, verdicts and errors."""
    Path("a.txt").write_text(ARTICLE)
    build = on_terminal("build", "a.txt", **environment)
    verdicts = on_terminal("clean", "--explain", "a.txt", **environment)
    error = on_terminal("build", "nowhere", code=2, **environment)
    for text in (build, verdicts, error):
        assert not [code for code in COLOUR.findall(text) if re.search(r"\b[34]\d|\b9\d|\b10\d", code)]
    if "TERM" in environment:
        assert "\x1b" not in build
        assert "1 records = 1 documents" in build


def test_verdicts_and_errors_have_colours() -> None:
    """Without NO_COLOR what goes is red, and so is an error."""
    Path("a.txt").write_text(ARTICLE)
    assert "\x1b[31m- newsletter" in on_terminal("clean", "--explain", "a.txt")
    assert "\x1b[31mpipeline build: the input nowhere" in on_terminal("build", "nowhere", code=2)


def test_an_empty_no_color_counts_as_none() -> None:
    """NO_COLOR is in force when it is not empty, as its convention says."""
    assert "\x1b[31m" in on_terminal("build", "nowhere", code=2, NO_COLOR="")


def test_output_that_is_no_terminal_has_no_control_characters() -> None:
    """With standard output in a file the summary is plain, while the bars stay on the terminal."""
    command = f"{sys.executable} -m pipeline build {SEEDS} > summary.txt"
    with Terminal(["sh", "-c", command]) as terminal:
        assert "━" in terminal.read()
    summary = Path("summary.txt").read_text()
    assert summary.startswith("4 records = 4 documents + 0 duplicates + 0 in quarantine\n")
    assert "\x1b" not in summary


def test_what_works_long_says_so_and_leaves_nothing() -> None:
    """While a corpus is checked a line tells it; when it is done that line is gone and the verdict stands alone."""
    on_terminal("build", SEEDS)
    text = on_terminal("check", "output/corpus")
    assert "checking output/corpus" in text
    assert CONTROL.sub("", text.rpartition("\x1b[2K")[2]).startswith("sound: ")


def test_a_killed_build_leaves_the_cursor() -> None:
    """The cursor is never hidden for longer than a moment: kill -9 leaves the terminal as it was."""
    with Terminal([sys.executable, "-m", "pipeline", "build", str(SEEDS)]) as terminal:
        terminal.read(until="read ")
        terminal.process.send_signal(signal.SIGKILL)
        text = terminal.read()
    assert text.rfind("\x1b[?25h") > text.rfind("\x1b[?25l")


def test_control_c_stops_at_once_and_the_next_build_goes_on() -> None:
    """An interrupted build says so in one line, leaves no worker behind and nothing half published."""
    Path("in").mkdir()
    for part in range(3):
        lines = (
            json.dumps({"text": f"{ARTICLE}Ship {part}-{n} came in. " + "The quay was empty. " * 400})
            for n in range(500)
        )
        Path(f"in/{part}.jsonl").write_text("\n".join(lines))
    with Terminal([sys.executable, "-m", "pipeline", "build", "in", "--workers", "2"]) as terminal:
        terminal.read(until="strip ")
        terminal.type("\x03")
        begun = time.monotonic()
        text = terminal.read()
        assert terminal.process.wait(60) == 1
        assert time.monotonic() - begun < 20
        assert "pipeline build: interrupted" in text
        assert "Traceback" not in text
    assert not Path("output/corpus").exists()
    on_terminal("build", "in", "--workers", "2")
    on_terminal("check", "output/corpus")


# -- completion


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A folder with `pipeline` as a command."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "pipeline").write_text(f'#!/bin/sh\nexec {sys.executable} -m pipeline "$@"\n')
    (folder / "pipeline").chmod(0o755)
    return folder


@pytest.mark.skipif(not shutil.which("bash"), reason="needs bash")
@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("pipeline comp", "pipeline completion "),
        ("pipeline build --max", "pipeline build --max-document "),
        ("pipeline build --dedupe ne", "pipeline build --dedupe near "),
        ("pipeline check arch", "pipeline check archives"),
    ],
)
def test_bash_completes(programs: Path, typed: str, completed: str) -> None:
    """In a real bash the tab key completes commands, options, values and paths."""
    Path("archives").mkdir()
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    with Terminal(["bash", "--norc", "--noprofile", "-i"], PATH=path, PS1="ready> ", HISTFILE="") as terminal:
        terminal.read(until="ready> ")
        terminal.type(
            'eval "$(pipeline completion bash)"; bind "set enable-bracketed-paste off"; echo $((6 * 7)) done\n'
        )
        terminal.read(until="42 done")
        terminal.type(f"{typed}\t")
        assert completed in terminal.read(until=completed)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_are_sound(programs: Path, shell: str) -> None:
    """The script of each shell names the program; where the shell is there it parses it."""
    done = subprocess.run([programs / "pipeline", "completion", shell], capture_output=True, text=True, check=True)
    assert "_PIPELINE_COMPLETE" in done.stdout
    if shutil.which(shell):
        subprocess.run([shell, "-n"], input=done.stdout, text=True, check=True)
