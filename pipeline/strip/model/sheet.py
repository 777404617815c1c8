"""Sheets: lines to label, tab-separated, a row each, for an editor, a spreadsheet or the terminal.

A sheet holds whole documents, since a line is judged by what stands around it; only some lines have a verdict, or a
question mark that asks for one. The first row names the columns; the rows of one document stand together.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pipeline.errors import InputError, WriteError
from pipeline.records import LABELS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

SUFFIX: Final = ".tsv"
DATA_SET: Final = "added"
KEEP: Final = "keep"
DROP: Final = "drop"
OPEN: Final = "?"
# What a hurried hand may write for a verdict.
_VERDICTS: Final = {"": "", OPEN: OPEN, KEEP: KEEP, DROP: DROP, "k": KEEP, "+": KEEP, "d": DROP, "-": DROP}
MAX_BYTES: Final = 256 << 20


class Row(NamedTuple):
    """A line of a document.

    Attributes:
        verdict: `keep`, `drop`, `?` where one is asked for, empty where the line only stands around others.
        label: what kind of boilerplate it is, empty where that is not known.
        was: `kept` or `removed`, what a build did.
        score: log odds by the model that it is boilerplate, as text.
        id: of its document.
        source: of its document, empty if unknown.
        language: of its document, empty if unknown.
        text: the line, white space inside as single spaces.
    """

    verdict: str
    label: str
    was: str
    score: str
    id: str
    source: str
    language: str
    text: str


def read_sheet(path: Path) -> list[Row]:
    """The rows of a sheet.

    Raises:
        InputError: it cannot be read, or a row is none; the message names the row.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            msg = f"{path} is over {MAX_BYTES >> 20} MiB; a sheet holds some hundred documents"
            raise InputError(msg)
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        msg = f"cannot read the sheet {path}: {error}"
        raise InputError(msg) from None
    if not lines or lines[0].split("\t") != list(Row._fields):
        msg = f"{path} is no sheet: its first line must name the columns {', '.join(Row._fields)}, with tabs between"
        raise InputError(msg)
    return [_row(line, f"{path}, line {number}") for number, line in enumerate(lines[1:], 2) if line.strip()]


def _row(line: str, place: str) -> Row:
    cells = line.split("\t")
    if len(cells) != len(Row._fields):
        msg = f"{place}: {len(cells)} cells instead of {len(Row._fields)}; a row has a tab between every two cells"
        raise InputError(msg)
    row = Row(*(cell.strip() for cell in cells))
    verdict = _VERDICTS.get(row.verdict.lower())
    if verdict is None:
        msg = f"{place}: '{row.verdict}' is no verdict; write keep, drop, ? or nothing"
        raise InputError(msg)
    if row.label not in LABELS:
        msg = f"{place}: '{row.label}' is no label; the labels are {', '.join(LABELS[1:])}"
        raise InputError(msg)
    return row._replace(verdict=verdict)


def write_sheet(path: Path, rows: Iterable[Row]) -> None:
    """Write a sheet, whole or not at all.

    Raises:
        WriteError: it cannot be written.
    """
    aside = path.with_name(f".{path.name}.new")
    text = "".join("\t".join(cells) + "\n" for cells in (Row._fields, *rows))
    try:
        aside.write_text(text, encoding="utf-8")
        aside.replace(path)
    except OSError as error:
        msg = f"cannot write the sheet {path}: {error.strerror or error}"
        raise WriteError(msg) from None


def cell(text: str | None) -> str:
    """A text as it stands in a sheet: white space, which may be a tab or a line break, as single spaces."""
    return " ".join((text or "").split())


def documents(rows: Iterable[Row]) -> Iterator[dict[str, Any]]:
    """The documents of a sheet as gold (see `pipeline.evaluate`); lines without a verdict are `unknown`."""
    for name, group in groupby(rows, key=lambda row: row.id):
        lines = list(group)
        yield {
            "doc_id": name,
            "dataset": DATA_SET,
            "tier": "partial",
            "track": None,
            "publisher_domain": lines[0].source or name,
            "lang": lines[0].language or "en",
            "lines": [
                {"text": row.text, "label": row.verdict if row.verdict in (KEEP, DROP) else "unknown", "cls": row.label}
                for row in lines
            ],
        }
