"""The commands that read a published corpus: restore, check, report, push, why, diff."""

from __future__ import annotations

import base64
import json
import sys
from typing import TYPE_CHECKING

import click

from pipeline.cli.options import JSON, Folder
from pipeline.cli.program import main
from pipeline.cli.show import VISIBLE, echo_json, show_line, show_table, working
from pipeline.errors import PipelineError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from pipeline.corpus.restore import Restored


@main.command()
@click.argument("corpus", type=Folder())
@click.argument("ids", metavar="[ID]...", nargs=-1)
@click.option("-o", "--output", type=Folder(), help="Folder for one file a record (default: print).")
def restore(corpus: Path, ids: tuple[str, ...], output: Path | None) -> None:
    """Give back input texts, byte for byte, from a corpus and its ledger.

    One ID prints its bytes; several, or none for all, print one JSON object a line: `text`, or `base64` where the bytes
    are not UTF-8. With -o every record becomes a file of its own, and index.jsonl there says which is which.
    """
    from pipeline.corpus.restore import restore as restored

    records = restored(corpus, ids)
    if output:
        _restore_into(output, records)
    elif len(ids) == 1:
        sys.stdout.buffer.write(_only(list(records)))
    else:
        for record in records:
            echo_json({"id": record.id, "uri": record.origin["uri"], **_as_json(record.data)})


def _only(records: list[Restored]) -> bytes:
    """The bytes of the one record that an id stands for."""
    first = records[0]
    if any(record.data != first.data for record in records):
        msg = (
            f"{first.id} came {len(records)} times with different bytes; give -o DIR to have each in a file of its own"
        )
        raise UsageError(msg)
    if first.data is None:
        msg = f"the bytes of {first.id} were not kept; they are in the input {first.origin['uri']}"
        raise PipelineError(msg)
    return first.data


def _as_json(data: bytes | None) -> dict[str, str | None]:
    try:
        return {"text": None if data is None else data.decode()}
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(data or b"").decode()}


def _restore_into(folder: Path, records: Iterable[Restored]) -> None:
    # Files are numbered: no path is ever made from an id or a name that came with the data.
    lost = 0
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "index.jsonl").open("w", encoding="utf-8") as index:
            for number, record in enumerate(records):
                name = f"{number:06d}.txt" if record.data is not None else None
                if name and record.data is not None:
                    (folder / name).write_bytes(record.data)
                lost += not name
                index.write(json.dumps({"file": name, "id": record.id, "uri": record.origin["uri"]}) + "\n")
    except OSError as error:
        msg = f"cannot write to {folder}: {error.strerror}"
        raise PipelineError(msg) from None
    if lost:
        click.echo(f"{lost} records have no file: their bytes were not kept, only the input has them", err=True)


@main.command()
@click.argument("corpus", type=Folder())
@JSON
def check(corpus: Path, *, as_json: bool) -> None:
    """Read a published corpus again: hashes, counts, accounting, reconstruction of every input."""
    from pipeline.corpus.check import check as run_check

    with working(f"checking {corpus}"):
        report = run_check(corpus)
    if as_json:
        findings = [str(finding) for finding in report.findings]
        echo_json({"ok": report.ok, "files": report.files, "rows": report.rows, "findings": findings})
    else:
        for finding in report.findings:
            click.secho(f"damaged: {finding}", fg="red")
        rows = ", ".join(f"{table} {count}" for table, count in report.rows.items())
        click.echo(f"{'sound' if report.ok else 'DAMAGED'}: {report.files} files, {report.size} bytes; {rows}")
    if not report.ok:
        click.get_current_context().exit(1)


@main.command()
@click.argument("corpus", type=Folder())
@click.option(
    "--by", type=click.Choice(["source", "language"]), default="source", show_default=True, help="What to tell apart."
)
@click.option("--top", type=click.IntRange(min=1), default=40, show_default=True, help="How many rows to show.")
@JSON
def stats(corpus: Path, *, by: str, top: int, as_json: bool) -> None:
    """Show what became of the records of each source, or of each language, those with most records first.

    They stand in the manifest, up to a thousand of each; the tables themselves have all of them.
    """
    from pipeline.corpus.stats import stats_of

    with working(f"reading {corpus}"):
        found = stats_of(corpus, by)
    if as_json:
        rows = [{**group._asdict(), "removed_ratio": round(group.removed_ratio, 4)} for group in found.groups]
        echo_json({by: rows, "others": found.others})
        return
    cells = [
        [
            group.name or "(unknown)",
            *(f"{number:,}" for number in (group.documents, group.words)),
            f"{group.removed_ratio:.1%}",
            *(f"{number:,}" for number in (group.duplicates, group.quarantine)),
        ]
        for group in found.groups[:top]
    ]
    show_table([by, "documents", "words", "removed", "duplicates", "quarantine"], cells, numbers=5)
    others = max(len(found.groups) - top, 0) + found.others
    if others:
        click.echo(f"and {others:,} more")


@main.command()
@click.argument("corpus", type=Folder())
@click.option("-o", "--output", type=Folder(), default="report.html", show_default=True, help="The page to write.")
def report(corpus: Path, output: Path) -> None:
    """Write the report of a published corpus: what was removed and why, as one page for a browser.

    Every build publishes one as report.html. The files of a corpus are guarded by their digests, so this one is written
    elsewhere.
    """
    from pipeline.corpus.report import write_report

    with working(f"reading {corpus}"):
        write_report(corpus, output)
    click.echo(f"report: {output}")


@main.command()
@click.argument("corpus", type=Folder())
@click.argument("uri")
@JSON
def push(corpus: Path, uri: str, *, as_json: bool) -> None:
    """Copy a published corpus to a folder of another filesystem: s3://, gs://, hdfs://, file://, fsspec+…://.

    Every file is read back and compared, and the manifest goes last: a reader finds the whole corpus there, or none.
    What is there already is not sent again; another corpus is never overwritten.
    """
    from pipeline.corpus.push import push as run_push

    with working(f"pushing {corpus}"):
        pushed = run_push(corpus, uri)
    if as_json:
        echo_json({"uri": pushed.uri, "files": pushed.files, "bytes": pushed.size, "sent": pushed.sent})
    else:
        click.echo(
            f"{pushed.uri}: {pushed.files} files, {pushed.size} bytes, {pushed.sent} of them sent now; all compared"
        )


@main.command()
@click.argument("corpus", type=Folder())
@click.argument("name", metavar="ID")
@click.option("--case", type=Folder(), help="Sheet of regression cases to add the document to.")
@click.option("--keep", multiple=True, help="For --case: a line that must stay, some of its text or a byte in it.")
@click.option("--drop", multiple=True, help="For --case: a line that must go.")
@JSON
def why(
    corpus: Path, name: str, *, case: Path | None, keep: tuple[str, ...], drop: tuple[str, ...], as_json: bool
) -> None:
    """Show what was removed from one document, line by line, and why; or why a record was set aside.

    With --case a wrong cut becomes a regression case, which `pipeline rules test --gold` tries.
    """
    from pipeline.corpus.why import why as reasons_of

    if case:
        from pipeline.corpus.case import add_case

        told = add_case(corpus, name, case, keep, drop)
        click.echo(f"case: {case}: {told} labelled line{'' if told == 1 else 's'}")
        click.echo(f"next: pipeline rules test --gold {case}")
        return
    if keep or drop:
        msg = "--keep and --drop say what a regression case should be; give its sheet too: --case cases.tsv"
        raise UsageError(msg)

    for record in reasons_of(corpus, name):
        if as_json:
            echo_json(record.to_json())
            continue
        click.echo(record.in_words().translate(VISIBLE))
        for line in record.article.explained() if record.article else ():
            show_line(line.text, line.label, line.evidence)


@main.command()
@click.argument("before", type=Folder())
@click.argument("after", type=Folder())
@click.option("--html", "page", type=Folder(), help="Also write a page with the changed documents, line by line.")
@JSON
def diff(before: Path, after: Path, *, page: Path | None, as_json: bool) -> None:
    """Show what changed from one published corpus to another: documents gained, lost, changed, moved."""
    from pipeline.corpus.diff import diff as run_diff

    with working(f"comparing {before} with {after}"):
        found = run_diff(before, after)
        if page:
            from pipeline.corpus.diffpage import write_page

            write_page(before, after, found, page)
    if as_json:
        echo_json(found.to_json())
        return
    for line in found.in_words():
        click.echo(line.translate(VISIBLE))
    if page:
        click.echo(f"page: {page}")
