"""`pipeline build`."""

from __future__ import annotations

import contextlib
import sys
from itertools import islice
from pathlib import Path
from shlex import quote
from time import monotonic
from typing import TYPE_CHECKING, Any

import click

from pipeline.cli.options import DEFAULT_OUTPUT, JSON, Folder, Place, build_options, config_of, default_input
from pipeline.cli.program import main
from pipeline.cli.show import echo_json, listed, on_terminal, progress, show_table, working
from pipeline.errors import PipelineError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pipeline.build import Built
    from pipeline.config import Config

# Inputs of this size are two shards at least.
MUCH_BYTES = 64 << 20
# Files of a folder that are looked at to tell so: more would cost what there is to win.
MUCH_FILES = 1000


@main.command()
@click.argument("inputs", metavar="[INPUT]...", nargs=-1)
@click.option(
    "-o",
    "--output",
    type=Place(),
    default=DEFAULT_OUTPUT,
    show_default=True,
    help="Output folder, or the URI of one such as s3://bucket/news: then corpus.json there names the build in force.",
)
@click.option("--work", type=Folder(), help="With a URI as output: the folder to build in (default: output).")
@build_options
@click.option("--strict", is_flag=True, default=None, help="Publish nothing and exit 1 when a record is quarantined.")
@click.option(
    "--retry",
    is_flag=True,
    help="Also read again what the last build quarantined; without INPUT, all of the last build.",
)
@JSON
def build(
    inputs: tuple[str, ...],
    output: Path | str,
    work: Path | None,
    config: Path | None,
    *,
    retry: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Build a clean corpus from INPUT (default: seeds/) and publish it in the output folder.

    With --engine ray the shards are tasks on a Ray cluster; all its nodes must see the output (or --work) folder.

    INPUT is a file, a folder, a glob or a URI: .txt, .jsonl, .csv, .tsv, .parquet, .html, .warc, each also .gz or .zst.
    """
    settings = config_of(config, **options)
    given = inputs if inputs or retry else default_input()
    _prepare_workers(settings, given)
    from pipeline.build import build as run_build

    _tell_workers(settings)
    begun = monotonic()
    folder = output if isinstance(output, Path) else work or Path(DEFAULT_OUTPUT)
    if work and folder is output:
        msg = f"--work is for an output that is a URI; {output} is a folder, and holds the work itself"
        raise UsageError(msg)
    try:
        with progress() as told:
            built = run_build(given, folder, settings, told, retry=retry)
    except KeyboardInterrupt:
        msg = "interrupted; the same command goes on where it was"
        raise PipelineError(msg) from None
    summary = _summary(built)
    if isinstance(output, str):
        from pipeline.corpus.push import publish

        with working(f"publishing {built.corpus}"):
            summary["published"] = publish(built.corpus, output).uri
    if as_json:
        echo_json(summary)
        return
    if on_terminal(sys.stdout):
        _show_tables(summary, monotonic() - begun)
    else:
        _show_lines(summary)
    click.echo(f"corpus: {summary.get('published', built.corpus)}")
    click.echo(f"report: {built.corpus / 'report.html'}")
    click.echo(f"next:   {_next(summary, folder)}")


def _prepare_workers(settings: Config, inputs: Iterable[str]) -> None:
    """Let workers get ready while this process does, where there is work for several."""
    from pipeline.engine import cores, prepare

    if settings.engine == "local" and (settings.workers or cores()) > 1 and _is_much(inputs):
        prepare()


def _is_much(inputs: Iterable[str]) -> bool:
    """Whether files and folders hold so much that several workers will share it; of other inputs nobody knows yet."""
    size = 0
    with contextlib.suppress(OSError, ValueError):  # whoever reads it says what is wrong with an input
        for place in map(Path, inputs):
            for file in islice(place.rglob("*"), MUCH_FILES) if place.is_dir() else [place]:
                size += file.stat().st_size
                if size > MUCH_BYTES:
                    return True
    return False


def _tell_workers(settings: Config) -> None:
    """Say so when there is memory for fewer workers than were asked for."""
    from pipeline.build import shares_of
    from pipeline.engine import cores

    shares, asked = shares_of(settings), settings.workers or cores()
    if settings.engine == "local" and shares.workers < asked:
        words = (
            f"{shares.workers} of {asked} workers: there is no room for more in --memory {settings.memory / 1e9:g}GB"
        )
        click.echo(f"{words}; each takes up to {shares.worker / 1e9:.2g}GB", err=True)


def _summary(built: Built) -> dict[str, Any]:
    counts = built.counts.to_json()
    rows = counts["rows"]
    return {
        "corpus": str(built.corpus),
        "records": counts["records"],
        "documents": rows["documents"],
        "duplicates": rows["duplicates"],
        "quarantine": rows["quarantine"],
        "quarantine_reasons": counts["quarantine"],
        "removed_spans": rows["removed"],
        "removed_by_label": counts["spans"],
        "input_bytes": counts["input_bytes"],
        "text_bytes": counts["text_bytes"],
        "skipped_files": dict(built.discovery.skipped),
    }


def _show_lines(summary: dict[str, Any]) -> None:
    tables = f"{summary['documents']} documents + {summary['duplicates']} duplicates"
    click.echo(f"{summary['records']} records = {tables} + {summary['quarantine']} in quarantine")
    click.echo(f"{summary['removed_spans']} spans removed" + listed(summary["removed_by_label"]))
    if summary["quarantine"]:
        click.echo("quarantine" + listed(summary["quarantine_reasons"]))
    if summary["skipped_files"]:
        click.echo("skipped files of other types" + listed(summary["skipped_files"]))


def _show_tables(summary: dict[str, Any], seconds: float) -> None:
    """The same on a terminal, and how long it took: what changes from run to run has no place in a log."""
    size = summary["input_bytes"]
    rate = f" ({size / 1e6 / seconds:.1f} MB/s)" if size >= 1e6 else ""
    words = f"{size / 1e6:,.1f} MB" if size >= 1e6 else f"{size / 1e3:.1f} kB"
    click.echo(f"\n{summary['records']:,} records, {words} of text, in {seconds:.1f} s{rate}\n")
    fates = {name: summary[name] for name in ("documents", "duplicates", "quarantine")}
    _show_counts("records", fates, summary["records"])
    _show_counts("removed", summary["removed_by_label"], summary["removed_spans"])
    _show_counts("quarantine", summary["quarantine_reasons"], summary["quarantine"])
    _show_counts("skipped files", summary["skipped_files"], sum(summary["skipped_files"].values()))


def _show_counts(name: str, counts: dict[str, int], whole: int) -> None:
    if not counts:
        return
    ordered = sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))
    show_table([name, "", "share"], [[key, f"{count:,}", f"{count / max(whole, 1):.1%}"] for key, count in ordered], 2)
    click.echo()


def _next(summary: dict[str, Any], output: Path) -> str:
    """The command that somebody wants now: a remedy where a setting can help, else to see that all is well."""
    if "not-utf8" in summary["quarantine_reasons"]:
        return f"pipeline build --retry --encoding cp1252 -o {quote(str(output))}   # if cp1252 is what they are in"
    return f"pipeline check {quote(summary['corpus'])}"
