"""A document of a corpus as a regression case: its lines as a sheet, some of them with the verdict they should have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline.corpus import open_corpus, spans_by_document
from pipeline.corpus.review import removed_by
from pipeline.errors import UsageError
from pipeline.strip.cut import rebuild
from pipeline.strip.lines import split_lines
from pipeline.strip.model import sheet

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from pipeline.strip.lines import Lines
    from pipeline.strip.model.sheet import Row


def add_case(folder: Path, name: str, file: Path, keep: Sequence[str], drop: Sequence[str]) -> int:
    """Add a document to a sheet of cases; what the sheet has of it already keeps its verdicts.

    Args:
        folder: a published corpus.
        name: id of the document.
        file: the sheet; made if need be.
        keep: lines that must stay, each by some of its text or by the number of a byte in it.
        drop: lines that must go.

    Returns:
        How many lines of the sheet have a verdict now.

    Raises:
        UsageError: there is no such document, a line is not found, or more than one is.
        CorpusError: the corpus is damaged.
        InputError: the sheet that is there cannot be read.
    """
    rows = list(_rows(folder, name, keep, drop))
    known = sheet.read_sheet(file) if file.exists() else []
    before = {row.text: row for row in known if row.id == name and row.verdict}
    merged = [before[row.text] if not row.verdict and row.text in before else row for row in rows]
    cases = [row for row in known if row.id != name] + merged
    sheet.write_sheet(file, cases)
    return sum(row.verdict in (sheet.KEEP, sheet.DROP) for row in cases)


def _rows(folder: Path, name: str, keep: Sequence[str], drop: Sequence[str]) -> Iterable[Row]:
    if not keep and not drop:
        msg = "a case needs a line that must stay (--keep) or go (--drop): some of its text, or a byte in it"
        raise UsageError(msg)
    corpus = open_corpus(folder)
    documents = corpus.find("documents", "id", [name])
    if documents.num_rows != 1:
        msg = f"the corpus has no document with the id {name}; only documents can be cases"
        raise UsageError(msg)
    spans = spans_by_document(documents["id"], corpus.find("removed", "document_id", [name]))
    lines = split_lines(rebuild(documents["text"], spans))
    verdicts = {_line(lines, told): sheet.KEEP for told in keep} | {_line(lines, told): sheet.DROP for told in drop}
    given: dict[str, Any] = documents.select(["source", "language"]).to_pylist()[0]
    for line, span in enumerate(removed_by(lines.start, spans.to_pylist()[0])):
        was, label = ("removed", span["label"]) if span else ("kept", "")
        text, verdict = sheet.cell(lines.text(line).decode()), verdicts.get(line, "")
        yield sheet.Row(verdict, label, was, "", name, sheet.cell(given["source"]), given["language"] or "", text)


def _line(lines: Lines, told: str) -> int:
    """The line that has this byte, or follows it; or the one line that has this text."""
    if told.isdecimal():
        # A removed span may begin with the line break before its line, or with the blank lines there.
        after = [line for line in range(len(lines)) if lines.end[line] > int(told)]
        if after:
            return after[0]
    wanted = sheet.cell(told)
    found = [line for line in range(len(lines)) if wanted in sheet.cell(lines.text(line).decode())]
    if len(found) != 1:
        msg = f"{len(found) or 'no'} lines have the text '{told}'; give more of it, or the number of a byte in the line"
        raise UsageError(msg)
    return found[0]
