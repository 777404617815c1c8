"""Search candidate lines with RE2: equal short lines once, and a pattern's lines all together first."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from pipeline.strip.rules.plain import begins_with_quote, original_offset, plain_lines

if TYPE_CHECKING:
    from collections.abc import Sequence

    import re2
    from numpy.typing import NDArray

    from pipeline.strip.lines import Lines
    from pipeline.strip.rules.probe import Probe

# Lines up to this length come back often enough to remember what matched them.
REMEMBERED_MAX_LENGTH: Final = 160
_REMEMBERED_LINES: Final = 1 << 16


class Matches(NamedTuple):
    """What matched in which line, wherever that stands: enough to tell the hits again when other lines have gone.

    Attributes:
        line: int64[matches], ascending.
        found: int64[matches, 3]: index into `Rules.targets`, and where in the line the match starts and ends.
    """

    line: NDArray[np.int64]
    found: NDArray[np.int64]

    def take(self, chosen: NDArray[np.int64]) -> Matches:
        """Those of some lines, ascending, which are counted anew."""
        place = np.minimum(np.searchsorted(chosen, self.line), max(len(chosen) - 1, 0))
        own = chosen[place] == self.line if len(chosen) else np.zeros(len(self.line), np.bool_)
        return Matches(place[own], self.found[own])


# No match in a line, and a line that is still to be searched.
_NOTHING: Final = np.zeros((0, 3), np.int64)
_UNKNOWN: Final = np.zeros((0, 3), np.int64)


class _Found(NamedTuple):
    """A match within one line: offsets count from the line's first byte."""

    target: int
    start: int
    end: int


class Search:
    """Some patterns, and what they matched in lines seen before.

    Args:
        probes: the patterns.
        unquoted: bool[probes], those that do not speak against a line that quotes somebody.
    """

    def __init__(self, probes: Sequence[Probe], unquoted: NDArray[np.bool_]) -> None:
        self._probes = probes
        self._unquoted = unquoted
        self._remembered: dict[bytes, NDArray[np.int64]] = {}

    def __call__(self, lines: Lines, line: NDArray[np.int64], probe: NDArray[np.int64]) -> Matches:
        """Run RE2 over candidates.

        What is remembered of a short line are the probes that it was a candidate for: always the same ones.

        Args:
            lines: the lines of a batch.
            line: int64[pairs], which line is to be searched, ascending.
            probe: int64[pairs], with which probe.
        """
        edges = np.append(np.flatnonzero(np.diff(line, prepend=-1)), len(line))
        numbers = line[edges[:-1]]
        starts, ends = lines.start[numbers], lines.end[numbers]
        short = (ends - starts <= REMEMBERED_MAX_LENGTH).tolist()
        data = lines.buffer.tobytes()
        slot_of: dict[bytes, int] = {}
        contents: list[bytes] = []
        results: list[NDArray[np.int64]] = []  # of each slot, once it is known
        slots: list[int] = []
        asked: list[int] = []
        for place, (start, end) in enumerate(zip(starts.tolist(), ends.tolist(), strict=True)):
            content = data[start:end]
            slot = slot_of.get(content) if short[place] else None
            if slot is None:
                slot = len(results)
                known = self._remembered.get(content) if short[place] else None
                results.append(_UNKNOWN if known is None else known)
                if short[place]:
                    slot_of[content] = slot
                if known is None:
                    contents.append(content)
                    asked.append(place)
            slots.append(slot)
        chosen = np.array(asked, np.int64)
        fresh = self._search_contents(contents, np.stack([edges[chosen], edges[chosen + 1]], axis=1), probe)
        for place, content, found in zip(asked, contents, fresh, strict=True):
            results[slots[place]] = found
            if short[place] and len(self._remembered) < _REMEMBERED_LINES:
                self._remembered[content] = found
        return _expanded(numbers, np.array(slots, np.int64), results)

    def _search_contents(
        self, contents: list[bytes], asked: NDArray[np.int64], probe: NDArray[np.int64]
    ) -> list[NDArray[np.int64]]:
        """All matches in each of many lines, one for each target; probe by probe, as one search can serve many lines.

        Args:
            contents: the lines.
            asked: int64[lines, 2], which part of `probe` is for each line.
            probe: numbers of probes.

        Returns:
            For each line int64[matches, 3], as in `Matches.found`.
        """
        subjects = plain_lines(contents)
        quoted = np.array([begins_with_quote(content) for content in contents], np.bool_)
        low, high = asked.T
        count = high - low
        slot = np.repeat(np.arange(len(contents)), count)
        probe = probe[np.repeat(low - np.cumsum(count) + count, count) + np.arange(int(count.sum()))]
        heard = ~(quoted[slot] & self._unquoted[probe])
        slot, probe = slot[heard], probe[heard]
        order = np.argsort(probe, kind="stable")
        slot, probe = slot[order], probe[order]
        matches: list[dict[int, _Found]] = [{} for _ in contents]
        edges = [*np.flatnonzero(np.diff(probe, prepend=-1)).tolist(), len(probe)]
        for first, last in pairwise(edges):
            self._search_probe(self._probes[int(probe[first])], slot[first:last].tolist(), contents, subjects, matches)
        return [np.array([entry[key] for key in sorted(entry)], np.int64) if entry else _NOTHING for entry in matches]

    @staticmethod
    def _search_probe(
        probe: Probe, slots: list[int], contents: list[bytes], subjects: list[bytes], matches: list[dict[int, _Found]]
    ) -> None:
        """Search one pattern in the lines `slots`, and add what it finds to their `matches`."""
        for slot in _worth_a_search(probe.loose, slots, subjects):
            if probe.target in matches[slot]:
                continue
            hit = probe.regexp.search(subjects[slot])
            if hit is not None and (probe.unless is None or probe.unless.search(subjects[slot]) is None):
                matches[slot][probe.target] = _found(probe, hit, contents[slot])


def _expanded(line: NDArray[np.int64], slot: NDArray[np.int64], results: list[NDArray[np.int64]]) -> Matches:
    """The matches of every line, of which many may share a slot of `results`."""
    if not results:
        return Matches(line[:0], _NOTHING)
    size = np.array([len(found) for found in results], np.int64)
    first = np.cumsum(size) - size
    count = size[slot]
    row = np.repeat(first[slot] - np.cumsum(count) + count, count) + np.arange(int(count.sum()))
    return Matches(np.repeat(line, count), np.concatenate(results)[row])


def _worth_a_search(loose: re2._Regexp, slots: list[int], subjects: list[bytes]) -> list[int]:
    """Those of the lines that a match of the loose pattern touches, when all are searched as one text.

    A match may reach over several lines; then each of them gets a search of its own.
    """
    joined = b"\n".join([subjects[slot] for slot in slots])
    spans = [match.span() for match in loose.finditer(joined)]
    if not spans:
        return []
    starts = np.cumsum([0, *(len(subjects[slot]) + 1 for slot in slots[:-1])])
    low, high = np.array(spans, np.int64).T
    first = np.searchsorted(starts, low, "right") - 1
    last = np.searchsorted(starts, np.maximum(high - 1, low), "right") - 1
    touched = np.zeros(len(slots) + 1, np.int64)
    np.add.at(touched, first, 1)
    np.add.at(touched, last + 1, -1)
    return [slots[place] for place in np.flatnonzero(np.cumsum(touched[:-1]) > 0).tolist()]


def _found(probe: Probe, hit: re2._Match, content: bytes) -> _Found:
    if probe.cut < 0:
        return _Found(probe.target, 0, len(content))
    start, end = hit.span(probe.cut)
    if start < 0:  # the group took no part in the match
        start, end = hit.span()
    return _Found(probe.target, original_offset(content, start), original_offset(content, end))
