"""Search candidate lines with RE2: a pattern's lines all together first, then those alone that may match."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from pipeline.strip.ranges import concatenated
from pipeline.strip.rules.loosened import FOLDED
from pipeline.strip.rules.plain import HEAD_BYTES, TAIL_BYTES, begin_with_quote, original_offset, plain_lines

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from pipeline.strip.lines import Lines
    from pipeline.strip.rules.probe import Probe

# Lines are copied out for so many bytes of searches at once: a line that holds the words of many patterns is copied for
# each, and a batch of such lines would take gigabytes.
_BYTES_AT_ONCE: Final = 1 << 20

# No match, as in `Matches.found`.
NOTHING: Final = np.zeros((0, 3), np.int64)


class Matches(NamedTuple):
    """What matched in which line, wherever that stands: enough to tell the hits again when other lines have gone.

    Attributes:
        line: int64[matches], ascending.
        found: int64[matches, 3]: index into `Rules.targets`, ascending in each line, and where in the line the match
            starts and ends.
    """

    line: NDArray[np.int64]
    found: NDArray[np.int64]

    def take(self, chosen: NDArray[np.int64]) -> Matches:
        """Those of some lines, ascending, which are counted anew."""
        place = np.minimum(np.searchsorted(chosen, self.line), max(len(chosen) - 1, 0))
        own = chosen[place] == self.line if len(chosen) else np.zeros(len(self.line), np.bool_)
        return Matches(place[own], self.found[own])


class _Subjects(NamedTuple):
    """The lines that are searched.

    Attributes:
        lines: the lines of a batch.
        number: int64[lines], which of them are searched.
        data: each as patterns see it, a break after each.
        both: uint8[2 * bytes of `data`], `data`, then the same with ASCII letters in lower case.
        edges: int64[lines + 1], where in `data` each begins.
        broken: bool[lines], those with a break in the place of what patterns do not see.
        folded: bool[lines], those that cannot be searched in lower case.
    """

    lines: Lines
    number: NDArray[np.int64]
    data: bytes
    both: NDArray[np.uint8]
    edges: NDArray[np.int64]
    broken: NDArray[np.bool_]
    folded: NDArray[np.bool_]

    def text(self, place: int) -> bytes:
        """One line as patterns see it."""
        return self.data[self.edges[place] : self.edges[place + 1] - 1]


# A line by its place among the subjects, the target, and where in the line the match starts and ends.
_Row = tuple[int, int, int, int]


class Search:
    """Some patterns, ready to search lines.

    Args:
        probes: the patterns; those of one target stand together.
        unquoted: bool[probes], those that do not speak against a line that quotes somebody.
    """

    def __init__(self, probes: Sequence[Probe], unquoted: NDArray[np.bool_]) -> None:
        self._probes = probes
        self._unquoted = unquoted
        self._lowered = np.array([probe.loosened.lowered for probe in probes], np.int64)

    def __call__(self, lines: Lines, line: NDArray[np.int64], probe: NDArray[np.int64]) -> Matches:
        """All matches in each of many lines, one for each target.

        Args:
            lines: the lines of a batch.
            line: int64[pairs], which line is to be searched, ascending.
            probe: int64[pairs], with which probe.
        """
        opens = np.diff(line, prepend=-1) > 0
        number, slot = line[opens], np.cumsum(opens) - 1
        quoted = begin_with_quote(lines.buffer, lines.start[number], lines.end[number])
        heard = ~(quoted[slot] & self._unquoted[probe])
        subjects = _subjects(lines, number)
        found = np.array(self._search_all(subjects, slot[heard], probe[heard]), np.int64).reshape(-1, 4)
        found = found[np.lexsort((found[:, 1], found[:, 0]))]
        return Matches(number[found[:, 0]], found[:, 1:])

    def _search_all(self, subjects: _Subjects, slot: NDArray[np.int64], probe: NDArray[np.int64]) -> list[_Row]:
        """Search probe by probe, as one search can serve many lines."""
        few = np.min_scalar_type(len(self._probes))  # numbers of two bytes are sorted several times as fast
        order = np.argsort(probe.astype(few), kind="stable")
        slot, probe = slot[order], probe[order]
        rows: list[_Row] = []
        target, done = -1, set[int]()
        for pair, sure in self._touched(subjects, slot, probe):
            one, place = self._probes[int(probe[pair])], int(slot[pair])
            if one.target != target:
                target, done = one.target, set()
            if place not in done and (row := _search_one(one, place, subjects, sure=sure)):
                rows.append(row)
                done.add(place)
        return rows

    def _touched(
        self, subjects: _Subjects, slot: NDArray[np.int64], probe: NDArray[np.int64]
    ) -> list[tuple[int, bool]]:
        """Those pairs whose line a match of the loose pattern touches, when all lines of a probe are searched as one.

        A match may reach over several lines; then each of them gets a search of its own.

        Returns:
            the pairs, ascending, each with whether the pattern itself is sure to match.
        """
        spans: list[tuple[int, int, bool]] = []
        stop = np.cumsum(np.diff(subjects.edges)[slot])  # of each pair's line, were all one after the other
        edges = np.append(np.flatnonzero(np.diff(probe, prepend=-1)), len(probe))
        bounds = np.append(0, stop[edges[1:] - 1])
        for first, last in _runs(bounds):
            pairs = slice(edges[first], edges[last])
            data = self._side_by_side(subjects, slot[pairs], probe[pairs])
            for number in range(first, last):
                one, base = self._probes[int(probe[edges[number]])], int(bounds[first])
                spans += _spans(one, data, int(bounds[number]), int(bounds[number + 1]) - 1, base)
        low, high, confirmed = np.array(spans, np.int64).reshape(-1, 3).T
        from_pair = np.searchsorted(stop, low, "right")
        to_pair = np.searchsorted(stop, np.maximum(high - 1, low), "right")
        certain = (confirmed > 0) & (from_pair == to_pair) & ~(subjects.broken | subjects.folded)[slot[from_pair]]
        sure = dict.fromkeys(np.flatnonzero(subjects.folded[slot]).tolist(), False)
        for begin, end, one_is_sure in zip(from_pair.tolist(), to_pair.tolist(), certain.tolist(), strict=True):
            for pair in range(begin, end + 1):
                sure[pair] = sure.get(pair, False) or one_is_sure
        return sorted(sure.items())

    def _side_by_side(self, subjects: _Subjects, slot: NDArray[np.int64], probe: NDArray[np.int64]) -> bytes:
        """The lines of some pairs, one after the other, in lower case where the pattern is for that."""
        shift = self._lowered[probe] * len(subjects.data)
        return concatenated(subjects.both, subjects.edges[slot] + shift, subjects.edges[slot + 1] + shift).to_pybytes()


def _runs(bounds: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Runs of patterns whose lines take about `_BYTES_AT_ONCE` together, or of one that takes more.

    Args:
        bounds: int64[patterns + 1], where the lines of each begin and the last ones stop.
    """
    first = 0
    while first < len(bounds) - 1:
        last = int(np.searchsorted(bounds, bounds[first] + _BYTES_AT_ONCE, "right")) - 1
        yield first, max(last, first + 1)
        first = max(last, first + 1)


def _subjects(lines: Lines, number: NDArray[np.int64]) -> _Subjects:
    start, end = lines.start[number], lines.end[number]
    data, edges = plain_lines(lines.buffer, start, end)
    folded = np.zeros(len(number), np.bool_)
    for sign in FOLDED:
        place = data.find(sign)
        while place >= 0:
            folded[np.searchsorted(edges, place, "right") - 1] = True
            place = data.find(sign, place + 1)
    both = np.frombuffer(data + data.lower(), np.uint8)
    return _Subjects(lines, number, data, both, edges, end - start > HEAD_BYTES + TAIL_BYTES, folded)


def _spans(probe: Probe, data: bytes, begin: int, stop: int, base: int) -> list[tuple[int, int, bool]]:
    """Where the loose pattern matches from `begin` to `stop`, and whether that shows that the pattern itself does.

    Places are counted from `base` bytes before `data`.
    """
    confirms = probe.loosened.confirms
    spans = []
    for match in probe.loose.finditer(data, begin - base, stop - base):
        low, high = match.span()
        spans.append((base + low, base + high, not probe.cuts and confirms(match.span, data)))
    return spans


def _search_one(probe: Probe, place: int, subjects: _Subjects, *, sure: bool) -> _Row | None:
    """Search one line with one pattern, unless it is sure to match the line."""
    text = subjects.text(place)
    hit = None if sure else probe.regexp.search(text)
    if not sure and hit is None:
        return None
    if probe.unless is not None and probe.unless.search(text) is not None:
        return None
    if hit is None or not probe.cuts:
        number = subjects.number[place]
        return place, probe.target, 0, int(subjects.lines.end[number] - subjects.lines.start[number])
    start, end = hit.span(probe.cut)
    if start < 0:  # the group took no part in the match
        start, end = hit.span()
    content = subjects.lines.text(int(subjects.number[place]))
    return place, probe.target, original_offset(content, start), original_offset(content, end)
