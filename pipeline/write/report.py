"""report.html: one page that shows what a build removed and why, from disk and without a network.

The data lies in the page as JSON that no browser takes for code; the script builds everything from it with
`textContent`, and the page's policy lets nothing run or load but that script and that style. Same corpus, same bytes.
"""

from __future__ import annotations

import base64
import hashlib
import json
from functools import lru_cache
from importlib.resources import files as resources
from typing import TYPE_CHECKING, Any, Final

from pipeline.records import DUPLICATE_REASONS, FLAGS, LABELS, MOVED_LABELS, QUARANTINE_REASONS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pipeline.write.facts import Document, Facts

FILE_NAME: Final = "report.html"
SOURCES: Final = 40
LINES: Final = 100

# The documents are most of the page: with so many bytes of them it stays below 2 MB and opens at once.
DOCUMENTS_BYTES: Final = 1_400_000
DOCUMENT_BYTES: Final = 40_000
# With less room left the page is full.
LEAST_BYTES: Final = 1_000
# Of a longer passage only its ends are shown; the reader wants to see what was cut, and where.
PASSAGE_CHARACTERS: Final = 1_600
FIELD_CHARACTERS: Final = 300
PIECES: Final = 200

# None of these may stand in a script element as themselves, or data could end it; in JSON they are escapes.
_ESCAPES: Final = {sign: f"\\u{ord(sign):04x}" for sign in "<>&\u2028\u2029"}

# A piece of a text: what stays is a string; what was cut is [text, label, evidence, score, first byte in the
# input text]; a number of characters is left out of the report there.
Piece = str | int | list[Any]


def render(content: Mapping[str, Any], facts: Facts) -> bytes:
    """The report of a dataset.

    Args:
        content: the manifest without its files.
        facts: what its parts told.
    """
    fields = {name: _json(value) for name, value in _data(content, facts).items()}
    fields["documents"] = f"[{','.join(_shown(facts.documents()))}]"
    data = f"{{{','.join(f'{_json(name)}:{fields[name]}' for name in sorted(fields))}}}"
    for sign, escape in _ESCAPES.items():
        data = data.replace(sign, escape)
    return _page(data)


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _page(data: str) -> bytes:
    page, style, script = (_resource(name) for name in ("report.html", "report.css", "report.js"))
    for mark, value in (
        ("STYLE_DIGEST", _digest(style)),
        ("SCRIPT_DIGEST", _digest(script)),
        ("STYLE", style),
        ("SCRIPT", script),
        ("DATA", data),  # last: nothing in it is replaced any more
    ):
        page = page.replace(f"{{{mark}}}", value, 1)
    return page.encode()


@lru_cache(maxsize=3)
def _resource(name: str) -> str:
    return resources("pipeline.write").joinpath(name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    """The source expression that lets this inline script or style, and no other, into the page."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _data(content: Mapping[str, Any], facts: Facts) -> dict[str, Any]:
    counts = content["counts"]
    sources, other_sources = facts.sources(SOURCES)
    return {
        "version": content["versions"].get("pipeline", ""),
        "accounting": content["accounting"],
        "spans": counts["rows"]["removed"],
        "input_bytes": counts["input_bytes"],
        "text_bytes": counts["text_bytes"],
        "labels": [
            {
                "name": name,
                "spans": counts["spans"][name],
                "bytes": counts["removed_bytes"].get(name, 0),
                "moved": name in MOVED_LABELS,
            }
            for name in LABELS
            if counts["spans"].get(name)
        ],
        "sources": [
            {
                "name": _short(source.name),
                "documents": source.documents,
                "words": source.words,
                "kept": source.text_bytes,
                "removed": source.removed_bytes,
                "duplicates": source.duplicates,
                "quarantine": source.quarantine,
            }
            for source in sources
        ],
        "other_sources": other_sources,
        "lines": [{"label": label, "text": text, "count": count} for label, text, count in facts.lines(LINES)],
        "flags": {name: {"count": counts["flags"][name], "about": FLAGS.get(name, "")} for name in counts["flags"]},
        "duplicates": _reasons(counts["duplicates"], DUPLICATE_REASONS),
        "quarantine": _reasons(counts["quarantine"], QUARANTINE_REASONS),
        "quarantined": [
            {
                "id": _short(row["id"]),
                "source": _short(row["source"]),
                "reason": row["reason"],
                "detail": _short(row["detail"]),
                "place": _short((row["origin"] or {}).get("uri")),
                "index": (row["origin"] or {}).get("index"),
            }
            for row in facts.quarantined()
        ],
    }


def _reasons(counted: Mapping[str, int], meaning: Mapping[str, str]) -> list[dict[str, Any]]:
    ordered = sorted(counted, key=lambda name: (-counted[name], name))
    return [{"name": name, "count": counted[name], "about": meaning.get(name, "")} for name in ordered]


def _short(text: str | None) -> str | None:
    if text is None or len(text) <= FIELD_CHARACTERS:
        return text
    return text[:FIELD_CHARACTERS] + "…"


def _shown(documents: Iterable[Document]) -> Iterator[str]:
    """The documents that fit into the page as JSON, the most telling first."""
    room = DOCUMENTS_BYTES
    for document in documents:
        row, removed = document.row, document.removed_bytes
        shown = {
            **{name: _short(row[name]) for name in ("id", "source", "url", "title", "language")},
            "flags": row["flags"] or [],
            "words": row["word_count"],
            "bytes": document.kept_bytes + removed,
            "removed": removed,
            "pieces": list(_pieces(row["text"], document.spans)) if row["text"] is not None else None,
        }
        written = _json(shown)
        size = len(written.encode())
        if size <= min(room, DOCUMENT_BYTES):
            room -= size
            yield written
        if room < LEAST_BYTES:
            return


def _pieces(text: str, spans: list[dict[str, Any]]) -> Iterator[Piece]:
    """The input text in order, cut where a span starts or ends; long passages without their middle."""
    kept, place, source = text.encode(), 0, 0
    for span in spans[:PIECES]:
        length = span["start"] - source
        yield from _shortened(kept[place : place + length].decode("utf-8", "replace"))
        for passage in _shortened(span["text"]):
            cut = [span["label"], span["evidence"], round(span["score"], 2), span["start"]]
            yield passage if isinstance(passage, int) else [passage, *cut]
        place, source = place + length, span["end"]
    rest = kept[place:].decode("utf-8", "replace")
    if len(spans) <= PIECES:
        yield from _shortened(rest)
    else:  # nothing that was cut may look as if it had stayed, or the other way round
        yield len(rest) + sum(len(span["text"]) for span in spans[PIECES:])


def _shortened(passage: str) -> Iterator[str | int]:
    half = PASSAGE_CHARACTERS // 2
    if len(passage) <= PASSAGE_CHARACTERS:
        if passage:
            yield passage
        return
    yield passage[:half]
    yield len(passage) - 2 * half
    yield passage[-half:]
