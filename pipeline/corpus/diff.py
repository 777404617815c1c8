"""What changed between two builds: records gained, lost, moved from table to table, and documents with another text."""

from __future__ import annotations

import difflib
import hashlib
from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from pipeline.corpus import Corpus, open_corpus, spans_by_document

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

# A text with more lines or bytes is not compared line by line: difflib takes time with the product of both.
MOST_LINES: Final = 2_000
MOST_BYTES: Final = 200_000
CONTEXT: Final = 2  # lines shown around a change
VERSION_CHARACTERS: Final = 16  # of a digest; more would only fill the line
NAMED: Final = 3  # of many ids so many are named in the summary


@dataclass(frozen=True, slots=True)
class Difference:
    """What changed from one corpus to another. Records are known by their id.

    Attributes:
        gained: documents whose id the first corpus does not have in any table.
        lost: documents whose id the second corpus does not have in any table.
        changed: documents of both with another text.
        moved: records that went from one table to another, as (id, from, to).
        same: how many documents have the same text in both.
        rows: rows of each table, before and after.
        labels: removed bytes of each label that has others now, before and after.
        settings: settings and versions that are others now, before and after.
    """

    gained: tuple[str, ...]
    lost: tuple[str, ...]
    changed: tuple[str, ...]
    moved: tuple[tuple[str, str, str], ...]
    same: int
    rows: dict[str, tuple[int, int]]
    labels: dict[str, tuple[int, int]]
    settings: dict[str, tuple[Any, Any]]

    @property
    def nothing(self) -> bool:
        """The records of both are in the same tables, the documents with the same texts."""
        return not (self.gained or self.lost or self.changed or self.moved)

    def to_json(self) -> dict[str, Any]:
        """The same as JSON values."""
        return asdict(self)

    def in_words(self) -> Iterator[str]:
        """The difference in a few lines."""
        documents = "document has" if self.same == 1 else "documents have"
        yield f"{self.same} {documents} the same text, {len(self.changed)} another one"
        yield f"{len(self.gained)} gained{_some(self.gained)}"
        yield f"{len(self.lost)} lost{_some(self.lost)}"
        if self.changed:
            yield f"changed{_some(self.changed)}"
        for (table, other), number in self.moves().items():
            yield f"{number} moved from {table} to {other}"
        for label, (before, after) in self.labels.items():
            yield f"removed as {label}: {before} bytes, now {after} ({after - before:+d})"
        for name, (was, now) in self.settings.items():
            yield f"{name}: {was}, now {now}"

    def moves(self) -> dict[tuple[str, str], int]:
        """How many records went from which table to which."""
        return dict(sorted(Counter((before, after) for _, before, after in self.moved).items()))


@dataclass(frozen=True, slots=True)
class ChangedLine:
    """A line of a document that was compared.

    Attributes:
        mark: `-` when only the first corpus has it, `+` when only the second, else empty; `…` for lines left out.
        text: the line.
        label: why the corpus that does not have it removed it; empty when no ledger says so.
        evidence: what spoke for that.
    """

    mark: str
    text: str
    label: str = ""
    evidence: str = ""


@dataclass(frozen=True, slots=True)
class ChangedDocument:
    """A document that has another text; `lines` is None when it is too long to be compared."""

    id: str
    title: str | None
    lines: tuple[ChangedLine, ...] | None


def diff(before: Path, after: Path) -> Difference:
    """Compare two published corpora. Memory: some hundred bytes a record, no text.

    Raises:
        CorpusError: one of them is no corpus, or damaged.
    """
    old, new = open_corpus(before), open_corpus(after)
    was, now = _records(old), _records(new)
    both = [(name, *was[name], *now[name]) for name in was if name in now]
    documents = [entry for entry in both if entry[1] == entry[3] == "documents"]
    changed = [name for name, _, text, _, other in documents if text != other]
    return Difference(
        gained=_only(now, was),
        lost=_only(was, now),
        changed=tuple(sorted(changed)),
        moved=tuple(sorted((name, table, other) for name, table, _, other, _ in both if table != other)),
        same=len(documents) - len(changed),
        rows=_pairs(old.manifest["counts"]["rows"], new.manifest["counts"]["rows"], 0, even_equal=True),
        labels=_pairs(old.manifest["counts"]["removed_bytes"], new.manifest["counts"]["removed_bytes"], 0),
        settings=_pairs(_settings(old), _settings(new), None),
    )


def _some(ids: Sequence[str]) -> str:
    more = f" and {len(ids) - NAMED} more" if len(ids) > NAMED else ""
    return f": {', '.join(ids[:NAMED])}{more}" if ids else ""


def _records(corpus: Corpus) -> dict[str, tuple[str, bytes]]:
    """Table and digest of the text by id; of records with one id the first counts, documents before the others."""
    found: dict[str, tuple[str, bytes]] = {}
    for table in ("documents", "duplicates", "quarantine"):
        for batch in corpus.batches(table):
            for name, text in zip(batch["id"].to_pylist(), batch["text"], strict=True):
                data = (text.as_buffer() if text.is_valid else b"") if table == "documents" else b""
                found.setdefault(name, (table, hashlib.blake2b(data, digest_size=16).digest()))
    return found


def _only(these: dict[str, tuple[str, bytes]], others: dict[str, tuple[str, bytes]]) -> tuple[str, ...]:
    return tuple(sorted(name for name, (table, _) in these.items() if table == "documents" and name not in others))


def _settings(corpus: Corpus) -> dict[str, Any]:
    manifest = corpus.manifest
    versions = {f"version of {name}": value[:VERSION_CHARACTERS] for name, value in manifest["versions"].items()}
    return {**manifest.get("configuration", {}), **versions}


def _pairs(
    before: dict[str, Any], after: dict[str, Any], missing: Any, *, even_equal: bool = False
) -> dict[str, tuple[Any, Any]]:
    names = [*before, *(name for name in after if name not in before)]
    pairs = {name: (before.get(name, missing), after.get(name, missing)) for name in names}
    return {name: pair for name, pair in pairs.items() if even_equal or pair[0] != pair[1]}


def changed_documents(before: Path, after: Path, ids: Sequence[str]) -> Iterator[ChangedDocument]:
    """The documents with these ids, line by line.

    Raises:
        CorpusError: one of the corpora is damaged.
    """
    old, new = (_texts(open_corpus(folder), ids) for folder in (before, after))
    for name in ids:
        title, text, reasons = old[name]
        other_title, other, other_reasons = new[name]
        lines = _compare(text, other, reasons, other_reasons)
        yield ChangedDocument(name, other_title or title, lines)


Reasons = dict[str, tuple[str, str]]


def _texts(corpus: Corpus, ids: Sequence[str]) -> dict[str, tuple[str | None, str, Reasons]]:
    """Title, clean text, and label and evidence of every removed line, by id."""
    documents = corpus.find("documents", "id", ids)
    spans = spans_by_document(documents["id"], corpus.find("removed", "document_id", ids))
    columns = (documents[name].to_pylist() for name in ("id", "title", "text"))
    return {
        name: (title, text, _reasons(cut)) for name, title, text, cut in zip(*columns, spans.to_pylist(), strict=True)
    }


def _reasons(spans: Iterable[dict[str, Any]]) -> Reasons:
    return {
        line.strip(): (span["label"], ", ".join(span["evidence"]))
        for span in spans
        for line in span["text"].splitlines()
        if line.strip()
    }


def _compare(before: str, after: str, reasons: Reasons, other_reasons: Reasons) -> tuple[ChangedLine, ...] | None:
    old, new = ([line.strip() for line in text.splitlines() if line.strip()] for text in (before, after))
    if max(len(old), len(new)) > MOST_LINES or len(before) + len(after) > MOST_BYTES:
        return None
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    lines: list[ChangedLine] = []
    place = 0
    for group in matcher.get_grouped_opcodes(CONTEXT):
        if group[0][1] > place:
            lines.append(ChangedLine("…", ""))
        for kind, low, high, start, end in group:
            if kind == "equal":
                lines += [ChangedLine("", line) for line in old[low:high]]
            else:
                lines += [ChangedLine("-", line, *other_reasons.get(line, ())) for line in old[low:high]]
                lines += [ChangedLine("+", line, *reasons.get(line, ())) for line in new[start:end]]
            place = high
    if place < len(old):
        lines.append(ChangedLine("…", ""))
    return tuple(lines)
