"""The command line: the only file that prints, reads the environment or sets an exit code."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import os
import select
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

import click

from pipeline.errors import PipelineError, UsageError

# Everything that needs pyarrow is imported inside the commands: `pipeline --help` must answer at once.
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from pipeline.build import Built
    from pipeline.config import Config
    from pipeline.corpus.restore import Restored

DEFAULT_INPUT: Final = "seeds"
DEFAULT_OUTPUT: Final = "output"


class _Folder(click.Path):
    """The path of a folder of ours; Arrow opens only paths that are text."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        path = Path(os.fsdecode(super().convert(value, param, ctx)))
        try:
            str(path.resolve()).encode()
        except UnicodeEncodeError:
            self.fail(f"{os.fsencode(path)!r} is not UTF-8; choose a folder whose path is", param, ctx)
        return path


class _Command(click.Command):
    """A command that turns the library's errors into one clear line and their exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()  # what cannot be written shows now, not when the interpreter goes
        except PipelineError as error:
            _fail(ctx, str(error), error.exit_code)
        except OSError as error:
            gone = isinstance(error, BrokenPipeError) and _reader_has_gone()
            _drop_output()
            if gone:  # `pipeline clean x | head`: nothing is wrong, nothing is left to say
                ctx.exit(0)
            _fail(ctx, f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}", 1)
        except MemoryError:
            _fail(ctx, "out of memory; try fewer --workers or a smaller --max-document", 1)
        return result


def _fail(ctx: click.Context, message: str, code: int) -> NoReturn:
    click.secho(f"{ctx.command_path}: {message}", fg="red", err=True)
    ctx.exit(code)


def _reader_has_gone() -> bool:
    """Whether nobody reads our standard output any more; a pipe to a worker may break as well."""
    poll = select.poll()
    poll.register(sys.stdout.fileno(), select.POLLERR)
    return bool(poll.poll(0))


def _drop_output() -> None:
    """Send what is still buffered nowhere, or the interpreter would fail on it once more at its end."""
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class _Group(click.Group):
    """A group whose commands report errors in one line."""

    command_class = _Command
    group_class = type  # a subgroup is of this class too


@click.group("pipeline", cls=_Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="news-corpus-pipeline", prog_name="pipeline")
def main() -> None:
    """Turn scraped news articles into a clean Parquet corpus.

    `pipeline build` strips newsletter prompts, donation appeals, links to other stories and other boilerplate,
    validates every record, sets duplicates aside and publishes a dataset. What was removed is in a ledger; nothing is
    lost.
    """
    # A file name that is no text, or a terminal that knows only ASCII, is no reason to fail.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def _settings(command: Callable[..., None]) -> Callable[..., None]:
    """The options that make up the configuration, shared by all commands that need one."""
    options = [
        click.option("--config", type=_Folder(), help="Configuration file (default: pipeline.toml)."),
        click.option("--rules", multiple=True, type=_Folder(), help="Folder of your own rule packs."),
        click.option(
            "--strictness", type=click.Choice(["careful", "balanced", "thorough"]), help="How much to remove."
        ),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def _build_settings(command: Callable[..., None]) -> Callable[..., None]:
    options = [
        click.option("--workers", type=click.IntRange(min=1), help="Worker processes (default: the cores)."),
        click.option("--engine", type=click.Choice(["local", "ray"]), help="Where the work is done."),
        click.option("--memory", help="Memory of the whole process tree, such as 1GB."),
        click.option("--dedupe", type=click.Choice(["none", "exact", "near"]), help="Which duplicates to set aside."),
        click.option("--against", type=_Folder(), help="Older corpus: what is in it is a duplicate."),
        click.option("--max-document", help="Largest text of one record, such as 16MiB."),
        click.option("--encoding", help="Encoding of text files that are not UTF-8, such as cp1252."),
    ]
    for option in reversed(options):
        command = option(command)
    return _settings(command)


def _config(file: Path | None, **options: Any) -> Config:
    from pipeline.config import load

    return load(file, options)


_OUTPUT: Final = click.option(
    "-o", "--output", type=_Folder(), default=DEFAULT_OUTPUT, show_default=True, help="Output folder."
)
_JSON: Final = click.option("--json", "as_json", is_flag=True, help="Print the summary as one JSON object.")


@main.command()
@click.argument("inputs", metavar="[INPUT]...", nargs=-1)
@_OUTPUT
@_build_settings
@click.option("--strict", is_flag=True, default=None, help="Publish nothing and exit 1 when a record is quarantined.")
@click.option(
    "--retry",
    is_flag=True,
    help="Also read again what the last build quarantined; without INPUT, all of the last build.",
)
@_JSON
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
    settings = _config(config, **options)
    from pipeline.build import build as run_build

    built = run_build(inputs if inputs or retry else _default_input(), output, settings, _Progress(), retry=retry)
    summary = _summary(built)
    if as_json:
        _echo_json(summary)
    else:
        click.echo(_in_words(summary))


def _default_input() -> tuple[str, ...]:
    if not Path(DEFAULT_INPUT).is_dir():
        msg = "there is no seeds/ folder here; say what to read, for example: pipeline build articles/ -o output"
        raise UsageError(msg)
    return (DEFAULT_INPUT,)


def _echo_json(value: dict[str, Any]) -> None:
    """One JSON object on a line of its own, in UTF-8 whatever the locale; half a surrogate pair stays escaped."""
    click.echo(json.dumps(value, ensure_ascii=False).encode("utf-8", "backslashreplace"))


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
        f"{summary['removed_spans']} spans removed" + _listed(summary["removed_by_label"]),
    ]
    if summary["quarantine"]:
        lines.append("quarantine" + _listed(summary["quarantine_reasons"]))
    if summary["skipped_files"]:
        lines.append("skipped files of other types" + _listed(summary["skipped_files"]))
    lines += [
        f"corpus: {summary['corpus']}",
        f"report: {Path(summary['corpus']) / 'report.html'}",
        f"next:   pipeline check {summary['corpus']}",
    ]
    return "\n".join(lines)


def _listed(counts: dict[str, int]) -> str:
    ordered = sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))
    return ": " + ", ".join(f"{name} {number}" for name, number in ordered) if ordered else ""


@main.command()
@click.argument("file", default="-", type=click.Path(path_type=Path, allow_dash=True))
@_settings
@click.option("--encoding", help="Encoding of a file that is not UTF-8, such as cp1252.")
@click.option("--explain", is_flag=True, help="Show every line with its verdict and the reason.")
@_JSON
def clean(file: Path, config: Path | None, *, explain: bool, as_json: bool, **options: Any) -> None:
    """Clean one article: text in (FILE, or standard input), clean text out."""
    settings = _config(config, **options)
    from pipeline.read import decode
    from pipeline.strip.article import clean_article

    text, _, _ = decode(_bytes_of(file), settings.encoding)
    article = clean_article(text, settings)
    if as_json:
        _echo_json(article.to_json())
    elif explain:
        for line in article.explained():
            _show(line.text, line.label, line.evidence)
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


# Boilerplate in red, what moved to a column in blue: the eye finds what goes, the body stays as it is.
_COLOURS: Final = {"title": "blue", "caption": "blue", "byline": "blue", "published": "blue"}
# An article must not steer the terminal: its control characters are shown as their pictures.
_PICTURES: Final = {**{code: 0x2400 + code for code in range(32) if code != ord("\t")}, 0x7F: 0x2421}
_VISIBLE: Final = {**_PICTURES, **dict.fromkeys(range(0x80, 0xA0), 0xFFFD)}


def _show(text: str, label: str, evidence: str) -> None:
    text = text.translate(_VISIBLE)
    if not label:
        click.echo(f"  {'':<12} {text}" if text else "")
        return
    mark = ">" if label in _COLOURS else "-"
    line = click.style(f"{mark} {label:<12} {text}", fg=_COLOURS.get(label, "red"))
    click.echo(line + click.style(f"  [{evidence}]", dim=True))


@main.command()
@click.argument("corpus", type=_Folder())
@click.argument("ids", metavar="[ID]...", nargs=-1)
@click.option("-o", "--output", type=_Folder(), help="Folder for one file a record (default: print).")
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
            _echo_json({"id": record.id, "uri": record.origin["uri"], **_as_json(record.data)})


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
@click.argument("corpus", type=_Folder())
@_JSON
def check(corpus: Path, *, as_json: bool) -> None:
    """Read a published corpus again: hashes, counts, accounting, reconstruction of every input."""
    from pipeline.corpus.check import check as run_check

    report = run_check(corpus)
    if as_json:
        findings = [str(finding) for finding in report.findings]
        _echo_json({"ok": report.ok, "files": report.files, "rows": report.rows, "findings": findings})
    else:
        for finding in report.findings:
            click.secho(f"damaged: {finding}", fg="red")
        rows = ", ".join(f"{table} {count}" for table, count in report.rows.items())
        click.echo(f"{'sound' if report.ok else 'DAMAGED'}: {report.files} files, {report.size} bytes; {rows}")
    if not report.ok:
        click.get_current_context().exit(1)


@main.command()
@click.argument("corpus", type=_Folder())
@click.option("-o", "--output", type=_Folder(), default="report.html", show_default=True, help="The page to write.")
def report(corpus: Path, output: Path) -> None:
    """Write the report of a published corpus: what was removed and why, as one page for a browser.

    Every build publishes one as report.html. The files of a corpus are guarded by their digests, so this one is written
    elsewhere.
    """
    from pipeline.corpus.report import write_report

    write_report(corpus, output)
    click.echo(f"report: {output}")


@main.command()
@click.argument("corpus", type=_Folder())
@click.argument("name", metavar="ID")
@_JSON
def why(corpus: Path, name: str, *, as_json: bool) -> None:
    """Show what was removed from one document, line by line, and why; or why a record was set aside."""
    from pipeline.corpus.why import why as reasons_of

    for record in reasons_of(corpus, name):
        if as_json:
            _echo_json(record.to_json())
            continue
        click.echo(record.in_words().translate(_VISIBLE))
        for line in record.article.explained() if record.article else ():
            _show(line.text, line.label, line.evidence)


@main.command()
@click.argument("before", type=_Folder())
@click.argument("after", type=_Folder())
@click.option("--html", "page", type=_Folder(), help="Also write a page with the changed documents, line by line.")
@_JSON
def diff(before: Path, after: Path, *, page: Path | None, as_json: bool) -> None:
    """Show what changed from one published corpus to another: documents gained, lost, changed, moved."""
    from pipeline.corpus.diff import diff as run_diff

    found = run_diff(before, after)
    if page:
        from pipeline.corpus.diffpage import write_page

        write_page(before, after, found, page)
    if as_json:
        _echo_json(found.to_json())
        return
    for line in found.in_words():
        click.echo(line.translate(_VISIBLE))
    if page:
        click.echo(f"page: {page}")


_SHARDS: Final = click.argument("source", metavar="SHARDS", type=_Folder())
_TO: Final = click.option("-o", "--output", "target", type=_Folder(), required=True, help="Folder for the shards.")


@main.command()
@click.argument("inputs", metavar="[INPUT]...", nargs=-1)
@_TO
@_build_settings
def read(inputs: tuple[str, ...], target: Path, config: Path | None, **options: Any) -> None:
    """First stage: read INPUT into a folder of shards."""
    settings = _config(config, **options)
    from pipeline import folders

    click.echo(f"{folders.read(inputs or _default_input(), target, settings)} records")


@main.command()
@_SHARDS
@_TO
@_settings
def strip(source: Path, target: Path, config: Path | None, **options: Any) -> None:
    """Second stage: cut the boilerplate out of every record of SHARDS."""
    settings = _config(config, **options)
    from pipeline import folders

    click.echo(f"{folders.strip(source, target, settings)} records")


@main.command()
@_SHARDS
@_TO
def validate(source: Path, target: Path) -> None:
    """Third stage: validate every record of SHARDS."""
    from pipeline import folders

    click.echo(f"{folders.validate_records(source, target)} records")


@main.command()
@_SHARDS
@_TO
@_build_settings
def dedupe(source: Path, target: Path, config: Path | None, **options: Any) -> None:
    """Fourth stage: set the duplicates among the records of SHARDS aside."""
    settings = _config(config, **options)
    from pipeline import folders

    click.echo(f"{folders.dedupe_records(source, target, settings)} records")


@main.command()
@_SHARDS
@_OUTPUT
@_build_settings
def write(source: Path, output: Path, config: Path | None, **options: Any) -> None:
    """Last stage: publish SHARDS as a corpus in the output folder."""
    settings = _config(config, **options)
    from pipeline import folders

    rows = folders.write(source, output, settings).to_json()["rows"]
    click.echo(", ".join(f"{table} {count}" for table, count in rows.items()))


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

    for rule in listed(load_packs(folders)):
        proof = f"{rule.patterns} patterns, {rule.examples} examples"
        click.echo(f"{rule.id:<44} {rule.label:<12} {rule.language or 'any':<4} {rule.kind:<6} {proof}")


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


@main.command()
@click.argument("gold", type=click.Path(path_type=Path))
@_settings
@click.option("--track", help="Only documents of this track, such as residue or full.")
@click.option("--tier", help="Only documents of this tier, such as core.")
@click.option("--era", help="Only documents of this era, such as modern.")
@click.option("--lang", help="Only documents in this language, such as en.")
@click.option("--by", help="Also a row for each value of this field, such as extractor, lang or dataset.")
@click.option("--worst", type=click.IntRange(min=0), default=0, help="Show that many of the documents that lost most.")
@_JSON
def evaluate(gold: Path, config: Path | None, *, by: str | None, worst: int, as_json: bool, **options: Any) -> None:
    """Measure precision, recall and body loss against the labelled lines of GOLD (JSON Lines, also .gz)."""
    wanted = {name: options.pop(name) for name in ("track", "tier", "era", "lang")}
    settings = _config(config, **options)
    from pipeline.evaluate import evaluate as run_evaluation
    from pipeline.evaluate import read_gold

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
        click.echo(f"\n{name}: {lost:.0f} characters of body lost")
        for line in lines:
            _show_judged(line.text, line.gold, gone=not any(line.kept))


def _show_figures(rows: dict[str, dict[str, float | int | None]]) -> None:
    names = [name for name in next(iter(rows.values())) if name != "documents"]
    width = max(map(len, rows)) + 2
    click.echo(" " * width + "".join(f"{name.replace('_', ' '):>23}" for name in ["documents", *names]))
    for row, figures in rows.items():
        shares = "".join(f"{'-' if figures[name] is None else format(figures[name], '.2%'):>23}" for name in names)
        click.echo(f"{row:<{width}}{figures['documents']:>23}{shares}")


def _show_counts(title: str, whole: str, part: str, counted: Mapping[str, Mapping[str, int]]) -> None:
    click.echo(f"\n{title:<28}{whole:>10}{part:>10}")
    for name, counts in sorted(counted.items(), key=lambda entry: -entry[1][whole]):
        click.echo(f"{name:<28}{counts[whole]:>10}{counts[part]:>10}{counts[part] / max(counts[whole], 1):>9.1%}")


def _show_judged(text: str, gold: str, *, gone: bool) -> None:
    """A line of a diff: minus for what goes, red where it should have stayed, yellow where junk was left."""
    colour = {(True, "keep"): "red", (False, "drop"): "yellow"}.get((gone, gold))
    click.secho(f"{'-' if gone else ' '} {gold:<8} {text[:160]}", fg=colour)
