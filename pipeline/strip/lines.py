"""The lines of a whole batch of texts, as arrays of byte offsets into one buffer.

Every detector works on these arrays, so no text is ever split into Python strings on the way.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np

from pipeline import kernels
from pipeline.strip.blanks import solid_bytes, trimmed
from pipeline.strip.ranges import concatenated

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

_LINE_FEED, _CARRIAGE_RETURN = 0x0A, 0x0D


@dataclass(frozen=True, slots=True)
class Lines:
    """The non-blank lines of a batch of texts.

    Attributes:
        buffer: uint8[bytes], the UTF-8 texts of the batch, one after the other.
        base: int64[documents + 1], where each text starts in `buffer`.
        first: int64[documents + 1]; document `d` owns lines `first[d]` to `first[d + 1]`.
        document: int32[lines], the document of each line.
        start: int64[lines], offset in `buffer` of the line's first byte that is no white space.
        end: int64[lines], offset just after its last byte that is no white space.
        begin: int64[lines], where the line itself begins, white space included.
        stop: int64[lines], where it stops, its line break included.
    """

    buffer: NDArray[np.uint8]
    base: NDArray[np.int64]
    first: NDArray[np.int64]
    document: NDArray[np.int32]
    start: NDArray[np.int64]
    end: NDArray[np.int64]
    begin: NDArray[np.int64]
    stop: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.start)

    def take(self, chosen: NDArray[np.int64]) -> Lines:
        """Some of the lines, ascending, in the same buffer and the same documents."""
        document = self.document[chosen]
        first = np.searchsorted(document, np.arange(len(self.first))).astype(np.int64)
        places = (column[chosen] for column in (self.start, self.end, self.begin, self.stop))
        return Lines(self.buffer, self.base, first, document, *places)

    def text(self, line: int) -> bytes:
        """The content of one line, for tests, explanations and the few lines that need a closer look."""
        return self.buffer[self.start[line] : self.end[line]].tobytes()


def string_buffer(texts: pa.StringArray) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The bytes of a string column and the offset of each value in them, without a copy of the bytes.

    Returns:
        uint8[bytes] and int64[rows + 1]; a null value has no bytes.
    """
    offset_type = np.int64 if str(texts.type).startswith("large") else np.int32
    _, offsets, data = texts.buffers()
    if offsets is None:
        return np.zeros(0, np.uint8), np.zeros(len(texts) + 1, np.int64)
    window = np.frombuffer(offsets, offset_type)[texts.offset : texts.offset + len(texts) + 1]
    base = window.astype(np.int64)
    whole = np.zeros(0, np.uint8) if data is None else np.frombuffer(data, np.uint8)
    return whole[base[0] : base[-1]], base - base[0]


def split_lines(texts: pa.StringArray) -> Lines:
    r"""Find the non-blank lines of a column of texts.

    A line ends at ``\n``, ``\r\n`` or a lone ``\r``; its content excludes white space at both ends.
    """
    buffer, base = string_buffer(texts)
    return _split(buffer, base) if kernels.compiled is None else _split_compiled(buffer, base)


def _split_compiled(buffer: NDArray[np.uint8], base: NDArray[np.int64]) -> Lines:
    first, room = np.empty(len(base), np.int64), len(buffer) // _SHORT + len(base)
    while True:
        document, places = np.empty(room, np.int32), np.empty((4, room), np.int64)
        count = kernels.compiled.split_lines(buffer, base, first, document, *places)
        if count <= room:
            return Lines(buffer, base, first, document[:count], *places[:, :count])
        room = count


# Texts hold fewer lines than one in so many bytes, but for some: of those the lines are counted first.
_SHORT: Final = 32


def _split(buffer: NDArray[np.uint8], base: NDArray[np.int64]) -> Lines:
    is_break = buffer == _LINE_FEED
    returns = buffer == _CARRIAGE_RETURN
    if returns.any():
        returns[:-1] &= ~is_break[1:]  # the pair is one line break, at its line feed
        is_break |= returns
    breaks = np.flatnonzero(is_break)
    # A text's own end closes its last line; a break that is the last byte closes it already.
    edges = np.sort(np.concatenate([breaks + 1, base]), kind="stable")  # two sorted runs; `unique` would hash them
    edges = edges[np.flatnonzero(np.diff(edges, prepend=-1))]
    begin, stop = edges[:-1], edges[1:]
    start, end = trimmed(buffer, begin.copy(), stop.copy())
    written = start < end
    start, end, begin, stop = start[written], end[written], begin[written], stop[written]
    first = np.searchsorted(start, base).astype(np.int64)
    document = np.repeat(np.arange(len(base) - 1, dtype=np.int32), np.diff(first))
    return Lines(buffer, base, first, document, start, end, begin, stop)


def chosen_lines(lines: Lines, chosen: NDArray[np.intp]) -> Lines:
    """Some lines of a batch, in a buffer without the bytes of the others.

    Args:
        lines: the lines of a batch.
        chosen: which, ascending.
    """
    stays = np.zeros(len(lines), np.bool_)
    stays[chosen] = True
    gone = np.flatnonzero(~stays)
    return _without(lines, gone, lines.start[gone], lines.end[gone]).take(chosen)


def line_ends(lines: Lines, head: int, tail: int) -> Lines:
    """The lines of a batch without the middle of long ones, which is not in the new buffer either.

    Args:
        lines: the lines of a batch.
        head: bytes that are left at the start of a line, at least one; a blank takes the last one's place.
        tail: bytes that are left at its end.
    """
    long = np.flatnonzero(lines.end - lines.start > head + tail)
    short = _without(lines, long, lines.start[long] + head, lines.end[long] - tail)
    buffer = short.buffer.copy()
    buffer[short.start[long] + head - 1] = ord(" ")
    return replace(short, buffer=buffer)


def _without(lines: Lines, number: NDArray[np.intp], low: NDArray[np.int64], high: NDArray[np.int64]) -> Lines:
    """The lines in a buffer that lacks one range of bytes of some lines.

    Args:
        lines: the lines of a batch.
        number: int64[ranges], the lines that lose a range, ascending.
        low: int64[ranges], where it starts.
        high: int64[ranges], where it ends.
    """
    starts = np.concatenate([np.zeros(1, np.int64), high])
    ends = np.concatenate([low, np.full(1, len(lines.buffer))])
    content = concatenated(lines.buffer, starts, ends)
    gone = np.concatenate([np.zeros(1, np.int64), np.cumsum(high - low)])
    lost = np.zeros(len(lines), np.int64)
    lost[number] = high - low
    before = np.cumsum(lost) - lost
    return Lines(
        buffer=np.frombuffer(content, np.uint8) if content.size else np.zeros(0, np.uint8),
        base=lines.base - gone[np.searchsorted(low, lines.base)],
        first=lines.first,
        document=lines.document,
        start=lines.start - before,
        end=lines.end - before - lost,
        begin=lines.begin - before,
        stop=lines.stop - before - lost,
    )


def count_words(texts: pa.StringArray) -> NDArray[np.int32]:
    """Words of each text, int32[texts], separated by white space; 0 for a null text."""
    buffer, base = string_buffer(texts)
    if kernels.compiled is None:
        return _count_words(buffer, base)
    counts = np.empty(len(base) - 1, np.int32)
    kernels.compiled.count_words(buffer, base, counts)
    return counts


def _count_words(buffer: NDArray[np.uint8], base: NDArray[np.int64]) -> NDArray[np.int32]:
    solid = solid_bytes(buffer)
    opens = solid.copy()
    opens[1:] &= ~solid[:-1]
    # A text that starts with a word starts one, whatever the text before it in the buffer ends with.
    starts = base[:-1][base[:-1] < base[1:]]
    opens[starts] = solid[starts]
    edges = base.tolist()
    counts = [np.count_nonzero(opens[low:high]) for low, high in pairwise(edges)]
    return np.array(counts, np.int32)
