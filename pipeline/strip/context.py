"""Decide over the sequence of lines what goes: a line is never judged by itself where its neighbours have a say.

The verdict of a line alone comes first and is kept beside the final one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from pipeline.records import LABELS, RULE_EVIDENCE
from pipeline.strip.blocks import find_blocks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipeline.strip.lines import Lines
    from pipeline.strip.rules import Hits, Rules

# Bits of `Verdicts.evidence`.
BY_RULE: Final = 1
BY_CONTEXT: Final = 2
BY_MODEL: Final = 4
BY_REPETITION: Final = 8
_WORDS: Final = ((BY_MODEL, "model"), (BY_REPETITION, "repeated"), (BY_CONTEXT, "context"))

# How sure the rules are, from their precision on the development lines: strong ones 0.98, blocks and supported weak
# ones a little less.
_STRONG_SCORE: Final = 0.98
_BLOCK_SCORE: Final = 0.95
_WEAK_SCORE: Final = 0.85

# A run of weak hits goes without a strong one beside it if it has this many lines, all of them short ...
_WEAK_RUN: Final = 3
_WEAK_LENGTH: Final = 80
# ... or fewer, where it is the end of the document.
_WEAK_TAIL_RUN: Final = 2


def _codes(*names: str) -> tuple[int, ...]:
    return tuple(LABELS.index(name) for name in names)


# Labels that stand together on a page: which weak labels are vouched for by which. An appeal for money is prose, so its
# cues are believed beside another appeal only.
_ASKING: Final = _codes("newsletter", "subscription", "consent", "app_promo", "event_promo")
_FAMILIES: Final = (
    (_codes("donation"), _codes("donation")),
    (_ASKING, (*_ASKING, *_codes("donation"))),
    (_codes("related", "navigation"), _codes("related", "navigation")),
    (_codes("share", "comments", "author_bio", "contact"), _codes("share", "comments", "author_bio", "contact")),
)

# The longest line taken for one between two parts of a request.
_GAP_LENGTH: Final = 100

# Labels that speak to the reader in somebody's name, and the longest line taken for that name.
_ASKS: Final = _codes("newsletter", "donation", "subscription")
_NAME_LENGTH: Final = 40
_NAME_REACH: Final = 4

# The budget. On whole-page text half of the characters are junk, so the bound is what is left, not what goes.
_LEAST_LEFT: Final = 0.04
_LONG_LINE: Final = 200


@dataclass(frozen=True)
class Verdicts:
    """What is to become of every line.

    Attributes:
        label: uint8[lines], index into `LABELS`, 0 keeps the line.
        alone: uint8[lines], the verdict of the line by itself, before its neighbours were asked.
        evidence: uint8[lines], bits `BY_RULE`, `BY_CONTEXT`, `BY_MODEL`, `BY_REPETITION`.
        score: float32[lines], 0 to 1, how sure the verdict is; 0 where nothing speaks against the line.
        span_line: int64[spans], the line that part of goes, with
        span_start, span_end: int64[spans], offsets in the lines' buffer, and
        span_target: int32[spans], the rule; only for lines that stay.
        heavy: bool[documents], too much would have gone, so every line of the document stays.
        weak: uint8[lines], the label of a weak rule that speaks against the line, 0 for none.
    """

    label: NDArray[np.uint8]
    alone: NDArray[np.uint8]
    evidence: NDArray[np.uint8]
    score: NDArray[np.float32]
    span_line: NDArray[np.int64]
    span_start: NDArray[np.int64]
    span_end: NDArray[np.int64]
    span_target: NDArray[np.int32]
    heavy: NDArray[np.bool_]
    weak: NDArray[np.uint8]


def decide(lines: Lines, hits: Hits, rules: Rules) -> Verdicts:
    """Verdicts on all lines of a batch."""
    count = len(lines)
    tables = _TargetTables(rules)
    alone = _lowest_label(count, hits, tables.label, tables.strong)
    label = alone.copy()
    evidence = np.where(alone > 0, BY_RULE, 0).astype(np.uint8)
    score = np.where(alone > 0, _STRONG_SCORE, 0).astype(np.float32)
    _apply_blocks(lines, hits, rules, label, evidence, score)
    weak = _lowest_label(count, hits, tables.label, tables.weak)
    _apply_weak(lines, weak, label, evidence, score)
    _apply_gaps(lines, label, evidence, score)
    _apply_names(lines, label, evidence, score)
    heavy = over_budget(lines, label)
    label[heavy[lines.document]] = 0
    spans = tables.span[hits.target] & (label[hits.line] == 0) & ~heavy[lines.document[hits.line]]
    parts = (hits.line[spans], hits.start[spans], hits.end[spans], hits.target[spans])
    return Verdicts(label, alone, evidence, score, *parts, heavy, weak)


def evidence_words(verdicts: Verdicts, hits: Hits, rules: Rules, line: int) -> list[str]:
    """The evidence on one line in the ledger's words, rules first."""
    low, high = np.searchsorted(hits.line, [line, line + 1])
    label = verdicts.label[line]
    ids = [rules.targets[target].id for target in hits.target[low:high] if rules.targets[target].label == label]
    words = [RULE_EVIDENCE + name for name in dict.fromkeys(ids)]
    bits = int(verdicts.evidence[line])
    return words + [word for bit, word in _WORDS if bits & bit]


class _TargetTables:
    """Facts about the targets as arrays, indexed by target number."""

    def __init__(self, rules: Rules) -> None:
        targets = rules.targets
        self.label = np.array([target.label for target in targets], np.uint8)
        whole_line = [target.part == "rule" and not target.span for target in targets]
        self.strong = np.array([target.strong for target in targets], np.bool_) & np.array(whole_line, np.bool_)
        self.weak = ~self.strong & np.array(whole_line, np.bool_)
        self.span = np.array([target.span and target.strong for target in targets], np.bool_)


def _lowest_label(count: int, hits: Hits, label: NDArray[np.uint8], chosen: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """For each line the first label, in the order of `LABELS`, among the chosen targets that hit it; 0 for none."""
    result = np.full(count, 255, np.uint8)
    picked = chosen[hits.target]
    np.minimum.at(result, hits.line[picked], label[hits.target[picked]])
    result[result == 255] = 0
    return result


def _apply_blocks(
    lines: Lines,
    hits: Hits,
    rules: Rules,
    label: NDArray[np.uint8],
    evidence: NDArray[np.uint8],
    score: NDArray[np.float32],
) -> None:
    """A block's lines all get the block's label, also those that a rule had given another."""
    for first, last, number in find_blocks(lines, hits, rules):
        inside = slice(first, last + 1)
        label[inside] = rules.blocks[number].label
        evidence[inside] |= BY_CONTEXT
        score[inside] = np.maximum(score[inside], _BLOCK_SCORE)


def _apply_weak(
    lines: Lines,
    weak: NDArray[np.uint8],
    label: NDArray[np.uint8],
    evidence: NDArray[np.uint8],
    score: NDArray[np.float32],
) -> None:
    """Weak hits go with a neighbour of their family that goes, or in a run of short lines of their own."""
    for doubted, trusted in _FAMILIES:
        doubtful = np.isin(weak, doubted) & (label == 0)
        if doubtful.any():
            chosen = doubtful & _in_supported_run(lines, doubtful, np.isin(label, trusted))
            label[chosen] = weak[chosen]
            evidence[chosen] |= BY_RULE | BY_CONTEXT
            score[chosen] = _WEAK_SCORE


def _in_supported_run(lines: Lines, doubtful: NDArray[np.bool_], sure: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The lines of every run of doubtful and sure lines that holds a sure one or is long enough by itself."""
    owner = np.where(doubtful | sure, lines.document + 1, 0)
    edges = np.flatnonzero(np.diff(owner, prepend=0, append=0))
    starts, ends = edges[:-1], edges[1:]
    runs = owner[starts] > 0
    starts, ends = starts[runs], ends[runs]
    supported = np.logical_or.reduceat(sure, starts)  # what lies between two runs is not sure
    longest = np.maximum.reduceat(np.where(doubtful, lines.end - lines.start, 0), starts)
    size = ends - starts
    at_tail = ends == lines.first[lines.document[starts] + 1]
    alone = (longest <= _WEAK_LENGTH) & ((size >= _WEAK_RUN) | (at_tail & (size >= _WEAK_TAIL_RUN)))
    member = np.zeros(len(owner) + 1, np.int64)
    goes = supported | alone
    np.add.at(member, starts[goes], 1)
    np.add.at(member, ends[goes], -1)
    return np.cumsum(member[:-1]) > 0


def _apply_gaps(
    lines: Lines, label: NDArray[np.uint8], evidence: NDArray[np.uint8], score: NDArray[np.float32]
) -> None:
    """One or two short lines between two parts of a request belong to it: the names in a list of newsletters."""
    asks = np.isin(label, (*_ASKING, *_codes("donation")))
    short = (label == 0) & (lines.end - lines.start <= _GAP_LENGTH)
    for size in (1, 2):
        first = np.arange(1, len(label) - size)
        fits = asks[first - 1] & asks[first + size] & (lines.document[first - 1] == lines.document[first + size])
        for step in range(size):
            fits &= short[first + step]
        for step in range(size):
            place = first[fits] + step
            label[place] = label[first[fits] - 1]
            evidence[place] |= BY_CONTEXT
            score[place] = _WEAK_SCORE


def _apply_names(
    lines: Lines, label: NDArray[np.uint8], evidence: NDArray[np.uint8], score: NDArray[np.float32]
) -> None:
    """A short line above or below an appeal goes with it if the appeal says the same words: the name of the sender.

    Not at the very head of a document, where the title stands.
    """
    length = lines.end - lines.start
    asks = np.isin(label, _ASKS)
    place = np.arange(len(label)) - lines.first[lines.document]
    short = np.flatnonzero((label == 0) & (length <= _NAME_LENGTH) & (place > 0))
    for line in short[_beside(lines, asks, short)].tolist():
        name = lines.text(line).lower()
        if any(name in lines.text(other).lower() for other in _ask_lines_near(lines, asks, line)):
            neighbour = line + 1 if line + 1 < len(label) and asks[line + 1] else line - 1
            label[line] = label[neighbour]
            evidence[line] |= BY_CONTEXT
            score[line] = _WEAK_SCORE


def _beside(lines: Lines, chosen: NDArray[np.bool_], line: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Whether the line before or after, in the same document, is chosen."""
    last = len(lines) - 1
    before, after = np.maximum(line - 1, 0), np.minimum(line + 1, last)
    same_before = (lines.document[before] == lines.document[line]) & (before < line)
    same_after = (lines.document[after] == lines.document[line]) & (after > line)
    return (same_before & chosen[before]) | (same_after & chosen[after])


def _ask_lines_near(lines: Lines, asks: NDArray[np.bool_], line: int) -> list[int]:
    """Up to four lines of the appeal above and below a line."""
    near = []
    for step in (1, -1):
        other = line + step
        while 0 <= other < len(asks) and asks[other] and lines.document[other] == lines.document[line]:
            near.append(other)
            other += step
            if abs(other - line) > _NAME_REACH:
                break
    return near


def over_budget(lines: Lines, label: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Documents that would lose nearly all their bytes, or all their long lines.

    Returns:
        bool[documents]; a document that loses nothing is never over budget.
    """
    documents = len(lines.first) - 1
    length = (lines.end - lines.start).astype(np.float64)
    goes = label > 0
    whole = np.bincount(lines.document, length, documents)
    left = np.bincount(lines.document, length * ~goes, documents)
    long = length >= _LONG_LINE
    long_lines = np.bincount(lines.document, long, documents)
    long_left = np.bincount(lines.document, long & ~goes, documents)
    loses = left < whole
    return loses & ((left < whole * _LEAST_LEFT) | ((long_lines > 0) & (long_left == 0)))
