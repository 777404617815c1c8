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
from pipeline.strip.context import BY_CONTEXT, BY_MODEL, BY_REPETITION, Verdicts, over_budget, spare
from pipeline.strip.ranges import holds_any

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
_AT_SIGN: Final = np.arange(256) == ord("@")
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
    score = scores.score.copy()
    if repeated is not None:
        score[repeated] += np.float32(_REPEATED)
    score -= _handicap(lines, ruled, verdicts.weak > 0)
    count = np.diff(lines.first)
    sure = _documents(lines, ruled | (score >= threshold + _LONE_SURE))
    score -= np.repeat(np.where(sure, np.float32(0), np.float32(_LONE)), count)
    page = _pages(lines, ruled | (score >= threshold))
    bound = np.where(page, np.float32(threshold - _PAGE_EASE), np.float32(threshold))
    follow_bound = bound - np.where(page, np.float32(_PAGE_FOLLOWS), np.float32(_FOLLOWS))
    gone = ruled | (score >= np.repeat(bound, count))
    followers = _followers(lines, gone, score >= np.repeat(follow_bound, count))
    added = np.flatnonzero(gone & ~ruled)
    added = np.sort(np.concatenate([added, followers]), kind="stable")
    added = added[~_doubtful_lists(lines, ruled, added, score[added] - bound[lines.document[added]])]
    goes = ruled.copy()
    goes[added] = True
    goes[_speakers(lines, goes, scores)] = False
    goes[added[_posts(lines, added)]] = False
    goes[titles] = False
    return _with_added(lines, verdicts, scores, added[goes[added]], followers, repeated)


def _handicap(lines: Lines, ruled: NDArray[np.bool_], weak: NDArray[np.bool_]) -> NDArray[np.float32]:
    """How much more than the threshold each line needs, float32[lines]."""
    needs = np.zeros(len(ruled), np.float32)
    needs[weak] = _WEAK_RULE
    beside = np.zeros(len(ruled), dtype=bool)
    together = lines.document[1:] == lines.document[:-1]
    beside[1:] |= ruled[:-1] & together
    beside[:-1] |= ruled[1:] & together
    needs[beside] += np.float32(_BESIDE_RULED)
    first = lines.first[:-1][np.diff(lines.first) > 0]
    needs[first] += np.where(_like_headlines(lines, first), np.float32(_HEADLINE), np.float32(_FIRST_LINE))
    return needs


def _like_headlines(lines: Lines, first: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether some lines are long enough for a headline and hold no digit or bar, bool[len(first)]."""
    start, end = lines.start[first], lines.end[first]
    long = end - start >= _HEADLINE_LENGTH
    return long & ~holds_any(lines.buffer, start, np.minimum(end, start + _HEADLINE_READ), _DIGITS_AND_BAR)


def _documents(lines: Lines, chosen: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which documents have a chosen line, bool[documents]."""
    found = np.zeros(len(lines.first) - 1, np.bool_)
    found[lines.document[chosen]] = True
    return found


def _count(lines: Lines, line: NDArray[np.intp]) -> NDArray[np.intp]:
    """How many of some lines each document has, int64[documents]."""
    return np.bincount(lines.document[line], minlength=len(lines.first) - 1)


def _followers(lines: Lines, gone: NDArray[np.bool_], follows: NDArray[np.bool_]) -> NDArray[np.intp]:
    """The lines that stay by themselves and go because both their neighbours do."""
    line = np.flatnonzero(follows & ~gone & _between_removed(lines, gone))
    sentence = np.isin(lines.buffer[lines.end[line] - 1], _SENTENCE_ENDS)
    return line[lines.end[line] - lines.start[line] <= np.where(sentence, _FOLLOWER_SENTENCE, _FOLLOWER_LENGTH)]


def _doubtful_lists(
    lines: Lines, ruled: NDArray[np.bool_], added: NDArray[np.intp], margin: NDArray[np.float32]
) -> NDArray[np.bool_]:
    """Which lines to be added stay as the model would take many of a document of which little goes for sure."""
    count = np.diff(lines.first)
    document = lines.document[added]
    sure = _count(lines, np.flatnonzero(ruled)) + np.bincount(document[margin >= _SURE], minlength=len(count))
    stays = np.zeros(len(added), dtype=bool)
    for most, lines_are_many, share_is_much in _LISTS:
        doubtful = ~stays & (margin < most)
        many = np.bincount(document[doubtful], minlength=len(count)) > np.maximum(lines_are_many, share_is_much * count)
        stays |= doubtful & (many & (sure < _SURE_SHARE * count))[document]
    return stays


def _speakers(lines: Lines, goes: NDArray[np.bool_], scores: Scores) -> NDArray[np.intp]:
    """Lines that come back in their document, each time before another line that stays."""
    often = scores.copies >= _SPEAKER_COPIES
    line = np.flatnonzero(often[:-1] & ~often[1:] & ~goes[1:])
    return line[(lines.document[line + 1] == lines.document[line]) & (scores.score[line] < _SPEAKER_SCORE)]


def _pages(lines: Lines, goes: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which documents are text of whole pages, bool[documents]."""
    count = np.diff(lines.first)
    pages = count >= _PAGE_LINES
    if pages.any():
        line = np.flatnonzero(goes)
        head = line[line - lines.first[lines.document[line]] < _PAGE_HEAD]
        pages &= (_count(lines, line) > _PAGE_SHARE * count) & (_count(lines, head) >= _PAGE_HEAD_SHARE * _PAGE_HEAD)
    return pages


def _between_removed(lines: Lines, goes: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Whether both neighbours of each line go; the ends of a document count as going."""
    before, after = np.ones(len(goes), dtype=bool), np.ones(len(goes), dtype=bool)
    before[1:] = goes[:-1]
    after[:-1] = goes[1:]
    written = np.flatnonzero(np.diff(lines.first))
    before[lines.first[written]] = True
    after[lines.first[written + 1] - 1] = True
    return before & after


def _posts(lines: Lines, added: NDArray[np.intp]) -> list[int]:
    """Which of the lines to be added, by place, are embedded posts; only lines with an at sign are looked at."""
    suspects = np.flatnonzero(holds_any(lines.buffer, lines.start[added], lines.end[added], _AT_SIGN))
    return [place for place in suspects.tolist() if _POST.search(lines.text(added[place]))]


def _with_added(
    lines: Lines,
    verdicts: Verdicts,
    scores: Scores,
    added: NDArray[np.intp],
    followers: NDArray[np.intp],
    repeated: NDArray[np.bool_] | None,
) -> Verdicts:
    """The verdicts with the added lines in, within the budget of each document."""
    label, evidence, score = verdicts.label.copy(), verdicts.evidence.copy(), verdicts.score.copy()
    told = scores.label(added)
    # Which line is the title is not for the model to say: it would be gone from the text and in no column.
    label[added] = np.where(told != _TITLE, told, _OTHER)
    evidence[added] |= BY_MODEL
    evidence[np.intersect1d(added, followers, assume_unique=True)] |= BY_CONTEXT
    if repeated is not None:
        evidence[(label > 0) & repeated] |= BY_REPETITION
    score[added] = _probability(scores.score[added])
    heavy = verdicts.heavy | over_budget(lines, label)
    spare(lines, label, heavy)
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
