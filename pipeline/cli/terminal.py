"""What is drawn on a terminal: bars that move, a sign that work goes on, tables. Elsewhere `show` prints plain lines.

Only what a terminal shows needs rich, so this module is imported when there is one.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Self

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Task as Stage
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

# Below this many columns the bar and the rate give way to the numbers.
_NARROW: Final = 70


class Bars:
    """A bar for each stage: shards done, shards a second, time since its start and time that it will still take."""

    def __init__(self) -> None:
        console = Console(stderr=True)
        wide = console.width >= _NARROW
        self._pulse = _Pulse("line")
        columns: list[ProgressColumn] = [
            TextColumn("{task.description:<8}"),
            *([BarColumn(bar_width=20)] if wide else []),
            TextColumn("{task.completed}/{task.total} shards"),
            *([_Rate()] if wide else []),
            TimeElapsedColumn(),
            _Left(),
            self._pulse,
        ]
        self._progress = Progress(*columns, console=console, redirect_stdout=False, redirect_stderr=False)
        self._stages: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        self._progress.start()
        self._progress.console.show_cursor()  # a process that is killed cannot give a hidden cursor back
        return self

    def __exit__(self, *_: object) -> None:
        self._pulse.latest = None
        self._progress.stop()

    def __call__(self, stage: str, done: int, of: int) -> None:
        """A stage has done this many shards; one that nobody heard of begins here."""
        if stage not in self._stages:
            self._pulse.latest = self._stages[stage] = self._progress.add_task(stage, total=of)
        self._progress.update(self._stages[stage], completed=done)


class _Rate(ProgressColumn):
    """How fast a stage goes."""

    def render(self, task: Stage) -> Text:
        speed = task.finished_speed or task.speed or 0
        words = f"{speed:.1f}/s" if speed >= 1 else f"{1 / speed:.1f} s each" if speed else ""
        return Text(f"{words:>10}")


class _Pulse(SpinnerColumn):
    """A sign of life beside the latest stage, which goes on when its shards are done and all of them are looked at."""

    latest: TaskID | None = None

    def render(self, task: Stage) -> RenderableType:
        return self.spinner.render(task.get_time()) if task.id == self.latest else Text(" ")


class _Left(ProgressColumn):
    """The time that a stage will still take; nothing once it is done."""

    max_refresh = 0.5

    def render(self, task: Stage) -> Text:
        if task.finished or task.time_remaining is None:
            return Text()
        minutes, seconds = divmod(int(task.time_remaining), 60)
        hours, minutes = divmod(minutes, 60)
        return Text(f"{hours}:{minutes:02}:{seconds:02} left", style="progress.remaining")


@contextmanager
def working(words: str) -> Iterator[None]:
    """Show that work goes on, and for how long it has; nothing of it stays on the screen."""
    columns = (SpinnerColumn("line"), TextColumn("{task.description}"), TimeElapsedColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, redirect_stdout=False, redirect_stderr=False) as progress:
        console.show_cursor()
        progress.add_task(words, total=None)
        yield


def table(head: Sequence[str], rows: Iterable[Sequence[str]], numbers: int) -> None:
    """Print a table; where the terminal is narrow the cells of its first column are broken, and heads between words.

    Args:
        head: a name for each column.
        rows: cells that hold no control characters; what looks like markup is shown as it is.
        numbers: so many columns at the right hold numbers, and are set to the right.
    """
    rows = list(rows)
    shown = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for place, name in enumerate(head):
        right = place >= len(head) - numbers
        whole = (*name.split(), *((row[place] for row in rows) if place else ()))
        width = max(map(cell_len, whole), default=0)
        shown.add_column(Text(name), justify="right" if right else "left", overflow="fold", min_width=width)
    for row in rows:
        shown.add_row(*map(Text, row))
    Console(file=sys.stdout, highlight=False).print(shown)
