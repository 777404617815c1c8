"""How commands show what they do and find: progress, tables, JSON, counts, and the lines of an article.

A terminal gets bars and tables, drawn by rich; a log or another program gets plain lines that never change.
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, Final, TextIO

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

# Boilerplate in red, what moved to a column in blue: the eye finds what goes, the body stays as it is.
_COLOURS: Final = {"title": "blue", "caption": "blue", "byline": "blue", "published": "blue"}
# An article must not steer the terminal: its control characters are shown as their pictures.
_PICTURES: Final = {**{code: 0x2400 + code for code in range(32) if code != ord("\t")}, 0x7F: 0x2421}
VISIBLE: Final = {**_PICTURES, **dict.fromkeys(range(0x80, 0xA0), 0xFFFD)}


def show_line(text: str, label: str, evidence: str) -> None:
    """Print a line of an article: as it is where it stays, with a mark, its label and the evidence where it goes."""
    text = text.translate(VISIBLE)
    if not label:
        click.echo(f"  {'':<12} {text}" if text else "")
        return
    mark = ">" if label in _COLOURS else "-"
    line = click.style(f"{mark} {label:<12} {text}", fg=_COLOURS.get(label, "red"))
    click.echo(line + click.style(f"  [{evidence}]", dim=True))


def on_terminal(stream: TextIO) -> bool:
    """Whether somebody looks at what is written there, on a terminal that can move its cursor."""
    return stream.isatty() and os.environ.get("TERM", "dumb") not in {"dumb", "unknown"}


def progress() -> AbstractContextManager[Callable[[str, int, int], None]]:
    """What a build tells about its stages: bars on a terminal, elsewhere one line for each that is done."""
    if not on_terminal(sys.stderr):
        return nullcontext(_stage_done)
    from pipeline.cli.terminal import Bars

    return Bars()


def _stage_done(stage: str, done: int, of: int) -> None:
    if done == of:
        click.echo(f"{stage}: {of} shard{'' if of == 1 else 's'}", err=True)


def working(words: str) -> AbstractContextManager[None]:
    """A sign that a command is at work, on a terminal only: `checking output/corpus`."""
    if not on_terminal(sys.stderr):
        return nullcontext()
    from pipeline.cli.terminal import working as shown

    return shown(words.translate(VISIBLE))


def show_table(head: Sequence[str], rows: Sequence[Sequence[str]], numbers: int = 0) -> None:
    """Print a table: drawn on a terminal, and fitted to it; elsewhere one line a row, however long.

    Args:
        head: a name for each column.
        rows: the cells.
        numbers: so many columns at the right hold numbers.
    """
    rows = [[cell.translate(VISIBLE) for cell in row] for row in rows]
    if on_terminal(sys.stdout):
        from pipeline.cli.terminal import table

        table(head, rows, numbers)
        return
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    right = [place >= len(head) - numbers for place in range(len(head))]
    for row in (head, *rows):
        cells = zip(row, widths, right, strict=True)
        click.echo("  ".join(f"{cell:{'>' if to_right else '<'}{width}}" for cell, width, to_right in cells).rstrip())


def echo_json(value: dict[str, Any]) -> None:
    """One JSON object on a line of its own, in UTF-8 whatever the locale; half a surrogate pair stays escaped."""
    click.echo(json.dumps(value, ensure_ascii=False).encode("utf-8", "backslashreplace"))


def listed(counts: dict[str, int]) -> str:
    """Counts behind a colon, the largest first: `: share 3, related 1`."""
    ordered = sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))
    return ": " + ", ".join(f"{name} {number}" for name, number in ordered) if ordered else ""
