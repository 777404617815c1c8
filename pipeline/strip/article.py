"""Clean one article: the strip stage for a single text, with its verdicts line by line."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from pipeline.records import complete
from pipeline.strip.cleaner import load_cleaner

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from pipeline.config import Config


@dataclass(frozen=True, slots=True)
class Removed:
    """A span that was cut: offsets are UTF-8 bytes of the input text, half open."""

    start: int
    end: int
    text: str
    label: str
    evidence: tuple[str, ...]
    score: float


@dataclass(frozen=True, slots=True)
class ExplainedLine:
    """A line of the input, or the part of it that one verdict covers; no label where it stays."""

    text: str
    label: str
    evidence: str


@dataclass(frozen=True, slots=True)
class Article:
    """A cleaned article: `text` and the texts of `removed` rebuild the input."""

    text: str
    removed: tuple[Removed, ...]
    title: str | None
    byline: str | None
    published: datetime | None
    captions: tuple[str, ...]
    flags: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """The same as JSON values."""
        published = self.published.isoformat() if self.published else None
        return {**asdict(self), "published": published}

    def explained(self) -> Iterator[ExplainedLine]:
        """Every line of the input in order, cut where a verdict starts or ends."""
        kept, place, source = self.text.encode(), 0, 0
        for span in self.removed:
            length = span.start - source
            yield from _lines(kept[place : place + length].decode(), "", "")
            yield from _lines(span.text, span.label, f"{', '.join(span.evidence)} {span.score:.2f}")
            place, source = place + length, span.end
        yield from _lines(kept[place:].decode(), "", "")


def _lines(text: str, label: str, evidence: str) -> Iterator[ExplainedLine]:
    for line in text.splitlines():
        written = bool(line.strip())
        yield ExplainedLine(line.strip() if written else "", label if written else "", evidence if written else "")


def clean_article(text: str, config: Config) -> Article:
    """Clean one text.

    Args:
        text: the article, lines separated by line breaks.
        config: its `rules` and `strictness` count.

    Raises:
        RuleError: a pack of rules cannot be used.
    """
    batch = complete({"text": pa.array([text], pa.string())}, 1)
    row = load_cleaner(config.rules, config.strictness, config.model).strip(batch).to_pylist()[0]
    removed = tuple(Removed(**{**span, "evidence": tuple(span["evidence"])}) for span in row["removed"] or ())
    return Article(
        text=row["text"] or "",
        removed=removed,
        title=row["title"],
        byline=row["byline"],
        published=row["published"],
        captions=tuple(row["captions"] or ()),
        flags=tuple(row["flags"] or ()),
    )
