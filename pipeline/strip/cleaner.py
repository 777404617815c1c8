"""The strip stage: lines, evidence, decision, cut, and the fields that move to columns of their own."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.records import QUARANTINE, RULE_EVIDENCE, replace_columns
from pipeline.strip import context, fields
from pipeline.strip.cut import Spans, cut, line_spans, merge
from pipeline.strip.judge import THRESHOLDS
from pipeline.strip.lines import Lines, count_words, split_lines, string_buffer
from pipeline.strip.model import LineModel, load_model
from pipeline.strip.repetition import repeated, sightings, source_keys
from pipeline.strip.rounds import Judged, Rounds
from pipeline.strip.rules import Hits, Rules, load_packs

if TYPE_CHECKING:
    import datetime
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

_SPAN_SCORE: Final = 0.95
# Kinds of evidence whose words are remembered; 60 MB of articles have 125.
_MOST_REMEMBERED: Final = 10_000


@lru_cache(maxsize=4)
def load_cleaner(rules: tuple[Path, ...], strictness: str, model: Path | None = None) -> Cleaner:
    """The cleaner for some packs of rules, a strictness and weights; loaded once in each process.

    Raises:
        RuleError: a pack cannot be used.
        ConfigError: a file of weights cannot be used.
    """
    return Cleaner(load_packs(rules), load_model(model) if model else load_model(), strictness, _digest(rules))


def _digest(folders: tuple[Path, ...]) -> str:
    """Of the user's own packs; the built-in ones are part of the package's code."""
    digest = hashlib.sha256()
    for folder in folders:
        for file in sorted(folder.glob("*.toml")):
            digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


class Cleaner:
    """Strips batches of records; the same verdict for a text whatever batch it comes in.

    Attributes:
        rules: all packs.
        model: the learned line model.
        digest: of the user's rule packs.
    """

    def __init__(self, rules: Rules, model: LineModel, strictness: str, digest: str) -> None:
        self.rules = rules
        self.model = model
        self.digest = digest
        self._target_label = np.array([target.label for target in rules.targets], np.uint8)
        self._words: dict[int, tuple[str, ...]] = {}  # the evidence of each kind of line
        self._rounds = Rounds(rules, model, THRESHOLDS[strictness])

    def strip(self, batch: pa.RecordBatch, templates: NDArray[np.uint64] | None = None) -> pa.RecordBatch:
        """Cut the boilerplate out of every text that is still on its way to the documents.

        Fills `text` (now the clean text), `removed`, `captions`, `word_count`, `removed_ratio` and `flags`, and
        `title`, `byline` and `published` where the record came without. Nothing left of a text sets its row aside.

        Args:
            batch: rows of `records.RECORDS`.
            templates: keys of lines that come back in a source, as `repetition.templates` gives them.
        """
        texts = _open_texts(batch)
        lines = split_lines(texts)
        known = None if templates is None else repeated(lines, sources_of(batch), templates)
        judged = self._rounds.judge(lines, batch.column("title"), known)
        untitled = np.asarray(batch.column("title").is_null())
        found = fields.find_fields(lines, judged.verdicts, np.where(untitled, judged.titles, -1))
        spans, evidence = self._spans(lines, judged)
        clean, removed = cut(texts, spans, evidence)
        columns = {
            "text": pc.coalesce(clean, batch.column("text")),
            "removed": removed,
            "captions": pa.array(found.captions, pa.list_(pa.string())),
            "word_count": pa.array(count_words(clean)),
            "removed_ratio": pa.array(_removed_ratio(texts, spans)),
            "flags": _flags(batch.column("flags"), judged.verdicts.heavy),
            "title": pc.coalesce(batch.column("title"), pa.array(found.title, pa.string())),
            "byline": pc.coalesce(batch.column("byline"), pa.array(found.byline, pa.string())),
            "published": pc.coalesce(batch.column("published"), _timestamps(found.published)),
        }
        return _set_aside_empty(replace_columns(batch, columns))

    def _spans(self, lines: Lines, judged: Judged) -> tuple[Spans, list[tuple[str, ...]]]:
        """All spans to cut, and the table of evidence they point into."""
        table: dict[tuple[str, ...], int] = {}
        verdicts = judged.verdicts
        code = self._evidence_codes(lines, judged.hits, verdicts, table)
        whole = line_spans(lines, verdicts.label, code, verdicts.score)
        return merge(whole, self._part_spans(lines, verdicts, table)), list(table)

    def _evidence_codes(
        self, lines: Lines, hits: Hits, verdicts: context.Verdicts, table: dict[tuple[str, ...], int]
    ) -> NDArray[np.int32]:
        """For each removed line its entry in the table of evidence, int32[lines].

        Lines with the same evidence bits and the same rules, by far the most, are looked up once for all.
        """
        code = np.zeros(len(lines), np.int32)
        removed = np.flatnonzero(verdicts.label > 0)
        telling = self._target_label[hits.target] == verdicts.label[hits.line]
        rules, rest = _rules_of_lines(len(lines), hits.line[telling], hits.target[telling], len(self._target_label))
        kind = rules[removed] << 8 | verdicts.evidence[removed]
        crowded = rest[removed]
        kind[crowded] = -1 - removed[crowded]
        _, example, member = np.unique(kind, return_index=True, return_inverse=True)
        numbers = []
        for line, its_kind in zip(removed[example].tolist(), kind[example].tolist(), strict=True):
            words = self._words.get(its_kind) or tuple(context.evidence_words(verdicts, hits, self.rules, line))
            if its_kind >= 0 and len(self._words) < _MOST_REMEMBERED:
                self._words[its_kind] = words
            numbers.append(table.setdefault(words, len(table)))
        code[removed] = np.array(numbers, np.int32)[member]
        return code

    def _part_spans(self, lines: Lines, verdicts: context.Verdicts, table: dict[tuple[str, ...], int]) -> Spans:
        """The spans that are part of a line."""
        targets = [self.rules.targets[number] for number in verdicts.span_target.tolist()]
        codes = [table.setdefault((RULE_EVIDENCE + target.id,), len(table)) for target in targets]
        order = np.argsort(verdicts.span_start, kind="stable")
        start, end = verdicts.span_start[order], verdicts.span_end[order]
        # Two rules may want the same words: the span that starts first goes, what overlaps it stays out.
        free = np.concatenate([[True], start[1:] >= np.maximum.accumulate(end)[:-1]])[: len(start)]
        chosen = order[free]
        return Spans(
            lines.document[verdicts.span_line[chosen]],
            verdicts.span_start[chosen],
            verdicts.span_end[chosen],
            np.array([target.label for target in targets], np.uint8)[chosen],
            np.array(codes, np.int32)[chosen],
            np.full(len(chosen), _SPAN_SCORE, np.float32),
        )


def _rules_of_lines(
    lines: int, line: NDArray[np.int64], target: NDArray[np.int32], targets: int
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The rules that hit each line as one number, 0 for none.

    Args:
        lines: how many lines there are.
        line: int64[hits], ascending.
        target: int32[hits], the rules.
        targets: how many rules there are.

    Returns:
        int64[lines]; bool[lines], those with more rules than fit into their numbers.
    """
    rules, crowded = np.zeros(lines, np.int64), np.zeros(lines, np.bool_)
    place = np.arange(len(line)) - np.searchsorted(line, line)
    width = targets.bit_length()  # of a rule's number, counted from 1
    most = _KIND_BITS // width
    for turn in range(min(most, int(place.max(initial=-1)) + 1)):
        turns = place == turn
        rules[line[turns]] = rules[line[turns]] << width | target[turns] + 1
    crowded[line[place >= most]] = True
    return rules, crowded


# What is left of 64 bits beside the sign and the bits of evidence.
_KIND_BITS: Final = 64 - 1 - 8


def sources_of(batch: pa.RecordBatch) -> NDArray[np.uint64]:
    """A key for the source of each record, uint64[rows]."""
    return source_keys(batch.column("source").to_pylist(), batch.column("url").to_pylist())


def sightings_of(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Which lines of a batch that could be templates were seen in which article; rows of `repetition.SIGHTINGS`."""
    return sightings(split_lines(_open_texts(batch)), sources_of(batch))


def _open_texts(batch: pa.RecordBatch) -> pa.StringArray:
    """The texts that are to be stripped; null, and without bytes in the buffer, where a row was set aside."""
    texts, closed = batch.column("text"), np.asarray(batch.column("outcome").is_valid())
    if not texts.null_count and not closed.any():
        return texts
    # Not `if_else`: the slot of a null that it makes may still hold the bytes of the text.
    return texts.take(pa.array(np.arange(len(batch)), mask=closed))


def _removed_ratio(texts: pa.StringArray, spans: Spans) -> NDArray[np.float32]:
    size = np.diff(string_buffer(texts)[1])
    lost = np.bincount(spans.document, spans.end - spans.start, len(texts))
    return (lost / np.maximum(size, 1)).astype(np.float32)


def _flags(flags: pa.ListArray, heavy: NDArray[np.bool_]) -> pa.Array:
    """Never null from here on: no flags is an empty list."""
    if not heavy.any() and flags.null_count == len(flags):
        return pa.array([[]] * len(flags), pa.list_(pa.string()))
    given = flags.to_pylist()
    return pa.array(
        [(own or []) + ["heavy-removal"] * int(is_heavy) for own, is_heavy in zip(given, heavy, strict=True)],
        pa.list_(pa.string()),
    )


def _timestamps(dates: Sequence[datetime.date | None]) -> pa.Array:
    """Midnight UTC of each date."""
    kind = pa.timestamp("us", tz="UTC")
    return pa.array(dates, pa.date32()).cast(pa.timestamp("us")).cast(kind)


def _set_aside_empty(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Quarantine the records of whose text nothing but white space is left."""
    open_rows = np.asarray(batch.column("outcome").is_null()) & np.asarray(batch.column("text").is_valid())
    empty = (np.asarray(batch.column("word_count")) == 0) & open_rows
    if not empty.any():
        return batch
    mask = pa.array(empty)
    values = {"outcome": QUARANTINE, "reason": "empty-after-strip", "detail": "every line of the text was boilerplate"}
    return replace_columns(
        batch, {name: pc.if_else(mask, pa.scalar(value), batch.column(name)) for name, value in values.items()}
    )
