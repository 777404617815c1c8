"""Arguments and options that several commands share."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from pipeline.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipeline.config import Config

DEFAULT_INPUT: Final = "seeds"
DEFAULT_OUTPUT: Final = "output"


class Folder(click.Path):
    """The path of a folder of ours; Arrow opens only paths that are text."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path, whose name is text."""
        path = Path(os.fsdecode(super().convert(value, param, ctx)))
        try:
            str(path.resolve()).encode()
        except UnicodeEncodeError:
            self.fail(f"{os.fsencode(path)!r} is not UTF-8; choose a folder whose path is", param, ctx)
        return path


MODEL: Final = click.option("--model", type=Folder(), help="Weights of your own, from pipeline train.")


class Place(Folder):
    """A folder, or the URI of one on another filesystem."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path of a folder, or the text of a URI."""
        return value if isinstance(value, str) and "://" in value else super().convert(value, param, ctx)


CONFIG: Final = click.option("--config", type=Folder(), help="Configuration file (default: pipeline.toml).")


def cleaner_options(command: Callable[..., None]) -> Callable[..., None]:
    """The options that make up the configuration, shared by all commands that need one."""
    options = [
        CONFIG,
        click.option("--rules", multiple=True, type=Folder(), help="Folder of your own rule packs."),
        MODEL,
        click.option(
            "--strictness", type=click.Choice(["careful", "balanced", "thorough"]), help="How much to remove."
        ),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def document_options(command: Callable[..., None]) -> Callable[..., None]:
    """The options that say what is to be known of a clean document."""
    options = [
        click.option(
            "--language",
            multiple=True,
            callback=_split,
            help="Languages to keep, such as en,de; others go to quarantine. und keeps what nobody can tell.",
        ),
        click.option(
            "--detect-language", is_flag=True, default=None, help="Tell the language where the record does not."
        ),
        click.option("--signals", is_flag=True, default=None, help="Measure signals of quality, a column each."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def _split(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    """The parts of values that may hold several, separated by commas."""
    return tuple(part.strip() for value in values for part in value.split(",") if part.strip())


def build_options(command: Callable[..., None]) -> Callable[..., None]:
    """The options of the cleaner and those that say how records are read and where the work is done."""
    options = [
        click.option("--workers", type=click.IntRange(min=1), help="Worker processes (default: the cores)."),
        click.option("--engine", type=click.Choice(["local", "ray"]), help="Where the work is done."),
        click.option("--ray-address", help="Ray cluster, such as 10.0.0.1:6379 (default: that of this machine)."),
        click.option(
            "--memory",
            help="Memory of the whole process tree (default: 1GB); decides how many workers there is room for.",
        ),
        click.option("--dedupe", type=click.Choice(["none", "exact", "near"]), help="Which duplicates to set aside."),
        click.option("--against", type=Folder(), help="Older corpus: what is in it is a duplicate."),
        click.option("--max-document", help="Largest text of one record, such as 16MiB."),
        click.option("--encoding", help="Encoding of text files that are not UTF-8, such as cp1252."),
    ]
    for option in reversed(options):
        command = option(command)
    return cleaner_options(document_options(command))


def config_of(file: Path | None, **options: Any) -> Config:
    """The configuration of a file, or of the folder that the command runs in, with the given options on top."""
    from pipeline.config import load

    return load(file, options)


OUTPUT: Final = click.option(
    "-o", "--output", type=Folder(), default=DEFAULT_OUTPUT, show_default=True, help="Output folder."
)
JSON: Final = click.option("--json", "as_json", is_flag=True, help="Print the summary as one JSON object.")


def default_input() -> tuple[str, ...]:
    """What a command reads that was told nothing: the folder `seeds/`, where there is one."""
    if not Path(DEFAULT_INPUT).is_dir():
        msg = "there is no seeds/ folder here; say what to read, for example: pipeline build articles/ -o output"
        raise UsageError(msg)
    return (DEFAULT_INPUT,)
