"""`pipeline train`: weights for the line model."""

from __future__ import annotations

from pathlib import Path

import click

from pipeline.cli.options import MODEL, Folder
from pipeline.cli.program import main
from pipeline.cli.show import working
from pipeline.errors import UsageError


@main.command()
@click.argument("gold", nargs=-1, type=click.Path(path_type=Path))
@click.option("-o", "--output", type=Folder(), required=True, help="The file of weights to write.")
@click.option("--add", multiple=True, type=click.Path(path_type=Path), help="Lines that you labelled: a sheet.")
@MODEL
@click.option("--trees", type=click.IntRange(min=1), default=300, show_default=True, help="Trees, with GOLD.")
@click.option("--scores", type=Folder(), help="With GOLD: also write the cross-validated log odds here (.npy).")
def train(
    gold: tuple[Path, ...], output: Path, add: tuple[Path, ...], model: Path | None, trees: int, scores: Path | None
) -> None:
    """Make weights for the line model; --model FILE uses them, in a build and everywhere else.

    With --add alone the shipped weights (or those of --model) learn from the lines of your sheets what they had wrong.
    With GOLD the model is trained anew from labelled pages, sheets included. Needs the extra [train].
    """
    if output.parent != Path() and not output.parent.is_dir():
        msg = f"there is no folder {output.parent} to write {output.name} to; make it, or choose another -o"
        raise UsageError(msg)
    if gold:
        _anew((*gold, *add), output, trees, scores)
    elif add:
        _further(add, output, model)
    else:
        msg = "say what to learn from: --add SHEET for lines that you labelled, or GOLD; see pipeline review"
        raise UsageError(msg)


def _anew(files: tuple[Path, ...], output: Path, trees: int, scores: Path | None) -> None:
    import numpy as np

    from pipeline.strip.model.train import train as run_training

    found = run_training(files, output, trees, lambda text: click.echo(text, err=True))
    if scores:
        np.save(scores, found)
    click.echo(f"weights: {output}")


def _further(files: tuple[Path, ...], output: Path, model: Path | None) -> None:
    from pipeline.strip.model.adapt import adapt

    with working("learning"):
        told = adapt(files, output, model)
    click.echo(f"{told.labelled} labelled lines: {told.right_before} were right before, {told.right_unseen} are now,")
    click.echo("  each tried by weights that had not seen its document")
    click.echo(f"{told.moved:.1%} of the other lines change sides")
    if told.right_unseen <= told.right_before:
        click.secho("these lines teach nothing that holds for others; label more, or write a rule", fg="yellow")
    click.echo(f"weights: {output}")
    click.echo(f"next:    pipeline build … --model {output}")
