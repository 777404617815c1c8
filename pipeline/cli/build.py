"""`pipeline build`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.cli.options import JSON, OUTPUT, build_options, config_of, default_input
from pipeline.cli.program import main
from pipeline.cli.show import echo_json, listed

if TYPE_CHECKING:
    from pipeline.build import Built


@main.command()
@click.argument("inputs", metavar="[INPUT]...", nargs=-1)
@OUTPUT
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
    output: Path,
    config: Path | None,
    *,
    retry: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Build a clean corpus from INPUT (default: seeds/) and publish it in the output folder.

    INPUT is a file, a folder, a glob or a URI: .txt, .jsonl, .csv, .tsv, .parquet, each also .gz or .zst.
    """
    settings = config_of(config, **options)
    from pipeline.build import build as run_build

    built = run_build(inputs if inputs or retry else default_input(), output, settings, _Progress(), retry=retry)
    summary = _summary(built)
    if as_json:
        echo_json(summary)
    else:
        click.echo(_in_words(summary))


class _Progress:
    """Shards done, on one line that rewrites itself on a terminal; one plain line a stage elsewhere."""

    def __call__(self, stage: str, done: int, of: int) -> None:
        if sys.stderr.isatty():
            end = "\n" if done == of else ""
            click.echo(f"\r{stage:<6} {done}/{of} shards{end}", err=True, nl=False)
        elif done == of:
            click.echo(f"{stage}: {of} shard{'' if of == 1 else 's'}", err=True)


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


def _in_words(summary: dict[str, Any]) -> str:
    tables = f"{summary['documents']} documents + {summary['duplicates']} duplicates"
    lines = [
        f"{summary['records']} records = {tables} + {summary['quarantine']} in quarantine",
        f"{summary['removed_spans']} spans removed" + listed(summary["removed_by_label"]),
    ]
    if summary["quarantine"]:
        lines.append("quarantine" + listed(summary["quarantine_reasons"]))
    if summary["skipped_files"]:
        lines.append("skipped files of other types" + listed(summary["skipped_files"]))
    lines += [
        f"corpus: {summary['corpus']}",
        f"report: {Path(summary['corpus']) / 'report.html'}",
        f"next:   pipeline check {summary['corpus']}",
    ]
    return "\n".join(lines)
