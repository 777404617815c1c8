"""Lines, words, hashes and ranges of bytes: the kernels in C and their NumPy twins agree, and believe no offset."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import kernels
from pipeline.strip.lines import Lines, count_words, split_lines
from pipeline.strip.ranges import concatenated, holds_any, same_bytes
from pipeline.strip.repetition import MAX_BYTES, line_keys
from tests.conftest import examples
from tests.kernels.twins import NEEDS_KERNELS, TEXTS, assert_same, both_ways, lines_of

pytestmark = NEEDS_KERNELS

# Signs whose bytes the loops treat apart: every blank character, and some that begin or end like one.
BLANKS = "\u00a0\u0085\u2000\u200b\u200f\u2028\u2029\u202f\u2060\u3000\ufeff"
ALMOST = "Âé‐‧‰⁡〡\uff01中😀"
SIGNS = st.text(st.sampled_from(f"ab. \t\n\r\x00\x1f\x7f{BLANKS}{ALMOST}"), max_size=200)
COLUMNS = st.lists(st.none() | SIGNS, max_size=5) | TEXTS


def column(texts: list[str | None]) -> pa.StringArray:
    return pa.array(texts, pa.string())


@examples(300)
@given(COLUMNS)
def test_lines_and_words(texts: list[str | None]) -> None:
    """Lines, with all their offsets, and numbers of words are the same from the kernel."""
    assert_same(*both_ways(split_lines, column(texts)))
    assert_same(*both_ways(count_words, column(texts)))


@pytest.mark.parametrize("line", ["\n", "\r", "\r\n", " \n", "a\n", "a\r", "\u3000\n", "\u2028"])
def test_more_lines_than_were_thought_of(line: str) -> None:
    """Texts of nothing but short lines, or of breaks and white space, have the same lines."""
    assert_same(*both_ways(split_lines, column([line * 5000, "end", line * 100])))


def test_a_character_across_two_blocks() -> None:
    """A blank character that lies across the bounds of what is looked at together parts words all the same."""
    for sign in f"{BLANKS}{ALMOST}":
        for before in range(58, 70):
            assert_same(*both_ways(count_words, column(["x" * before + sign + "y" * 70, "x" * before + sign])))


@examples(200)
@given(TEXTS, st.lists(st.integers(0, 2**64 - 1), min_size=6, max_size=6))
def test_keys_of_lines(texts: list[str], sources: list[int]) -> None:
    """Keys of lines that may be templates are the same."""
    assert_same(*both_ways(line_keys, lines_of(texts), np.array(sources, np.uint64)))


def test_keys_of_every_length() -> None:
    """Whatever bytes follow a line, and however many of its own are left over from eight, its key is the same."""
    texts = ["x" * size + "\n" + "y" * size for size in range(MAX_BYTES + 2)]
    lines = lines_of(texts)
    assert_same(*both_ways(line_keys, lines, np.zeros(len(texts), np.uint64)))


def ranges_of(data: st.DataObject, size: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Ranges within so many bytes."""
    pairs = st.tuples(st.integers(0, size), st.integers(0, size)).map(sorted)
    found = np.array(data.draw(st.lists(pairs, min_size=count, max_size=count)), np.int64).reshape(-1, 2)
    return found[:, 0].copy(), found[:, 1].copy()


@examples(200)
@given(st.binary(max_size=60), st.binary(max_size=60), st.integers(0, 6), st.data())
def test_ranges(one: bytes, other: bytes, count: int, data: st.DataObject) -> None:
    """Whether ranges hold a byte of a class, or the same as others, and their bytes in a row, are the same."""
    buffer, second = np.frombuffer(one, np.uint8), np.frombuffer(other + one, np.uint8)
    start, end = ranges_of(data, len(one), count)
    table = np.isin(np.arange(256), list(other[:3]))
    assert_same(*both_ways(holds_any, buffer, start, end, table))
    shifted = (second, start + len(other), end + len(other))
    assert same_bytes(buffer, start, end, *shifted).all()
    assert_same(*both_ways(same_bytes, buffer, start, end, *shifted))
    assert_same(*both_ways(same_bytes, buffer, start, end, second, *ranges_of(data, len(second), count)))
    compiled, plain = both_ways(concatenated, buffer, start, end)
    assert compiled.to_pybytes() == plain.to_pybytes()


LINES = lines_of(["one line", "another\nand one"])
HALF = np.arange(4, dtype=np.int64)  # of another size than three lines want
RANGE_FAULTS: tuple[tuple[int, Any], ...] = (
    (1, LINES.start - 1),
    (2, LINES.end + 9),
    (1, LINES.end + 1),
    (1, HALF),
    (2, HALF),
)


def split_arguments(lines: Lines) -> list[Any]:
    room = len(lines)
    places = [np.empty(room, np.int64) for _ in range(4)]
    return [lines.buffer, lines.base, np.empty(len(lines.base), np.int64), np.empty(room, np.int32), *places]


def range_arguments(name: str) -> list[Any]:
    """Good arguments of a kernel that takes ranges of a buffer."""
    ranges, count = [LINES.buffer, LINES.start, LINES.end], len(LINES)
    return {
        "hash_lines": [*ranges, np.zeros(count, np.uint64), 240, np.empty(count, np.uint64)],
        "holds_any": [*ranges, np.zeros(256, np.bool_), np.empty(count, np.bool_)],
        "same_bytes": [*ranges, *ranges, np.empty(count, np.bool_)],
        "join_ranges": [*ranges, np.empty(int((LINES.end - LINES.start).sum()), np.uint8)],
    }[name]


def refused(name: str, arguments: list[Any], place: int, wrong: Any) -> None:
    kernel = getattr(kernels.compiled, name)
    kernel(*arguments)
    with pytest.raises(ValueError, match=r"range|holds|order|fill"):
        kernel(*arguments[:place], wrong, *arguments[place + 1 :])


@pytest.mark.parametrize("name", ["hash_lines", "holds_any", "same_bytes", "join_ranges"])
@pytest.mark.parametrize(("place", "wrong"), RANGE_FAULTS)
def test_ranges_are_checked(name: str, place: int, wrong: Any) -> None:
    """A range outside the buffer or the wrong way round, or an array of another size, is refused."""
    refused(name, range_arguments(name), place, wrong)


@pytest.mark.parametrize(
    ("name", "place", "wrong"),
    [
        ("hash_lines", 3, np.zeros(2, np.uint64)),
        ("holds_any", 3, np.zeros(255, np.bool_)),
        ("same_bytes", 4, LINES.start - 1),
        ("same_bytes", 5, LINES.end + 9),
        ("same_bytes", 5, HALF),
        ("join_ranges", 3, np.empty(3, np.uint8)),
        ("join_ranges", 3, np.empty(99, np.uint8)),
    ],
)
def test_what_comes_with_ranges_is_checked(name: str, place: int, wrong: Any) -> None:
    """So are the other arrays of these kernels; a place for joined bytes is to be filled and no more."""
    refused(name, range_arguments(name), place, wrong)


@pytest.mark.parametrize(
    ("place", "wrong"),
    [
        (1, np.array([0, 8, 99], np.int64)),
        (1, np.array([0, 9, 8], np.int64)),
        (1, np.array([-1, 8, 9], np.int64)),
        (1, np.zeros(0, np.int64)),
        (2, np.empty(2, np.int64)),
        *((place, np.empty(9, np.int32 if place == 3 else np.int64)) for place in range(3, 8)),
    ],
)
def test_texts_are_checked(place: int, wrong: Any) -> None:
    """Texts that do not lie in the buffer one after the other, or an array of another size, are refused."""
    refused("split_lines", split_arguments(LINES), place, wrong)
    if place == 1:
        refused("count_words", [LINES.buffer, LINES.base, np.empty(2, np.int32)], place, wrong)


def test_lines_beyond_the_room_are_counted() -> None:
    """Nothing is written where no array is, and how many lines there are is said."""
    arguments = split_arguments(LINES.take(np.arange(1)))
    assert kernels.compiled.split_lines(*arguments) == len(LINES)
    assert arguments[4].tolist() == LINES.start[:1].tolist()
