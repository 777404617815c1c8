"""Decide over the sequence of lines what goes: a line is never judged by itself where its neighbours have a say.

The verdict of a line alone comes first and is kept beside the final one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

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


def _among(*names: str) -> NDArray[np.bool_]:
    """Which labels are among some, bool[labels]."""
    return np.isin(LABELS, names)


# Labels that stand together on a page: which weak labels are vouched for by which. An appeal for money is prose, so its
# cues are believed beside another appeal only.
_ASKING: Final = ("newsletter", "subscription", "consent", "app_promo", "event_promo")
_ABOUT_US: Final = ("share", "comments", "author_bio", "contact")
_FAMILIES: Final = (
    (_among("donation"), _among("donation")),
    (_among(*_ASKING), _among(*_ASKING, "donation")),
    (_among("related", "navigation"), _among("related", "navigation")),
    (_among(*_ABOUT_US), _among(*_ABOUT_US)),
)

_LINK: Final = LABELS.index("related")

# Labels of requests, and the longest line taken for one between two parts of them.
_REQUESTS: Final = _among(*_ASKING, "donation")
_GAP_LENGTH: Final = 100

# Labels that speak to the reader in somebody's name, and the longest line taken for that name.
_ASKS: Final = _among("newsletter", "donation", "subscription")
_NAME_LENGTH: Final = 40
_NAME_REACH: Final = 4

# The budget. On whole-page text half of the characters are junk, so the bound is what is left, not what goes. The long
# lines that all go have to be much beside what is left: where paragraphs are short, the only one is a legal notice.
_LEAST_LEFT: Final = 0.04
_LONG_LINE: Final = 200
_LONG_SHARE: Final = 0.5


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
    tables = _TargetTables(rules)
    alone = _lowest_label(lines, hits, tables.label, tables.strong)
    label = alone.copy()
    _spare_headlines(lines, label)
    ruled = np.flatnonzero(label > 0)
    evidence, score = np.zeros(len(lines), np.uint8), np.zeros(len(lines), np.float32)
    evidence[ruled], score[ruled] = BY_RULE, _STRONG_SCORE
    _apply_blocks(lines, hits, rules, label, evidence, score)
    weak = _lowest_label(lines, hits, tables.label, tables.weak)
    _apply_weak(lines, weak, label, evidence, score)
    _apply_gaps(lines, label, evidence, score)
    _apply_names(lines, label, evidence, score)
    heavy = over_budget(lines, label)
    spare(lines, label, heavy)
    spans = np.flatnonzero(tables.span[hits.target])
    spans = spans[(label[hits.line[spans]] == 0) & ~heavy[lines.document[hits.line[spans]]]]
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


def _lowest_label(lines: Lines, hits: Hits, label: NDArray[np.uint8], chosen: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """For each line the first label, in the order of `LABELS`, among the chosen targets that hit it; 0 for none."""
    result = np.zeros(len(lines), np.uint8)
    picked = np.flatnonzero(chosen[hits.target])
    if len(picked):
        line = hits.line[picked]
        opens = np.flatnonzero(np.diff(line, prepend=-1))
        result[line[opens]] = np.minimum.reduceat(label[hits.target[picked]], opens)
    return result


def _spare_headlines(lines: Lines, label: NDArray[np.uint8]) -> None:
    """Take the label of a link to another story off a first line, in place, that is followed by a line that stays.

    "Opinion: …" and "Watch: …" in the place of the headline are this article's own.
    """
    first = lines.first[:-1][np.diff(lines.first) > 1]
    label[first[(label[first] == _LINK) & (label[first + 1] == 0)]] = 0


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
    suspects = np.flatnonzero(weak > 0)
    for doubted, trusted in _FAMILIES:
        doubtful = suspects[doubted[weak[suspects]] & (label[suspects] == 0)]
        if len(doubtful):
            chosen = _in_supported_run(lines, doubtful, _labelled(label, trusted))
            label[chosen] = weak[chosen]
            evidence[chosen] |= BY_RULE | BY_CONTEXT
            score[chosen] = _WEAK_SCORE


def _labelled(label: NDArray[np.uint8], wanted: NDArray[np.bool_]) -> NDArray[np.intp]:
    """The lines with one of the wanted labels: few lines have any."""
    some = np.flatnonzero(label > 0)
    return some[wanted[label[some]]]


def _in_supported_run(lines: Lines, doubtful: NDArray[np.intp], sure: NDArray[np.intp]) -> NDArray[np.intp]:
    """The doubtful lines in runs of doubtful and sure lines that hold a sure one or are long enough by themselves."""
    member = np.concatenate([doubtful, sure])
    order = np.argsort(member)
    member, is_sure = member[order], order >= len(doubtful)
    document = lines.document[member]
    starts = np.flatnonzero((np.diff(member, prepend=-2) != 1) | (np.diff(document, prepend=-1) != 0))
    size = np.diff(starts, append=len(member))
    supported = np.logical_or.reduceat(is_sure, starts)
    length = lines.end[member] - lines.start[member]
    longest = np.maximum.reduceat(np.where(is_sure, 0, length), starts)
    at_tail = member[starts + size - 1] + 1 == lines.first[document[starts] + 1]
    alone = (longest <= _WEAK_LENGTH) & ((size >= _WEAK_RUN) | (at_tail & (size >= _WEAK_TAIL_RUN)))
    return member[np.repeat(supported | alone, size) & ~is_sure]


def _apply_gaps(
    lines: Lines, label: NDArray[np.uint8], evidence: NDArray[np.uint8], score: NDArray[np.float32]
) -> None:
    """One or two short lines between two parts of a request belong to it: the names in a list of newsletters."""
    asking = _labelled(label, _REQUESTS)
    asks = np.zeros(len(label), np.bool_)
    asks[asking] = True
    kept = label == 0
    for size in (1, 2):
        before = asking[asking + size + 1 < len(label)]
        before = before[asks[before + size + 1] & (lines.document[before] == lines.document[before + size + 1])]
        for step in range(1, size + 1):
            between = before + step
            before = before[kept[between] & (lines.end[between] - lines.start[between] <= _GAP_LENGTH)]
        for step in range(1, size + 1):
            label[before + step] = label[before]
            evidence[before + step] |= BY_CONTEXT
            score[before + step] = _WEAK_SCORE


def _apply_names(
    lines: Lines, label: NDArray[np.uint8], evidence: NDArray[np.uint8], score: NDArray[np.float32]
) -> None:
    """A short line above or below an appeal goes with it if the appeal says the same words: the name of the sender.

    Not at the very head of a document, where the title stands.
    """
    asking = _labelled(label, _ASKS)
    asks = np.zeros(len(label), np.bool_)
    asks[asking] = True
    short = _short_beside(lines, label, asking)
    document = lines.document[short]
    bounds = lines.first[document].tolist(), lines.first[document + 1].tolist()
    said = asks.tobytes()  # read byte by byte, many times faster than an array
    for line, low, high in zip(short.tolist(), *bounds, strict=True):
        name = lines.text(line).lower()
        if any(name in lines.text(other).lower() for other in _ask_lines_near(said, line, low, high)):
            label[line] = label[line + 1 if line + 1 < len(label) and said[line + 1] else line - 1]
            evidence[line] |= BY_CONTEXT
            score[line] = _WEAK_SCORE


def _short_beside(lines: Lines, label: NDArray[np.uint8], asking: NDArray[np.intp]) -> NDArray[np.intp]:
    """The short kept lines before or after lines of an appeal, not at the head of a document."""
    beside = np.zeros(len(label) + 2, np.bool_)
    beside[asking] = beside[asking + 2] = True
    line = np.flatnonzero(beside[1:-1] & (label == 0))
    short = lines.end[line] - lines.start[line] <= _NAME_LENGTH
    return line[short & (line > lines.first[lines.document[line]])]


def _ask_lines_near(asks: bytes, line: int, low: int, high: int) -> list[int]:
    """Up to four lines of the appeal above and below a line, within its document, which is lines `low` to `high`."""
    near = []
    for step, stop in ((1, min(high, line + _NAME_REACH + 1)), (-1, max(low, line - _NAME_REACH) - 1)):
        for other in range(line + step, stop, step):
            if not asks[other]:
                break
            near.append(other)
    return near


def over_budget(lines: Lines, label: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Documents that would lose nearly all their bytes, or all their long lines, which are half as much as is left.

    Returns:
        bool[documents]; a document that loses nothing is never over budget.
    """
    documents = len(lines.first) - 1
    length = lines.end - lines.start
    goes = np.flatnonzero(label > 0)
    owner, size = lines.document[goes], length[goes]
    lost = np.bincount(owner, size, documents)
    long = size >= _LONG_LINE
    long_lost = np.bincount(owner[long], size[long], documents)
    whole, all_long = _by_document(lines, length), _by_document(lines, np.where(length >= _LONG_LINE, length, 0))
    left = whole - lost
    nothing_long = (all_long > 0) & (all_long == long_lost) & (all_long > left * _LONG_SHARE)
    return (lost > 0) & ((left < whole * _LEAST_LEFT) | nothing_long)


def _by_document(lines: Lines, values: NDArray[Any]) -> NDArray[np.int64]:
    """The sum of some values of the lines of each document, int64[documents]."""
    total = np.zeros(len(values) + 1, np.int64)
    np.cumsum(values, out=total[1:])
    return np.diff(total[lines.first])


def spare(lines: Lines, label: NDArray[np.uint8], heavy: NDArray[np.bool_]) -> None:
    """Take the labels, in place, off the lines of documents over budget: rarely there are any."""
    if heavy.any():
        label[np.repeat(heavy, np.diff(lines.first))] = 0
