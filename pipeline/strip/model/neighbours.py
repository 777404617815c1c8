"""What the learned line model sees around each line: the lines before and after it, and its document as a whole.

Input are rows of whole numbers 0 to 255, a column for each line; output are more such rows. Nothing crosses the edge of
a document, so a document's rows never depend on the batch around it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from pipeline import kernels
from pipeline.strip.model.features import OWN

if TYPE_CHECKING:
    from numpy.typing import NDArray

# What the words of a line speak for; the first is boilerplate of any kind.
HEADS: Final = ("junk", "ask", "related", "navigation", "caption", "comment", "date", "note")
# A head's value is its log odds in tenths, with this for even odds.
EVEN: Final = 128
_HOT, _COLD = EVEN + 10, EVEN - 20

_NEAR: Final = ("length", "words", "ended", "junk", "ask", "related", "navigation", "comment")
_NEAREST: Final = (*_NEAR, "capitals", "digits", "names_alone", "caption", "date")
_REACH: Final = 6
_AROUND: Final = ("junk", "ask", "related", "comment")


def names() -> tuple[str, ...]:
    """The names of the rows of `surroundings`, in order."""
    out = [*OWN, *HEADS, "ended"]
    for distance in (-3, -2, -1, 1, 2, 3):
        out += [f"{name}@{distance}" for name in (_NEAR if abs(distance) == 3 else _NEAREST)]
    for head in HEADS[:-1]:
        out.append(f"mean_{head}")
        if head in _AROUND:
            out += [f"before_{head}", f"after_{head}", f"near_{head}"]
    return (*out, "hot_share", "hot_gap_before", "hot_gap_after", "cold_gap_before", "cold_gap_after")


NAMES: Final = names()


def surroundings(
    own: NDArray[np.uint8], heads: NDArray[np.uint8], first: NDArray[np.int64], table: NDArray[np.uint8] | None = None
) -> NDArray[np.uint8]:
    """All rows the trees choose from.

    Args:
        own: uint8[len(OWN), lines] of `features.line_features`.
        heads: uint8[len(HEADS), lines].
        first: int64[documents + 1]; document `d` owns lines `first[d]` to `first[d + 1]`.
        table: uint8[len(NAMES), lines] to be filled, if there is one; `own` may be its first rows.

    Returns:
        uint8[len(NAMES), lines].
    """
    out = np.empty((len(NAMES), own.shape[1]), np.uint8) if table is None else table
    if kernels.compiled is None:
        _fill(own, heads, first, out)
    else:
        kernels.compiled.surroundings(own, heads, first, out)
    return out


def _fill(own: NDArray[np.uint8], heads: NDArray[np.uint8], first: NDArray[np.int64], out: NDArray[np.uint8]) -> None:
    lines = own.shape[1]
    out[: len(OWN)] = own
    out[len(OWN) : len(OWN) + len(HEADS)] = heads
    ended = out[len(OWN) + len(HEADS)]
    np.bitwise_or(own[OWN.index("end_1")], own[OWN.index("end_2")], out=ended)
    ended |= own[OWN.index("quoted_stop")] | own[OWN.index("quoted_ask")]
    row = len(OWN) + len(HEADS) + 1
    named: dict[str, NDArray[np.uint8]] = {name: own[OWN.index(name)] for name in _NEAREST if name in OWN}
    named.update(zip(HEADS, heads, strict=True))
    named["ended"] = ended
    place = np.arange(lines, dtype=np.int64)
    count = np.diff(first)
    low, high = np.repeat(first[:-1], count), np.repeat(first[1:], count)
    for distance in (-3, -2, -1, 1, 2, 3):
        outside = np.flatnonzero((place + distance < low) | (place + distance >= high))
        for name in _NEAR if abs(distance) == 3 else _NEAREST:
            _shift(named[name], distance, out[row])
            out[row, outside] = 0
            row += 1
    row = _means(out, row, heads, place, low, high)
    hot = heads[0] >= _HOT
    total = np.concatenate([np.zeros(1, np.int64), np.cumsum(hot, dtype=np.int64)])
    out[row] = (total[high] - total[low]) * 255 // (high - low)
    out[row + 1], out[row + 2] = _gaps(hot, place, low, high)
    out[row + 3], out[row + 4] = _gaps(heads[0] < _COLD, place, low, high)


def _shift(values: NDArray[np.uint8], distance: int, out: NDArray[np.uint8]) -> None:
    """Give each line the value of the line `distance` further on."""
    size = len(values)
    if distance < 0:
        out[-distance:] = values[: max(size + distance, 0)]
    else:
        out[: max(size - distance, 0)] = values[distance:]


def _means(
    out: NDArray[np.uint8],
    row: int,
    heads: NDArray[np.uint8],
    place: NDArray[np.int64],
    low: NDArray[np.int64],
    high: NDArray[np.int64],
) -> int:
    near_low, near_high = np.maximum(place - _REACH, low), np.minimum(place + _REACH + 1, high)
    before_size, after_size = np.maximum(place - low, 1), np.maximum(high - 1 - place, 1)
    for number, head in enumerate(HEADS[:-1]):
        total = np.concatenate([np.zeros(1, np.int64), np.cumsum(heads[number], dtype=np.int64)])
        at_low, at_high = total[low], total[high]
        out[row] = (at_high - at_low) // (high - low)
        row += 1
        if head in _AROUND:
            out[row] = (total[:-1] - at_low) // before_size
            out[row + 1] = (at_high - total[1:]) // after_size
            out[row + 2] = (total[near_high] - total[near_low]) // (near_high - near_low)
            row += 3
    return row


def _gaps(
    chosen: NDArray[np.bool_], place: NDArray[np.int64], low: NDArray[np.int64], high: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """How many lines back and ahead the nearest chosen line of the same document is; 255 where there is none."""
    lines = len(place)
    back = np.empty(lines, np.int64)
    ahead = np.empty(lines, np.int64)
    if not lines:
        return back, ahead
    back[0], ahead[-1] = -1, lines
    back[1:] = np.maximum.accumulate(np.where(chosen, place, -1))[:-1]
    ahead[:-1] = np.minimum.accumulate(np.where(chosen, place, lines)[::-1])[::-1][1:]
    before = np.where(back >= low, np.minimum(place - back, 254), 255)
    return before, np.where(ahead < high, np.minimum(ahead - place, 254), 255)
