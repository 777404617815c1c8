"""`pipeline rules`: the packs, listed and proved."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

from pipeline.cli.program import main
from pipeline.cli.show import show_table


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
    from pipeline.strip.listing import list_rules as listed
    from pipeline.strip.rules import load_packs

    rows = [
        [rule.id, rule.label, rule.language or "any", rule.kind, str(rule.patterns), str(rule.examples)]
        for rule in listed(load_packs(folders))
    ]
    show_table(["rule", "label", "language", "kind", "patterns", "examples"], rows, numbers=2)


@rules.command("test")
@_RULES
def test_rules(folders: tuple[Path, ...]) -> None:
    """Run every example of every pack, your own packs included."""
    from pipeline.strip.examples import check_examples
    from pipeline.strip.rules import load_packs

    packs = load_packs(folders)
    failures = check_examples(packs)
    for failure in failures:
        click.secho(f"{failure.id}: {failure.problem}: {failure.example!r}", fg="red")
    examples = sum(len(rule.match) + len(rule.no_match) for pack in packs.packs for rule in pack.rule)
    examples += sum(len(block.example) for pack in packs.packs for block in pack.block)
    click.echo(f"{examples} examples, {len(failures)} wrong")
    if failures:
        click.get_current_context().exit(1)
