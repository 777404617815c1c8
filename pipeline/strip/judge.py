"""What the learned model and repetition add to the verdicts of the rules.

All steps look at every line of a batch at once. The margins are in log odds of the model and were chosen by
cross-validation over publishers (docs/model.md).
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from pipeline.records import LABELS
from pipeline.strip.context import BY_CONTEXT, BY_MODEL, BY_REPETITION, Verdicts, over_budget

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipeline.strip.lines import Lines
    from pipeline.strip.model import Scores

# Log odds from which on the model removes a line alone, by strictness.
THRESHOLDS: Final = {"careful": 1.75, "balanced": 0.75, "thorough": -0.25}

# A line between two lines that go, or between one and the end of its document, follows them this far below the
# threshold.
_FOLLOWS: Final = 1.3
# ... if it is short, and shorter still if it ends like a sentence: a paragraph between two junk lines is a paragraph.
_FOLLOWER_LENGTH: Final = 120
_FOLLOWER_SENTENCE: Final = 50
# A template line needs that much less of the model. On the benchmark no body line of 729 template lines came back in
# three articles of one publisher; recurring subheadings ("What we know") are why the model still has a say.
_REPEATED: Final = 3.0
# A line needs more at the head of its document (place names, kickers, opening quotes), and less where a weak rule
# speaks against it or next to a line that a rule takes.
_FIRST_LINE: Final = 1.0
# ... and more still where it is as long as a headline and has no digit, as dates and counters have, and no bar, as the
# path to a page has: the headline of an article about newsletters may sound like an ask for one.
_HEADLINE: Final = 3.0
_HEADLINE_LENGTH: Final = 18
_HEADLINE_READ: Final = 150
_DIGITS_AND_BAR: Final = np.isin(np.arange(256), np.frombuffer(b"0123456789|", np.uint8))
_WEAK_RULE: Final = -1.0
_BESIDE_RULED: Final = -0.4

# Where nothing goes for sure, neither by a rule nor by this much more than the threshold, a line needs more.
_LONE: Final = 1.0
_LONE_SURE: Final = 1.5

# Whole-page text: many lines, half of them junk, and most of the first ones. There body stands out, and a lower
# threshold by `_PAGE_EASE` loses little of it.
_PAGE_LINES: Final = 60
_PAGE_SHARE: Final = 0.5
_PAGE_HEAD: Final = 8
_PAGE_HEAD_SHARE: Final = 0.6
_PAGE_EASE: Final = 1.0
_PAGE_FOLLOWS: Final = 0.7

# Lists that belong to an article (nominees, results, ingredients) look like lists of links. Where few lines of a
# document go for sure, lines that the model alone would take stay when there are many of them: (margin above the
# threshold up to which a line counts, how many lines are many, as a number and as a share of the document).
_SURE: Final = 3.0
_SURE_SHARE: Final = 0.25
_LISTS: Final = ((1.25, 8, 0.15), (3.0, 24, 0.2))

# The last byte of a full stop, an exclamation or question mark, a straight or curly quotation mark.
_SENTENCE_ENDS: Final = np.frombuffer(b'.!?"\x9d', np.uint8)

# The speakers of an interview: a line that comes again and again in a document, each time before a line that stays.
_SPEAKER_COPIES: Final = 4
_SPEAKER_SCORE: Final = 4.0

_OTHER: Final = LABELS.index("other")
_TITLE: Final = LABELS.index("title")

# A post quoted in full in the article: its text, then who wrote it and when.
_POST: Final = re.compile(rb"\xe2\x80\x94 ?[^\n]{1,80}\(@\w{1,20}\)")


def judge(
    lines: Lines,
    verdicts: Verdicts,
    scores: Scores,
    threshold: float,
    titles: NDArray[np.int64],
    repeated: NDArray[np.bool_] | None = None,
) -> Verdicts:
    """Add the lines that go by the model to those that go by rules.

    Args:
        lines: the lines of a batch.
        verdicts: of the rules.
        scores: of the model.
        threshold: log odds from which on the model removes a line alone.
        titles: lines that are titles: they move to a column and are no business of the model.
        repeated: bool[lines], template lines of the line's source; None when nothing was counted.
    """
    ruled = verdicts.label > 0
    again = np.zeros(len(lines), dtype=bool) if repeated is None else repeated
    score = scores.score + np.where(again, np.float32(_REPEATED), np.float32(0))
    score -= _handicap(lines, ruled, verdicts.weak > 0)
    sure = np.bincount(lines.document, ruled | (score >= threshold + _LONE_SURE), len(lines.first) - 1) > 0
    score -= np.where(sure[lines.document], np.float32(0), np.float32(_LONE))
    page = _pages(lines, ruled | (score >= threshold))[lines.document]
    bound = np.where(page, np.float32(threshold - _PAGE_EASE), np.float32(threshold))
    goes = score >= bound
    follows = score >= bound - np.where(page, np.float32(_PAGE_FOLLOWS), np.float32(_FOLLOWS))
    followers = follows & ~(ruled | goes) & _between_removed(lines, ruled | goes)
    followers &= lines.end - lines.start <= np.where(_ends_like_sentence(lines), _FOLLOWER_SENTENCE, _FOLLOWER_LENGTH)
    added = (goes | followers) & ~ruled
    added &= ~_doubtful_lists(lines, ruled, added, score - bound)
    added &= ~_speakers(lines, ruled | added, scores)
    added[_posts(lines, added)] = False
    added[titles] = False
    return _with_added(lines, verdicts, scores, added, followers, again)


def _handicap(lines: Lines, ruled: NDArray[np.bool_], weak: NDArray[np.bool_]) -> NDArray[np.float32]:
    """How much more than the threshold each line needs, float32[lines]."""
    needs = np.where(weak, np.float32(_WEAK_RULE), np.float32(0))
    beside = np.zeros(len(ruled), dtype=bool)
    beside[1:] |= ruled[:-1] & (lines.document[1:] == lines.document[:-1])
    beside[:-1] |= ruled[1:] & (lines.document[1:] == lines.document[:-1])
    needs += np.where(beside, np.float32(_BESIDE_RULED), np.float32(0))
    first = lines.first[:-1][np.diff(lines.first) > 0]
    needs[first] += np.where(_like_headlines(lines, first), np.float32(_HEADLINE), np.float32(_FIRST_LINE))
    return needs


def _like_headlines(lines: Lines, first: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether some lines are long enough for a headline and hold no digit or bar, bool[len(first)]."""
    if not len(first):
        return np.zeros(0, np.bool_)
    size = lines.end[first] - lines.start[first]
    read = np.minimum(size, _HEADLINE_READ)
    opens = np.cumsum(read) - read
    place = np.repeat(lines.start[first] - opens, read) + np.arange(int(read.sum()))
    return (size >= _HEADLINE_LENGTH) & ~np.logical_or.reduceat(_DIGITS_AND_BAR[lines.buffer[place]], opens)


def _ends_like_sentence(lines: Lines) -> NDArray[np.bool_]:
    """Whether each line ends with a full stop, a quotation mark or the like, bool[lines]."""
    return np.isin(lines.buffer[np.maximum(lines.end - 1, 0)], _SENTENCE_ENDS) if len(lines) else np.zeros(0, np.bool_)


def _doubtful_lists(
    lines: Lines, ruled: NDArray[np.bool_], added: NDArray[np.bool_], margin: NDArray[np.float32]
) -> NDArray[np.bool_]:
    """Lines that stay because the model would take many such lines of a document of which little goes for sure."""
    count = np.diff(lines.first)
    sure = np.bincount(lines.document, ruled | (added & (margin >= _SURE)), len(count))
    stays = np.zeros(len(lines), dtype=bool)
    for most, lines_are_many, share_is_much in _LISTS:
        doubtful = added & ~stays & (margin < most)
        many = np.bincount(lines.document, doubtful, len(count)) > np.maximum(lines_are_many, share_is_much * count)
        stays |= doubtful & (many & (sure < _SURE_SHARE * count))[lines.document]
    return stays


def _speakers(lines: Lines, goes: NDArray[np.bool_], scores: Scores) -> NDArray[np.bool_]:
    """Lines that come back in their document, each time before another line that stays."""
    often = scores.copies >= _SPEAKER_COPIES
    next_stays = np.zeros(len(goes), dtype=bool)
    next_stays[:-1] = ~goes[1:] & ~often[1:] & (lines.document[1:] == lines.document[:-1])
    return often & next_stays & (scores.score < _SPEAKER_SCORE)


def _pages(lines: Lines, goes: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which documents are text of whole pages, bool[documents]."""
    count = np.diff(lines.first)
    place = np.arange(len(lines)) - lines.first[lines.document]
    head = place < _PAGE_HEAD
    gone = np.bincount(lines.document, goes, len(count))
    gone_head = np.bincount(lines.document, goes & head, len(count))
    heads = np.minimum(count, _PAGE_HEAD)
    return (count >= _PAGE_LINES) & (gone > _PAGE_SHARE * count) & (gone_head >= _PAGE_HEAD_SHARE * heads)


def _between_removed(lines: Lines, goes: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Whether both neighbours of each line go; the ends of a document count as going."""
    before, after = np.ones(len(goes), dtype=bool), np.ones(len(goes), dtype=bool)
    before[1:] = goes[:-1]
    after[:-1] = goes[1:]
    written = np.flatnonzero(np.diff(lines.first))
    before[lines.first[written]] = True
    after[lines.first[written + 1] - 1] = True
    return before & after


def _posts(lines: Lines, added: NDArray[np.bool_]) -> list[int]:
    """The lines to be added that are embedded posts; only lines with an at sign are looked at."""
    signs = np.flatnonzero(lines.buffer == ord("@"))
    owner = np.unique(np.searchsorted(lines.begin, signs, side="right") - 1) if len(lines) else signs
    suspects = owner[(owner >= 0) & added[owner]] if len(owner) else owner
    return [line for line in suspects.tolist() if _POST.search(lines.text(line))]


def _with_added(
    lines: Lines,
    verdicts: Verdicts,
    scores: Scores,
    added: NDArray[np.bool_],
    followers: NDArray[np.bool_],
    repeated: NDArray[np.bool_],
) -> Verdicts:
    """The verdicts with the added lines in, within the budget of each document."""
    label = verdicts.label.copy()
    told = scores.label(np.flatnonzero(added))
    # Which line is the title is not for the model to say: it would be gone from the text and in no column.
    label[added] = np.where(told != _TITLE, told, _OTHER)
    evidence = verdicts.evidence.copy()
    evidence[added] |= BY_MODEL
    evidence[added & followers] |= BY_CONTEXT
    evidence[(label > 0) & repeated] |= BY_REPETITION
    heavy = verdicts.heavy | over_budget(lines, label)
    label[heavy[lines.document]] = 0
    score = np.where(added, _probability(scores.score), verdicts.score).astype(np.float32)
    spans = (label[verdicts.span_line] == 0) & ~heavy[lines.document[verdicts.span_line]]
    return replace(
        verdicts,
        label=label,
        evidence=evidence,
        score=score,
        heavy=heavy,
        span_line=verdicts.span_line[spans],
        span_start=verdicts.span_start[spans],
        span_end=verdicts.span_end[spans],
        span_target=verdicts.span_target[spans],
    )


# The logistic function at every 1/16 of a log odd from -16 to 16: looked up, so that no machine's `exp` has a say.
_STEPS: Final = 16
_LOGISTIC: Final = np.round(1 / (1 + np.exp(-np.arange(-16 * _STEPS, 16 * _STEPS + 1) / _STEPS)), 4).astype(np.float32)


def _probability(score: NDArray[np.float32]) -> NDArray[np.float32]:
    place = np.floor(np.clip(score, -16, 16) * np.float32(_STEPS)).astype(np.int64) + 16 * _STEPS
    return _LOGISTIC[place]
