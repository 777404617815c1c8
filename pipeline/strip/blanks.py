"""White space of scraped text: which bytes it takes, and text without what of it stands at the ends of lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

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


def trimmed(
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
