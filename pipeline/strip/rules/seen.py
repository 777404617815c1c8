"""What patterns matched in lines seen before: short lines come back, and what matches in them holds in any place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from pipeline import kernels
from pipeline.strip.rules.search import NOTHING, Matches

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipeline.strip.lines import Lines

# Lines up to this length come back often enough to remember what matched them.
REMEMBERED_MAX_LENGTH: Final = 160
# How many of them, unless one batch has more; when these are full, all are forgotten.
_REMEMBERED_LINES: Final = 1 << 17
_REMEMBERED_BYTES: Final = 1 << 23


class Sighting(NamedTuple):
    """Some lines of a batch, and what is known of them.

    Attributes:
        line: int64[lines], their numbers.
        entry: int64[lines], that of each in the memory; equal lines share one, lines that are not remembered have -1.
        new: bool[lines], those to be searched: without an entry, or the first with a new one.
    """

    line: NDArray[np.int64]
    entry: NDArray[np.int64]
    new: NDArray[np.bool_]

    @property
    def unknown(self) -> NDArray[np.int64]:
        """Numbers of the lines that are to be searched."""
        return self.line[self.new]


class Seen:
    """The memory of one process: lines by their content, and the matches of each."""

    def __init__(self) -> None:
        self._forget(0, 0)

    def _forget(self, lines: int, size: int) -> None:
        """Begin anew, with room for at least so many lines and bytes."""
        self._kernels = kernels.compiled  # the table below is theirs, the dictionary is their twin's
        self._entries: dict[bytes, int] = {}
        self._room, self._most_bytes = max(lines, _REMEMBERED_LINES), max(size, _REMEMBERED_BYTES)
        if self._kernels is not None:
            self._table = np.zeros(2 << self._room.bit_length(), np.int64)
            self._stop = np.zeros(self._room + 1, np.int64)
            self._text = np.empty(self._most_bytes, np.uint8)
        self._count = 0
        # Entry `i` owns rows `first[i]` to `first[i + 1]` of `found`.
        self._first = np.zeros(1, np.int64)
        self._found = NOTHING

    def look_up(self, lines: Lines, line: NDArray[np.int64]) -> Sighting:
        """Tell equal lines, and those that are remembered.

        Args:
            lines: the lines of a batch.
            line: int64[lines], which of them, ascending.
        """
        start, end = lines.start[line], lines.end[line]
        known, entry = self._entries_of(lines.buffer, start, end)
        before = np.maximum.accumulate(np.append(known - 1, entry))[:-1]  # the last entry there was
        return Sighting(line, entry, (entry < 0) | (entry > before))

    def _entries_of(
        self, buffer: NDArray[np.uint8], start: NDArray[np.int64], end: NDArray[np.int64]
    ) -> tuple[int, NDArray[np.int64]]:
        """How many entries there were, and int64[lines], the entry of each line."""
        short = end - start <= REMEMBERED_MAX_LENGTH
        lines, size = int(np.count_nonzero(short)), int((end - start)[short].sum())
        known = len(self._first) - 1
        # A search that failed has left entries without matches; and a test may switch the kernels off.
        failed = self._count != known or self._kernels is not kernels.compiled
        if failed or known + lines > self._room or self._size() + size > self._most_bytes:
            self._forget(lines, size)
            known = 0
        if self._kernels is None:
            entry = self._entries_by_content(buffer, start, end, short)
            self._count = len(self._entries)
            return known, entry
        entry = np.empty(len(start), np.int64)
        self._count = self._kernels.see_lines(
            buffer, start, end, REMEMBERED_MAX_LENGTH, known, self._table, self._text, self._stop, entry
        )
        return known, entry

    def _size(self) -> int:
        """Bytes of the lines that are remembered; not known of the twin, which is for tests and odd machines."""
        return 0 if self._kernels is None else int(self._stop[self._count])

    def _entries_by_content(
        self, buffer: NDArray[np.uint8], start: NDArray[np.int64], end: NDArray[np.int64], short: NDArray[np.bool_]
    ) -> NDArray[np.int64]:
        entry = np.full(len(start), -1, np.int64)
        data = buffer.tobytes()
        for place, low, high in zip(
            np.flatnonzero(short).tolist(), start[short].tolist(), end[short].tolist(), strict=True
        ):
            entry[place] = self._entries.setdefault(data[low:high], len(self._entries))
        return entry

    def matches(self, sighting: Sighting, fresh: Matches) -> Matches:
        """The matches of all lines of a sighting; those of lines with a new entry are remembered.

        Args:
            sighting: some lines of a batch.
            fresh: what was found in those that are unknown.
        """
        unknown, entry = sighting.unknown, sighting.entry[sighting.new]
        first = np.searchsorted(fresh.line, unknown)
        count = np.searchsorted(fresh.line, unknown, "right") - first
        self._remember(fresh.found, first[entry >= 0], count[entry >= 0])
        # What has no entry stands after the entries for now.
        place = sighting.entry.copy()
        place[place < 0] = len(self._first) - 1 + np.arange(np.count_nonzero(place < 0))
        first = np.concatenate([self._first[:-1], len(self._found) + first[entry < 0]])[place]
        count = np.concatenate([np.diff(self._first), count[entry < 0]])[place]
        found = np.concatenate([self._found, fresh.found])
        return Matches(np.repeat(sighting.line, count), found[_rows(first, count)])

    def _remember(self, found: NDArray[np.int64], first: NDArray[np.int64], count: NDArray[np.int64]) -> None:
        """Add entries, each with its rows of `found`."""
        self._found = np.concatenate([self._found, found[_rows(first, count)]])
        self._first = np.concatenate([self._first, self._first[-1] + np.cumsum(count)])


def _rows(first: NDArray[np.int64], count: NDArray[np.int64]) -> NDArray[np.int64]:
    """The numbers from each `first[i]` on, `count[i]` of them, one after the other."""
    rows: NDArray[np.int64] = np.repeat(first - np.cumsum(count) + count, count) + np.arange(int(count.sum()))
    return rows
