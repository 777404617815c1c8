"""The stages of a build one at a time, each from a folder of shards to the next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from pipeline.cli.options import (
    CONFIG,
    OUTPUT,
    Folder,
    build_options,
    cleaner_options,
    config_of,
    default_input,
    document_options,
)
from pipeline.cli.program import main
from pipeline.cli.show import working

if TYPE_CHECKING:
    from pathlib import Path

_SHARDS: Final = click.argument("source", metavar="SHARDS", type=Folder())
_TO: Final = click.option("-o", "--output", "target", type=Folder(), required=True, help="Folder for the shards.")


@main.command()
@click.argument("inputs", metavar="[INPUT]...", nargs=-1)
@_TO
@build_options
def read(inputs: tuple[str, ...], target: Path, config: Path | None, **options: Any) -> None:
    """First stage: read INPUT into a folder of shards."""
    settings = config_of(config, **options)
    from pipeline import folders

    with working("reading"):
        records = folders.read(inputs or default_input(), target, settings)
    click.echo(f"{records} records")


@main.command()
@_SHARDS
@_TO
@cleaner_options
def strip(source: Path, target: Path, config: Path | None, **options: Any) -> None:
    """Second stage: cut the boilerplate out of every record of SHARDS."""
    settings = config_of(config, **options)
    from pipeline import folders

    with working(f"stripping {source}"):
        records = folders.strip(source, target, settings)
    click.echo(f"{records} records")


@main.command()
@_SHARDS
@_TO
@CONFIG
@document_options
def validate(source: Path, target: Path, config: Path | None, **options: Any) -> None:
    """Third stage: validate every record of SHARDS, and find out about it what the options ask for."""
    settings = config_of(config, **options)
    from pipeline import folders

    with working(f"validating {source}"):
        records = folders.validate_records(source, target, settings)
    click.echo(f"{records} records")


@main.command()
@_SHARDS
@_TO
@build_options
def dedupe(source: Path, target: Path, config: Path | None, **options: Any) -> None:
    """Fourth stage: set the duplicates among the records of SHARDS aside."""
    settings = config_of(config, **options)
    from pipeline import folders

    with working(f"deduplicating {source}"):
        records = folders.dedupe_records(source, target, settings)
    click.echo(f"{records} records")


@main.command()
@_SHARDS
@OUTPUT
@build_options
def write(source: Path, output: Path, config: Path | None, **options: Any) -> None:
    """Last stage: publish SHARDS as a corpus in the output folder."""
    settings = config_of(config, **options)
    from pipeline import folders

    with working(f"writing {output}"):
        rows = folders.write(source, output, settings).to_json()["rows"]
    click.echo(", ".join(f"{table} {count}" for table, count in rows.items()))
