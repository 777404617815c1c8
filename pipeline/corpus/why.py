"""Why a record of a corpus is as it is: what was removed from it, line by line, or why it was set aside."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from pipeline.corpus import open_corpus, spans_by_document
from pipeline.errors import UsageError
from pipeline.records import DUPLICATE_REASONS, QUARANTINE_REASONS
from pipeline.strip.article import Article, Removed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from pipeline.corpus import Corpus


@dataclass(frozen=True, slots=True)
class Why:
    """What became of one record.

    Attributes:
        id: of the record.
        table: `documents`, `duplicates` or `quarantine`.
        uri: the input it came from.
        index: its position there, from 0.
        source: the publication, where it is known.
        article: of a document its clean text and what was removed from it.
        reason: of a record that was set aside, a fixed code.
        about: the reason in words.
        detail: the error in words, of a record in quarantine.
        duplicate_of: of a duplicate, the id of the document that it repeats.
    """

    id: str
    table: str
    uri: str
    index: int | None
    source: str | None
    article: Article | None = None
    reason: str | None = None
    about: str | None = None
    detail: str | None = None
    duplicate_of: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The same as JSON values."""
        return {**asdict(self), "article": self.article.to_json() if self.article else None}

    def in_words(self) -> str:
        """One line that says what became of the record."""
        place = self.uri if self.index is None else f"{self.uri} #{self.index}"
        if self.article is None:
            repeats = f" repeats {self.duplicate_of};" if self.duplicate_of else ""
            detail = f" ({self.detail})" if self.detail else ""
            return f"{self.id} in {self.table}:{repeats} {self.reason}: {self.about}{detail}; from {place}"
        removed = sum(span.end - span.start for span in self.article.removed)
        whole = removed + len(self.article.text.encode())
        flags = f"; flagged {', '.join(self.article.flags)}" if self.article.flags else ""
        spans = f"{len(self.article.removed)} span{'' if len(self.article.removed) == 1 else 's'}"
        share = f"{removed / max(whole, 1):.1%} of {whole} bytes"
        return f"{self.id} in documents: {spans} removed, {share}; from {place}{flags}"


def why(folder: Path, name: str) -> list[Why]:
    """What became of the records with an id; there are several when an input repeats its ids.

    Raises:
        UsageError: the corpus has no record with this id.
        CorpusError: there is no corpus, or it is damaged.
    """
    corpus = open_corpus(folder)
    found = [*_documents(corpus, name), *_set_aside(corpus, name)]
    if not found:
        msg = f"the corpus has no record with the id {name}"
        raise UsageError(msg)
    return found


def _documents(corpus: Corpus, name: str) -> Iterator[Why]:
    documents = corpus.find("documents", "id", [name])
    spans = spans_by_document(documents["id"], corpus.find("removed", "document_id", [name]))
    for row, cut in zip(documents.to_pylist(), spans.to_pylist(), strict=True):
        article = article_of(row, cut)
        yield Why(name, "documents", row["origin"]["uri"], row["origin"]["index"], row["source"], article)


def article_of(row: Mapping[str, Any], spans: Iterable[Mapping[str, Any]]) -> Article:
    """A row of documents, or of records, with what was removed from it."""
    return Article(
        text=row["text"] or "",
        removed=tuple(Removed(**{**span, "evidence": tuple(span["evidence"])}) for span in spans),
        title=row["title"],
        byline=row["byline"],
        published=row["published"],
        captions=tuple(row["captions"] or ()),
        flags=tuple(row["flags"] or ()),
    )


def _set_aside(corpus: Corpus, name: str) -> Iterator[Why]:
    for table, meaning in (("duplicates", DUPLICATE_REASONS), ("quarantine", QUARANTINE_REASONS)):
        for row in corpus.find(table, "id", [name]).to_pylist():
            yield Why(
                name,
                table,
                row["origin"]["uri"],
                row["origin"]["index"],
                row["source"],
                reason=row["reason"],
                about=meaning.get(row["reason"]),
                detail=row.get("detail"),
                duplicate_of=row.get("duplicate_of"),
            )
