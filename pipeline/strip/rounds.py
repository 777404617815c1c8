"""Judge the lines of a batch until the verdicts hold for the text that is left.

After a cut the neighbours of a line are others, and cleaning the clean text again could take more. So the lines that
stay are judged again at once, as if the others had never been there: what their words say and what patterns match in
them is known already, only their places are new.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa

from pipeline.strip import context
from pipeline.strip.context import Verdicts
from pipeline.strip.fields import TITLE
from pipeline.strip.judge import judge
from pipeline.strip.lines import string_buffer
from pipeline.strip.rules import Hits
from pipeline.strip.titles import find_titles

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipeline.strip.lines import Lines
    from pipeline.strip.model import LineModel, Reading, Scores
    from pipeline.strip.rules import Rules
    from pipeline.strip.rules.search import Matches

# Texts that lost something and kept a line this close below the threshold are judged again, and so are texts that lost
# many lines, as whole pages do, until nothing changes: of the benchmark's texts and pages then 0.3 % change when they
# are cleaned again. Few need more than three rounds; the bound is for a text that was made to need one for each line.
_MORE_ROUNDS: Final = 8
_DOUBT: Final = 0.25
_MANY: Final = 10

# Long lines that the model is this sure of are not searched by the built-in rules: seven in ten of the benchmark's long
# lines, and no figure of quality changed by more than 0.01. From -4.5 on, what is said of an author in prose stays.
_BODY_SCORE: Final = -5.0
_BODY_LENGTH: Final = 160

_TITLE_SCORE: Final = 0.9


@dataclass(frozen=True)
class Judged:
    """The decision on a batch.

    Attributes:
        verdicts: on all lines; a title's label is `title`.
        hits: what the rules found, each line at the place where it was judged last.
        titles: int64[documents], the line that is the title, -1 where none is.
    """

    verdicts: Verdicts
    hits: Hits
    titles: NDArray[np.int64]


@dataclass(frozen=True)
class _Open:
    """The lines that are to be judged: all of a batch, or those that stayed so far.

    Attributes:
        number: int64[lines], which lines of the batch they are.
        repeated: bool[lines], template lines of their sources.
    """

    number: NDArray[np.int64]
    lines: Lines
    reading: Reading
    matches: Matches
    repeated: NDArray[np.bool_] | None

    def take(self, chosen: NDArray[np.int64]) -> _Open:
        return _Open(
            self.number[chosen],
            self.lines.take(chosen),
            self.reading.take(chosen),
            self.matches.take(chosen),
            None if self.repeated is None else self.repeated[chosen],
        )


class Rounds:
    """Rules, model and threshold, ready to judge batches.

    Args:
        rules: all packs.
        model: the learned line model.
        threshold: log odds from which on the model removes a line alone.
    """

    def __init__(self, rules: Rules, model: LineModel, threshold: float) -> None:
        self._rules = rules
        self._model = model
        self._threshold = threshold

    def judge(self, lines: Lines, titles: pa.StringArray, repeated: NDArray[np.bool_] | None) -> Judged:
        """Judge all lines of a batch, and those that stay again where that could change a verdict.

        Args:
            lines: the lines of a batch.
            titles: the title that each record came with, if any.
            repeated: bool[lines], template lines of the line's source; None when nothing was counted.
        """
        reading = self._model.read(lines)
        scores = self._model.score(lines, reading)
        body = (scores.score < _BODY_SCORE) & (lines.end - lines.start > _BODY_LENGTH)
        some = _Open(np.arange(len(lines)), lines, reading, self._rules.find(lines, body), repeated)
        judged, near = self._round(some, scores, titles)
        many = _count(lines, judged.verdicts.label > 0) >= _MANY
        for _ in range(_MORE_ROUNDS):
            stays = judged.verdicts.label[some.number] == 0
            wanted = (many | (_count(some.lines, near) > 0)) & ~judged.verdicts.heavy
            doubtful = wanted & (_count(some.lines, ~stays) > 0)
            chosen = np.flatnonzero(stays & doubtful[some.lines.document])
            if not len(chosen):
                break
            some = some.take(chosen)
            scores = self._model.score(some.lines, some.reading)
            again, near = self._round(some, scores, _titles_now(lines, titles, judged))
            judged = _together(lines, judged, again, some.number)
        return judged

    def _round(self, some: _Open, scores: Scores, titles: pa.StringArray) -> tuple[Judged, NDArray[np.bool_]]:
        """Judge some lines, as if they were all there are.

        Returns:
            The decision on them; bool[lines], lines that stay and are close to the threshold.
        """
        hits = self._rules.in_place(some.lines, some.matches)
        verdicts = context.decide(some.lines, hits, self._rules)
        title_lines = find_titles(some.lines, verdicts, titles)
        found = title_lines[title_lines >= 0]
        verdicts = judge(some.lines, verdicts, scores, self._threshold, found, some.repeated)
        verdicts.label[found], verdicts.score[found] = TITLE, _TITLE_SCORE
        verdicts.evidence[found] = context.BY_CONTEXT
        near = (verdicts.label == 0) & (scores.score >= self._threshold - _DOUBT)
        return Judged(verdicts, hits, title_lines), near


def _count(lines: Lines, chosen: NDArray[np.bool_]) -> NDArray[np.int64]:
    """int64[documents], how many chosen lines each document has."""
    return np.bincount(lines.document[chosen], minlength=len(lines.first) - 1)


def _titles_now(lines: Lines, titles: pa.StringArray, judged: Judged) -> pa.StringArray:
    """The titles that are known by now: those given, and those found in the text."""
    unknown = np.asarray(titles.is_null()) | (np.diff(string_buffer(titles)[1]) == 0)
    found = np.flatnonzero(unknown & (judged.titles >= 0)).tolist()
    if not found:
        return titles
    now = titles.to_pylist()
    for document in found:
        now[document] = lines.text(int(judged.titles[document])).decode("utf-8", "replace")
    return pa.array(now, pa.string())


def _together(lines: Lines, first: Judged, again: Judged, number: NDArray[np.int64]) -> Judged:
    """The decision on all lines, of which some were judged again.

    Args:
        lines: all lines of the batch.
        first: the decision on all of them.
        again: a later decision on some.
        number: int64[lines of `again`], which ones.
    """
    label = first.verdicts.label.copy()
    label[number] = again.verdicts.label
    # Together they may be over the budget that each of them keeps: then the first decision stands.
    heavy = (context.over_budget(lines, label) | again.verdicts.heavy) & ~first.verdicts.heavy
    counts = np.flatnonzero(~heavy[lines.document[number]])
    source = np.arange(len(lines))  # where a line's last verdict stands when both decisions stand one after the other
    source[number[counts]] = len(lines) + counts
    moved = np.flatnonzero((again.titles >= 0) & (first.titles < 0) & ~heavy)
    titles = first.titles.copy()
    titles[moved] = number[again.titles[moved]]
    return Judged(
        _verdicts_of(first.verdicts, again.verdicts, number, source),
        _hits_of(first.hits, again.hits, number, source),
        titles,
    )


def _verdicts_of(first: Verdicts, again: Verdicts, number: NDArray[np.int64], source: NDArray[np.int64]) -> Verdicts:
    """The last verdict on every line."""
    span_line, last = _last(first.span_line, again.span_line, number, source)
    return Verdicts(
        label=np.concatenate([first.label, again.label])[source],
        alone=np.concatenate([first.alone, again.alone])[source],
        evidence=np.concatenate([first.evidence, again.evidence])[source],
        score=np.concatenate([first.score, again.score])[source],
        span_line=span_line[last],
        span_start=np.concatenate([first.span_start, again.span_start])[last],
        span_end=np.concatenate([first.span_end, again.span_end])[last],
        span_target=np.concatenate([first.span_target, again.span_target])[last],
        heavy=first.heavy,
        weak=np.concatenate([first.weak, again.weak])[source],
    )


def _hits_of(first: Hits, again: Hits, number: NDArray[np.int64], source: NDArray[np.int64]) -> Hits:
    """The hits of every line at the place where it was judged last."""
    line, last = _last(first.line, again.line, number, source)
    last = last[np.argsort(line[last], kind="stable")]
    return Hits(
        line[last],
        np.concatenate([first.target, again.target])[last],
        np.concatenate([first.start, again.start])[last],
        np.concatenate([first.end, again.end])[last],
    )


def _last(
    first: NDArray[np.int64], again: NDArray[np.int64], number: NDArray[np.int64], source: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.intp]]:
    """The lines of the batch that rows of two decisions are about, and the rows of each line's last decision."""
    line = np.concatenate([first, number[again]])
    later = source[line] >= len(source)
    return line, np.flatnonzero(later == (np.arange(len(line)) >= len(first)))
