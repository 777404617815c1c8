"""Questions about many ranges of bytes at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from pipeline import kernels

if TYPE_CHECKING:
    from numpy.typing import NDArray


def places(start: NDArray[np.int64], end: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The places of all bytes of some ranges, one after the other, and where each range's begin, int64[ranges + 1]."""
    first = np.concatenate([np.zeros(1, np.int64), np.cumsum(end - start)])
    return np.repeat(start - first[:-1], end - start) + np.arange(first[-1]), first


def concatenated(buffer: NDArray[np.uint8], start: NDArray[np.int64], end: NDArray[np.int64]) -> pa.Buffer:
    """The bytes of some ranges, one after the other."""
    if kernels.compiled is None:
        return _concatenated(buffer, start, end)
    content = pa.allocate_buffer(int((end - start).sum()))
    kernels.compiled.join_ranges(buffer, start, end, content)
    return content


def _concatenated(buffer: NDArray[np.uint8], start: NDArray[np.int64], end: NDArray[np.int64]) -> pa.Buffer:
    """The same by Arrow."""
    view = pa.LargeListViewArray.from_arrays(pa.array(start), pa.array(end - start), pa.array(buffer))
    flat = view.flatten()  # a slice of `buffer` itself where the ranges happen to touch
    return flat.buffers()[1].slice(flat.offset, len(flat))


def holds_any(
    buffer: NDArray[np.uint8], start: NDArray[np.int64], end: NDArray[np.int64], table: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Whether some ranges of bytes hold a byte of a class, bool[ranges].

    Args:
        buffer: the bytes.
        start: int64[ranges], where each begins.
        end: int64[ranges], where it stops.
        table: bool[256], the bytes of the class.
    """
    if kernels.compiled is None:
        return _holds_any(buffer, start, end, table)
    found = np.empty(len(start), np.bool_)
    kernels.compiled.holds_any(buffer, start, end, table, found)
    return found


def same_bytes(
    buffer: NDArray[np.uint8],
    start: NDArray[np.int64],
    end: NDArray[np.int64],
    other: NDArray[np.uint8],
    other_start: NDArray[np.int64],
    other_end: NDArray[np.int64],
) -> NDArray[np.bool_]:
    """Whether each range of one buffer holds the same bytes as one of another buffer, bool[ranges]."""
    if kernels.compiled is None:
        return _same_bytes(buffer, start, end, other, other_start, other_end)
    same = np.empty(len(start), np.bool_)
    kernels.compiled.same_bytes(buffer, start, end, other, other_start, other_end, same)
    return same


def _holds_any(
    buffer: NDArray[np.uint8], start: NDArray[np.int64], end: NDArray[np.int64], table: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    place, first = places(start, end)
    return _any_of_each(table[buffer[place]], first)


def _same_bytes(
    buffer: NDArray[np.uint8],
    start: NDArray[np.int64],
    end: NDArray[np.int64],
    other: NDArray[np.uint8],
    other_start: NDArray[np.int64],
    other_end: NDArray[np.int64],
) -> NDArray[np.bool_]:
    same = end - start == other_end - other_start
    sized = np.flatnonzero(same)
    place, first = places(start[sized], end[sized])
    other_place, _ = places(other_start[sized], other_end[sized])
    same[sized] = ~_any_of_each(buffer[place] != other[other_place], first)
    return same


def _any_of_each(hit: NDArray[np.bool_], first: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether a byte of each range is hit; `first` as `places` gives it."""
    return np.diff(np.searchsorted(np.flatnonzero(hit), first)) > 0
