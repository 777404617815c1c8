"""The lines of a whole batch of texts, as arrays of byte offsets into one buffer.

Every detector works on these arrays, so no text is ever split into Python strings on the way.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LINE_FEED, _CARRIAGE_RETURN = 0x0A, 0x0D

# White space and zero-width characters beyond ASCII that scraped pages hold, as (first UTF-8 byte, second, the bytes
# that may come third; none for characters of two bytes): no-break space and next line; en to hair space, zero-width
# space to right-to-left mark, line and paragraph separator, narrow no-break space; word joiner; ideographic space; byte
# order mark.
_BLANKS = (
    (0xC2, 0xA0, ()),
    (0xC2, 0x85, ()),
    (0xE2, 0x80, (*range(0x80, 0x90), 0xA8, 0xA9, 0xAF)),
    (0xE2, 0x81, (0xA0,)),
    (0xE3, 0x80, (0x80,)),
    (0xEF, 0xBB, (0xBF,)),
)
# By the first two bytes: whether each byte may come third.
_THIRD = {(lead, second): np.isin(np.arange(256), thirds) for lead, second, thirds in _BLANKS if thirds}


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
    start, end = _trim(buffer, begin.copy(), stop.copy())
    written = start < end
    start, end, begin, stop = start[written], end[written], begin[written], stop[written]
    first = np.searchsorted(start, base).astype(np.int64)
    document = np.repeat(np.arange(len(texts), dtype=np.int32), np.diff(first))
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
    pieces = pa.LargeListViewArray.from_arrays(pa.array(starts), pa.array(ends - starts), pa.array(lines.buffer))
    gone = np.concatenate([np.zeros(1, np.int64), np.cumsum(high - low)])
    lost = np.zeros(len(lines), np.int64)
    lost[number] = high - low
    before = np.cumsum(lost) - lost
    return Lines(
        buffer=pieces.flatten().to_numpy(),  # copied by Arrow, range by range
        base=lines.base - gone[np.searchsorted(low, lines.base)],
        first=lines.first,
        document=lines.document,
        start=lines.start - before,
        end=lines.end - before - lost,
        begin=lines.begin - before,
        stop=lines.stop - before - lost,
    )


def _trim(
    buffer: NDArray[np.uint8], start: NDArray[np.int64], end: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Move both ends of each range, none of them empty, inwards to bytes that are no white space, if there are any."""
    if not len(buffer):
        return start, end
    # Only the bytes at both ends are looked at; nearly every line is trimmed after a step or two.
    left = np.arange(len(start))  # no range is empty yet
    for _ in range(_STEPS):
        if not len(left):
            break
        left = left[~_solid_at(buffer, start[left])]
        start[left] += 1
        left = left[start[left] < end[left]]
    right = np.flatnonzero(start < end)
    for _ in range(_STEPS):
        if not len(right):
            break
        right = right[~_solid_at(buffer, end[right] - 1)]
        end[right] -= 1
        right = right[start[right] < end[right]]
    if len(left) or len(right):
        ragged = np.zeros(len(start), np.bool_)
        ragged[left] = ragged[right] = True
        _trim_far(solid_bytes(buffer), start, end, ragged)
    return start, end


# How far a line is trimmed byte by byte before the next solid byte is searched for.
_STEPS = 64


def _solid_at(buffer: NDArray[np.uint8], places: NDArray[np.int64]) -> NDArray[np.bool_]:
    """What `solid_bytes` says of some bytes only."""
    byte = buffer[places]
    solid = (byte > 0x20) & (byte != 0x7F)
    foreign = np.flatnonzero(byte >= 0x80)
    if not len(foreign):
        return solid
    around, last = places[foreign], len(buffer) - 1
    blank = np.zeros(len(foreign), np.bool_)
    for distance in range(3):  # of the byte from the first one of its character
        lead = np.maximum(around - distance, 0)
        first, second, third = (buffer[np.minimum(lead + offset, last)] for offset in range(3))
        for wanted, follows, thirds in _BLANKS:
            if distance < (3 if thirds else 2):
                hit = (first == wanted) & (second == follows)
                blank |= hit & _THIRD[wanted, follows][third] if thirds else hit
    solid[foreign[blank]] = False
    return solid


def _trim_far(
    solid: NDArray[np.bool_], start: NDArray[np.int64], end: NDArray[np.int64], ragged: NDArray[np.bool_]
) -> None:
    """Trim, in place, the ranges with much white space at an end: look the next solid byte up instead of walking."""
    places = np.flatnonzero(solid)
    low, high = start[ragged], end[ragged]
    left, right = np.searchsorted(places, low), np.searchsorted(places, high)
    empty = left >= right
    guarded = np.append(places, 0)  # a place for the look-ups of empty ranges, which are not used
    start[ragged] = np.where(empty, high, guarded[np.minimum(left, len(places))])
    end[ragged] = np.where(empty, high, guarded[np.maximum(right - 1, 0)] + 1)


def solid_bytes(buffer: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Which bytes of UTF-8 text are neither white space, nor zero-width, nor an ASCII control character."""
    solid = buffer > 0x20
    solid &= buffer != 0x7F
    raw = buffer.tobytes()
    for lead in dict.fromkeys(lead for lead, _, _ in _BLANKS):
        if lead in raw:  # a search by `memchr`, many times faster than a comparison
            _blank_out(buffer, solid, lead)
    return solid


def _blank_out(buffer: NDArray[np.uint8], solid: NDArray[np.bool_], lead: int) -> None:
    """Set, in place, the bytes of blank characters with this first byte."""
    last = len(buffer) - 1
    leads = np.flatnonzero(buffer == lead)
    for first, second, thirds in _BLANKS:
        if first != lead:
            continue
        places = leads[buffer[np.minimum(leads + 1, last)] == second]
        if thirds:
            places = places[_THIRD[lead, second][buffer[np.minimum(places + 2, last)]]]
        for distance in range(3 if thirds else 2):
            solid[places + distance] = False


def count_words(texts: pa.StringArray) -> NDArray[np.int32]:
    """Words of each text, int32[texts], separated by white space; 0 for a null text."""
    buffer, base = string_buffer(texts)
    solid = solid_bytes(buffer)
    opens = solid.copy()
    opens[1:] &= ~solid[:-1]
    # A text that starts with a word starts one, whatever the text before it in the buffer ends with.
    starts = base[:-1][base[:-1] < base[1:]]
    opens[starts] = solid[starts]
    edges = base.tolist()
    counts = [np.count_nonzero(opens[low:high]) for low, high in pairwise(edges)]
    return np.array(counts, np.int32)
