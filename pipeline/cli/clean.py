"""`pipeline clean`: one article through a filter."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from pipeline.cli.options import JSON, cleaner_options, config_of
from pipeline.cli.program import main
from pipeline.cli.show import echo_json, show_line
from pipeline.errors import UsageError


@main.command()
@click.argument("file", default="-", type=click.Path(path_type=Path, allow_dash=True))
@cleaner_options
@click.option("--encoding", help="Encoding of a file that is not UTF-8, such as cp1252.")
@click.option("--explain", is_flag=True, help="Show every line with its verdict and the reason.")
@JSON
def clean(file: Path, config: Path | None, *, explain: bool, as_json: bool, **options: Any) -> None:
    """Clean one article: text in (FILE, or standard input), clean text out."""
    settings = config_of(config, **options)
    from pipeline.read import decode
    from pipeline.strip.article import clean_article

    text, _, _ = decode(_bytes_of(file), settings.encoding)
    article = clean_article(text, settings)
    if as_json:
        echo_json(article.to_json())
    elif explain:
        for line in article.explained():
            show_line(line.text, line.label, line.evidence)
    else:
        sys.stdout.buffer.write(article.text.encode())


def _bytes_of(file: Path) -> bytes:
    if str(file) == "-":
        return sys.stdin.buffer.read()
    try:
        return file.read_bytes()
    except OSError as error:
        msg = f"cannot read {file}: {error.strerror}; give a text file, or - for standard input"
        raise UsageError(msg) from None
