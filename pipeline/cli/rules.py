"""`pipeline rules`: the packs, listed and proved."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from pipeline.cli.options import MODEL
from pipeline.cli.program import main
from pipeline.cli.show import VISIBLE, show_table

if TYPE_CHECKING:
    from pipeline.config import Config

_SHOWN: Final = 40  # of many wrong lines


@main.group()
def rules() -> None:
    """The rule packs that say what boilerplate looks like."""


_RULES: Final = click.option(
    "--rules", "folders", multiple=True, type=click.Path(path_type=Path), help="Folder of your own rule packs."
)


@rules.command("list")
@_RULES
def list_rules(folders: tuple[Path, ...]) -> None:
    """List every rule: id, label, language, kind, patterns and examples."""
    from pipeline.strip.rules import load_packs
    from pipeline.strip.rules.listing import list_rules as listed

    rows = [
        [rule.id, rule.label, rule.language or "any", rule.kind, str(rule.patterns), str(rule.examples)]
        for rule in listed(load_packs(folders))
    ]
    show_table(["rule", "label", "language", "kind", "patterns", "examples"], rows, numbers=2)


@rules.command("test")
@_RULES
@click.option(
    "--gold", multiple=True, type=click.Path(path_type=Path), help="Also clean labelled lines: a sheet, or JSON Lines."
)
@MODEL
def test_rules(folders: tuple[Path, ...], gold: tuple[Path, ...], model: Path | None) -> None:
    """Run every example of every pack, your own packs included; with --gold your own labelled lines too."""
    from pipeline.config import Config
    from pipeline.strip.rules import load_packs
    from pipeline.strip.rules.examples import check_examples

    packs = load_packs(folders)
    failures = check_examples(packs)
    for failure in failures:
        click.secho(f"{failure.id}: {failure.problem}: {failure.example!r}", fg="red")
    examples = sum(len(rule.match) + len(rule.no_match) for pack in packs.packs for rule in pack.rule)
    examples += sum(len(block.example) for pack in packs.packs for block in pack.block)
    click.echo(f"{examples} examples, {len(failures)} wrong")
    wrong = sum(_wrong_lines(file, Config(rules=folders, model=model)) for file in gold)
    if failures or wrong:
        click.get_current_context().exit(1)


def _wrong_lines(file: Path, config: Config) -> int:
    from pipeline.evaluate import read_gold, wrong_lines

    told, wrong = wrong_lines(read_gold(file), config)
    for name, line in wrong[:_SHOWN]:
        verdict = f"must stay and goes as {line.label}" if line.gold == "keep" else "must go and stays"
        click.secho(f"{name.translate(VISIBLE)}: {verdict}: {line.text.translate(VISIBLE)!r}", fg="red")
    if len(wrong) > _SHOWN:
        click.echo(f"and {len(wrong) - _SHOWN} more")
    click.echo(f"{file}: {told} labelled line{'' if told == 1 else 's'}, {len(wrong)} wrong")
    return len(wrong)
