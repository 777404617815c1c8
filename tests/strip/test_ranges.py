"""Questions about many ranges of bytes at once."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipeline.strip.ranges import concatenated, holds_any, places, same_bytes

pytestmark = pytest.mark.usefixtures("either_way")


@dataclass
class Ranges:
    """Some bytes, and ranges of them, empty ones among them, in any order."""

    content: bytes
    pairs: list[tuple[int, int]]

    @property
    def buffer(self) -> NDArray[np.uint8]:
        return np.frombuffer(self.content, np.uint8)

    def bounds(self, pairs: list[tuple[int, int]] | None = None) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        table = np.array(self.pairs if pairs is None else pairs, np.int64).reshape(-1, 2)
        return table[:, 0].copy(), table[:, 1].copy()

    def contents(self) -> list[bytes]:
        return [self.content[low:high] for low, high in self.pairs]


@st.composite
def ranges(draw: st.DrawFn) -> Ranges:
    content = bytes(draw(st.lists(st.sampled_from(b"ab@\x00\xff"), max_size=30)))
    bound = st.integers(0, len(content))
    pair = st.tuples(bound, bound).map(lambda ends: (min(ends), max(ends)))
    return Ranges(content, draw(st.lists(pair, max_size=8)))


@given(ranges())
def test_bytes_of_ranges_in_a_row(some: Ranges) -> None:
    """Places and bytes of ranges come in the order of the ranges, and each range begins where it is said."""
    place, first = places(*some.bounds())
    assert [some.buffer[place[low:high]].tobytes() for low, high in pairwise(first)] == some.contents()
    assert concatenated(some.buffer, *some.bounds()).to_pybytes() == b"".join(some.contents())


@given(ranges(), st.sampled_from([b"@", b"\x00b", b""]))
def test_a_byte_of_a_class_is_found_in_its_range(some: Ranges, wanted: bytes) -> None:
    """A range holds it or does not, whatever stands before and behind it."""
    table = np.isin(np.arange(256), list(wanted))
    expected = [any(byte in wanted for byte in content) for content in some.contents()]
    assert holds_any(some.buffer, *some.bounds(), table).tolist() == expected


@given(ranges(), st.randoms(use_true_random=False))
def test_ranges_with_the_same_bytes_are_told(some: Ranges, shuffler: Random) -> None:
    """Two ranges are the same if they are as long and hold the same bytes, wherever they stand."""
    other = list(some.pairs)
    shuffler.shuffle(other)
    expected = [one == some.content[low:high] for one, (low, high) in zip(some.contents(), other, strict=True)]
    assert same_bytes(some.buffer, *some.bounds(), some.buffer, *some.bounds(other)).tolist() == expected
