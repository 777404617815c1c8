"""`pipeline review`: doubtful lines of a corpus, as a sheet and asked one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from pipeline.cli.options import MODEL, Folder
from pipeline.cli.program import main
from pipeline.cli.show import VISIBLE, working
from pipeline.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.strip.model.sheet import Row

_AROUND: Final = 2  # lines shown before and after the one that is asked about
_ANSWERS: Final = "k keep, d drop, d LABEL (such as d newsletter), s skip, q quit"


@main.command()
@click.argument("corpus", type=Folder())
@click.option("-o", "--output", type=Folder(), default="review.tsv", show_default=True, help="The sheet to write.")
@click.option("--lines", type=click.IntRange(min=1), default=50, show_default=True, help="How many lines to ask for.")
@click.option("--label", "ask", is_flag=True, help="Ask about each line here; go on with a sheet that is there.")
@MODEL
def review(corpus: Path, output: Path, lines: int, model: Path | None, *, ask: bool) -> None:
    """Write the lines that the model is least sure of, spread over the sources, as a sheet to label.

    Put keep or drop in the place of each ? in an editor or a spreadsheet, or have --label ask for them. Then
    `pipeline train --add` learns from the sheet, and `pipeline rules test --gold` tries it.
    """
    if output.exists() and not ask:
        msg = f"{output} is there already; go on with it with --label, or choose another sheet with -o"
        raise UsageError(msg)
    if not output.exists():
        from pipeline.corpus.review import review as doubtful
        from pipeline.strip.model.sheet import write_sheet

        with working(f"reading {corpus}"):
            rows = doubtful(corpus, lines=lines, model=model)
        if not rows:
            click.echo(f"no line of {corpus} is in doubt: rules or the model are sure of all that were looked at")
            return
        write_sheet(output, rows)
    if ask:
        _ask(output)
    _tell(output)


def _tell(sheet: Path) -> None:
    from pipeline.strip.model.sheet import OPEN, read_sheet

    rows = read_sheet(sheet)
    still = sum(row.verdict == OPEN for row in rows)
    told = sum(row.verdict not in ("", OPEN) for row in rows)
    click.echo(f"sheet: {sheet}: {still} lines to label, {told} labelled, {len({row.id for row in rows})} documents")
    if told and not still:
        click.echo(f"next:  pipeline train --add {sheet} -o my.npz")


def _ask(sheet: Path) -> None:
    """Ask about each open line; what was answered is in the sheet at once."""
    from pipeline.strip.model.sheet import OPEN, read_sheet, write_sheet

    rows = read_sheet(sheet)
    places = [place for place, row in enumerate(rows) if row.verdict == OPEN]
    if places:
        click.echo(f"{len(places)} lines: {_ANSWERS}")
    for number, place in enumerate(places, 1):
        _show(rows, place, f"{number}/{len(places)}")
        answer = _answer()
        if answer is None:
            return
        verdict, label = answer
        if verdict:
            rows[place] = rows[place]._replace(
                verdict=verdict, label=label or (rows[place].label if verdict == "drop" else "")
            )
            write_sheet(sheet, rows)


def _show(rows: list[Row], place: int, count: str) -> None:
    row = rows[place]
    click.echo(f"\n{count}  {row.source or row.id}  {row.was}, log odds {row.score}".translate(VISIBLE))
    for at in range(max(place - _AROUND, 0), min(place + _AROUND + 1, len(rows))):
        if rows[at].id == row.id:
            text = rows[at].text.translate(VISIBLE)
            click.secho(f"{'>' if at == place else ' '} {text[:400]}", bold=at == place, dim=at != place)


def _answer() -> tuple[str, str] | None:
    """Verdict and label; both empty to skip, None to stop."""
    from pipeline.records import LABELS

    while True:
        try:
            word, _, label = (
                click.prompt("", default="s", prompt_suffix="? ", show_default=False).strip().partition(" ")
            )
        except click.Abort:
            click.echo()
            return None
        if word in ("q", "quit"):
            return None
        if word in ("s", "skip"):
            return "", ""
        if word in ("k", "keep"):
            return "keep", ""
        if word in ("d", "drop") and label.strip() in LABELS:
            return "drop", label.strip()
        click.echo(f"{_ANSWERS}; labels: {', '.join(LABELS[1:])}")
