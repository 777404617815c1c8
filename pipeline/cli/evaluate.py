"""`pipeline evaluate`: figures against labelled lines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.cli.options import JSON, cleaner_options, config_of
from pipeline.cli.program import main
from pipeline.cli.show import VISIBLE, show_table, working

if TYPE_CHECKING:
    from collections.abc import Mapping


@main.command()
@click.argument("gold", type=click.Path(path_type=Path))
@cleaner_options
@click.option("--track", help="Only documents of this track, such as residue or full.")
@click.option("--tier", help="Only documents of this tier, such as core.")
@click.option("--era", help="Only documents of this era, such as modern.")
@click.option("--lang", help="Only documents in this language, such as en.")
@click.option("--by", help="Also a row for each value of this field, such as extractor, lang or dataset.")
@click.option("--worst", type=click.IntRange(min=0), default=0, help="Show that many of the documents that lost most.")
@JSON
def evaluate(gold: Path, config: Path | None, *, by: str | None, worst: int, as_json: bool, **options: Any) -> None:
    """Measure precision, recall and body loss against the labelled lines of GOLD (JSON Lines, also .gz)."""
    wanted = {name: options.pop(name) for name in ("track", "tier", "era", "lang")}
    settings = config_of(config, **options)
    from pipeline.evaluate import evaluate as run_evaluation
    from pipeline.evaluate import read_gold

    with working(f"evaluating {gold}"):
        result = run_evaluation(read_gold(gold, **wanted), settings, by=by, worst=worst)
    rows = {"all": result.total.figures(), **{name: tally.figures() for name, tally in sorted(result.groups.items())}}
    if as_json:
        click.echo(json.dumps({"figures": rows, "classes": result.classes, "labels": result.labels}))
        return
    _show_figures(rows)
    _show_counts("gold class", "lines", "removed", result.classes)
    _show_counts("label given", "removed", "junk", result.labels)
    tenths = {f"score {tenth / 10:.1f}": counts for tenth, counts in sorted(result.calibration.items())}
    _show_counts("score given", "removed", "junk", tenths)
    for lost, name, lines in result.worst:
        click.echo(f"\n{name.translate(VISIBLE)}: {lost:.0f} characters of body lost")
        for line in lines:
            _show_judged(line.text, line.gold, gone=not any(line.kept))


def _show_figures(rows: dict[str, dict[str, float | int | None]]) -> None:
    names = [name for name in next(iter(rows.values())) if name != "documents"]
    head = ["", "documents", *(name.replace("_", " ") for name in names)]
    cells = [
        [row, str(figures["documents"]), *("-" if figures[name] is None else f"{figures[name]:.2%}" for name in names)]
        for row, figures in rows.items()
    ]
    show_table(head, cells, numbers=len(head) - 1)


def _show_counts(title: str, whole: str, part: str, counted: Mapping[str, Mapping[str, int]]) -> None:
    ordered = sorted(counted.items(), key=lambda entry: -entry[1][whole])
    rows = [
        [name, str(counts[whole]), str(counts[part]), f"{counts[part] / max(counts[whole], 1):.1%}"]
        for name, counts in ordered
    ]
    click.echo()
    show_table([title, whole, part, "share"], rows, numbers=3)


def _show_judged(text: str, gold: str, *, gone: bool) -> None:
    """A line of a diff: minus for what goes, red where it should have stayed, yellow where junk was left."""
    colour = {(True, "keep"): "red", (False, "drop"): "yellow"}.get((gone, gold))
    click.secho(f"{'-' if gone else ' '} {gold:<8} {text[:160].translate(VISIBLE)}", fg=colour)
