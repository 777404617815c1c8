"""Doubtful lines of a corpus: those nearest to the model's threshold, spread over the sources, as a sheet to label.

The documents are a sample, the same whenever it is drawn: those whose ids have the smallest hashes, each source in its
turn. Their input texts are rebuilt and scored again by the model. Lines that a rule removed, and titles, are left out:
there the model had no say.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.corpus import Corpus, open_corpus
from pipeline.errors import UsageError
from pipeline.records import RULE_EVIDENCE
from pipeline.strip.cut import rebuild
from pipeline.strip.judge import THRESHOLDS
from pipeline.strip.lines import split_lines
from pipeline.strip.model import load_model, sheet, weights_digest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from pipeline.strip.model.sheet import Row

# So many documents are looked at: at some ten megabytes a second that takes a second or two.
DOCUMENTS: Final = 2_000
# Longer texts would make the sheet long, and are seldom articles.
MAX_TEXT: Final = 50_000
# Of one document at most so many lines are asked for: its others would say the same.
EACH_DOCUMENT: Final = 3
# Lines this far from the threshold are in no doubt.
MARGIN: Final = 3.0


@dataclass(frozen=True, slots=True)
class _Doubt:
    """A line that may be asked for, sorted by how near it is to the threshold."""

    distance: float
    id: str
    source: str
    line: int
    text: str


def review(folder: Path, *, lines: int, model: Path | None = None) -> list[Row]:
    """The rows of a sheet with the documents of the most doubtful lines.

    Args:
        folder: a published corpus.
        lines: how many to ask for at most.
        model: the weights file that the corpus was built with, if it was one of the user's own.

    Raises:
        CorpusError: there is no corpus, or it is damaged.
        UsageError: it was built with other weights.
    """
    corpus = open_corpus(folder)
    built, given = corpus.manifest["versions"].get("model"), weights_digest(model) if model else None
    if built != given:
        msg = f"{folder} was built with other weights; give the file that its build had with --model"
        raise UsageError(msg)
    documents = dict(_documents(corpus, _sample(corpus, DOCUMENTS), THRESHOLDS[_strictness(corpus)], model))
    chosen = defaultdict(set)
    for doubt in _spread((doubt for doubts, _ in documents.values() for doubt in doubts), lines):
        chosen[doubt.id].add(doubt.line)
    return [
        row._replace(verdict=sheet.OPEN) if place in places else row
        for name, places in chosen.items()
        for place, row in enumerate(documents[name][1])
    ]


def _strictness(corpus: Corpus) -> str:
    return str(corpus.manifest["configuration"]["strictness"])


def _sample(corpus: Corpus, number: int) -> set[str]:
    """The ids to look at: of each source first its document of the smallest hash, then its second, and so on."""
    keys: list[tuple[int, str, str]] = []
    for batch in corpus.batches("documents"):
        names, sources = batch["id"].to_pylist(), batch["source"].to_pylist()
        keys += [(_hash(name), source or "", name) for name, source in zip(names, sources, strict=True)]
    turn: dict[str, int] = defaultdict(int)
    ranked = []
    for key, source, name in sorted(keys):
        ranked.append((turn[source], key, name))
        turn[source] += 1
    return {name for _, _, name in sorted(ranked)[:number]}


def _hash(name: str) -> int:
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "big")


def _documents(
    corpus: Corpus, wanted: set[str], threshold: float, model: Path | None
) -> Iterator[tuple[str, tuple[list[_Doubt], list[Row]]]]:
    """Of each wanted document its doubtful lines and the rows of all its lines."""
    names = pa.array(sorted(wanted), pa.string())
    for batch, spans in corpus.documents():
        hits = pc.and_(pc.is_in(batch["id"], value_set=names), pc.less_equal(pc.binary_length(batch["text"]), MAX_TEXT))
        rows = batch.filter(hits)
        if rows.num_rows:
            yield from _scored(rows, spans.filter(hits), threshold, model)


def _scored(
    rows: pa.RecordBatch, spans: pa.ListArray, threshold: float, model: Path | None
) -> Iterator[tuple[str, tuple[list[_Doubt], list[Row]]]]:
    lines = split_lines(rebuild(rows["text"], spans))
    score = load_model(model).score(lines).score if model else load_model().score(lines).score
    columns = (rows[name].to_pylist() for name in ("id", "source", "language"))
    for number, (name, source, language, cut) in enumerate(zip(*columns, spans.to_pylist(), strict=True)):
        doubts, sheet_rows = [], []
        low, high = int(lines.first[number]), int(lines.first[number + 1])
        removed = removed_by(lines.start[low:high] - lines.base[number], cut)
        for line, span in zip(range(low, high), removed, strict=True):
            text = sheet.cell(lines.text(line).decode())
            was, label = ("removed", span["label"]) if span else ("kept", "")
            sheet_rows.append(
                sheet.Row("", label, was, f"{score[line]:+.2f}", name, sheet.cell(source), language or "", text)
            )
            distance = abs(float(score[line]) - threshold)
            if distance <= MARGIN and not (span and (_by_rule(span) or span["label"] == "title")):
                doubts.append(_Doubt(distance, name, source or "", line - low, text))
        yield name, (sorted(doubts, key=lambda doubt: doubt.distance)[:EACH_DOCUMENT], sheet_rows)


def removed_by(starts: np.ndarray, spans: list[dict[str, Any]]) -> list[dict[str, Any] | None]:
    """For each line of a document, by where its text starts, the span that took it."""
    begin = np.array([span["start"] for span in spans], np.int64)
    place = np.searchsorted(begin, starts, side="right") - 1
    return [
        spans[at] if at >= 0 and start < spans[at]["end"] else None
        for start, at in zip(starts.tolist(), place.tolist(), strict=True)
    ]


def _by_rule(span: dict[str, Any]) -> bool:
    return any(word.startswith(RULE_EVIDENCE) for word in span["evidence"])


def _spread(doubts: Iterable[_Doubt], number: int) -> list[_Doubt]:
    """The most doubtful lines of each source in turn; lines of the same text are asked for once."""
    turn: dict[str, int] = defaultdict(int)
    seen: set[str] = set()
    ranked = []
    for doubt in sorted(doubts, key=lambda doubt: (doubt.distance, doubt.id, doubt.line)):
        if doubt.text.lower() not in seen:
            seen.add(doubt.text.lower())
            ranked.append((turn[doubt.source], doubt.distance, doubt.id, doubt.line, doubt))
            turn[doubt.source] += 1
    return [entry[-1] for entry in sorted(ranked, key=lambda entry: entry[:4])[:number]]
