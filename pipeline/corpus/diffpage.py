"""The differences between two builds as one page: no script, nothing loaded, every text escaped."""

from __future__ import annotations

import base64
import hashlib
from html import escape
from importlib.resources import files as resources
from typing import TYPE_CHECKING, Final

from pipeline.corpus.diff import changed_documents
from pipeline.errors import UsageError
from pipeline.write.durable import new_file, writing

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from pipeline.corpus.diff import ChangedDocument, ChangedLine, Difference

SHOWN: Final = 200  # documents line by line
UNFOLDED: Final = 5  # of them, from the start
TITLE_CHARACTERS: Final = 90
LISTED: Final = 500  # ids of each kind

_CLASSES: Final = {"-": "gone", "+": "come", "…": "gap", "": ""}


def write_page(before: Path, after: Path, difference: Difference, file: Path) -> None:
    """Write the page of two corpora.

    Raises:
        UsageError: the file lies inside one of the corpora.
        CorpusError: one of them is damaged.
        WriteError: the file cannot be written.
    """
    target = file.resolve()
    if any(target.is_relative_to(folder.resolve()) for folder in (before, after)):
        msg = f"{file} lies inside a corpus, whose files are guarded by their digests; choose another place"
        raise UsageError(msg)
    page = render(difference, changed_documents(before, after, difference.changed[:SHOWN]))
    with writing(target), new_file(target) as stream:
        stream.write(page)


def render(difference: Difference, documents: Iterable[ChangedDocument]) -> bytes:
    """The page.

    Args:
        difference: of two corpora.
        documents: those to show line by line.
    """
    style = resources("pipeline.corpus").joinpath("diffpage.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    body = "\n".join(_body(difference, documents))
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>Two builds compared</title>\n<style>{style}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    ).encode()


def _body(difference: Difference, documents: Iterable[ChangedDocument]) -> Iterator[str]:
    kinds = {"changed": difference.changed, "gained": difference.gained, "lost": difference.lost}
    yield "<h1>Two builds compared</h1>"
    counts = "".join(f"<b>{len(ids):,}</b> {kind}, " for kind, ids in kinds.items())
    moved = f"<b>{len(difference.moved):,}</b> moved, <b>{difference.same:,}</b> documents with the same text"
    yield f"<p class='account'>{counts}{moved}</p>"
    yield from _table(("table", "rows before", "rows after"), difference.rows)
    yield from _table(("label", "bytes removed before", "after"), difference.labels)
    yield from _table(("setting or version", "before", "after"), difference.settings)
    yield "<h2>Changed documents</h2>"
    shown = [_document(document, "open" if number < UNFOLDED else "") for number, document in enumerate(documents)]
    yield "\n".join(shown) if shown else "<p>None.</p>"
    if len(difference.changed) > len(shown):
        yield f"<p>and {len(difference.changed) - len(shown):,} others</p>"
    for kind in ("gained", "lost"):
        yield from _ids(f"{kind.capitalize()} documents", kinds[kind])
    yield from _ids("Moved records", [f"{name}: {before} → {after}" for name, before, after in difference.moved])


def _table(head: tuple[str, ...], rows: Mapping[str, tuple[object, object]]) -> Iterator[str]:
    if not rows:
        return
    yield "<table><thead><tr>" + "".join(f"<th>{escape(cell)}</th>" for cell in head) + "</tr></thead><tbody>"
    for name, pair in rows.items():
        cells = "".join(f"<td>{escape(f'{cell:,}' if isinstance(cell, int) else str(cell))}</td>" for cell in pair)
        yield f"<tr><td>{escape(name)}</td>{cells}</tr>"
    yield "</tbody></table>"


def _document(document: ChangedDocument, state: str) -> str:
    lines = document.lines
    title = f"{escape(document.title or _first(document))} <small>{escape(document.id)}</small>"
    if lines is None:
        return f"<details><summary>{title}</summary><p>Too long to be compared line by line.</p></details>"
    gone, come = (sum(line.mark == mark for line in lines) for mark in "-+")
    counts = f"<small>− {gone} + {come}</small>"
    body = "".join(map(_line, lines)) or "<p>Only white space is different.</p>"
    return f"<details {state}><summary>{title} {counts}</summary><div class='text'>{body}</div></details>"


def _first(document: ChangedDocument) -> str:
    """The first line that is shown, of a document without a title."""
    return next((line.text[:TITLE_CHARACTERS] for line in document.lines or () if line.text), "")


def _line(line: ChangedLine) -> str:
    if line.mark == "…":
        return "<p class='gap'>…</p>"
    why = f" title='{escape(line.evidence)}'" if line.evidence else ""
    label = f"<small>{'now ' if line.mark == '-' else 'was '}{escape(line.label)}</small>" if line.label else ""
    return f"<p dir='auto' class='{_CLASSES[line.mark]}'{why}>{escape(line.text)}{label}</p>"


def _ids(title: str, ids: Iterable[str]) -> Iterator[str]:
    listed = list(ids)
    if listed:
        yield f"<h2>{title}</h2><ul>" + "".join(f"<li>{escape(name)}</li>" for name in listed[:LISTED]) + "</ul>"
    if len(listed) > LISTED:
        yield f"<p>and {len(listed) - LISTED:,} others</p>"
