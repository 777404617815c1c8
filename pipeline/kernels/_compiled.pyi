"""What the compiled kernels take: arrays, row by row in memory; those that are filled come last."""

from typing import Any, TypeAlias

import pyarrow as pa
from numpy.typing import NDArray

_Array: TypeAlias = NDArray[Any]

def split_lines(
    buffer: _Array,
    base: _Array,
    first: _Array,
    document: _Array,
    start: _Array,
    end: _Array,
    begin: _Array,
    stop: _Array,
    /,
) -> int:
    """Fill the columns of `Lines`; how many lines there are, of which those beyond the arrays' size are only counted.

    Raises:
        ValueError: an array has not the size it should have, or a text does not lie within the buffer.
    """

def count_words(buffer: _Array, base: _Array, count: _Array, /) -> None:
    """Fill the number of words of each text, see `lines.count_words`.

    Raises:
        ValueError: an array has not the size it should have, or a text does not lie within the buffer.
    """

def hash_lines(buffer: _Array, start: _Array, end: _Array, seed: _Array, most: int, key: _Array, /) -> None:
    """Fill the hash of the first `most` bytes of each line, see `repetition.line_keys`.

    Raises:
        ValueError: an array has not the size it should have, or a line does not lie within the buffer.
    """

def holds_any(buffer: _Array, start: _Array, end: _Array, table: _Array, found: _Array, /) -> None:
    """Fill whether each range holds a byte that the table marks, see `ranges.holds_any`.

    Raises:
        ValueError: an array has not the size it should have, or a range does not lie within the buffer.
    """

def same_bytes(
    buffer: _Array,
    start: _Array,
    end: _Array,
    other: _Array,
    other_start: _Array,
    other_end: _Array,
    same: _Array,
    /,
) -> None:
    """Fill whether each range holds what the other one holds, see `ranges.same_bytes`.

    Raises:
        ValueError: an array has not the size it should have, or a range does not lie within its buffer.
    """

def join_ranges(buffer: _Array, start: _Array, end: _Array, joined: pa.Buffer, /) -> None:
    """Fill the bytes of some ranges, one after the other, see `ranges.concatenated`.

    Raises:
        ValueError: an array has not the size it should have, or a range does not lie within the buffer.
    """

def read_words(
    buffer: _Array,
    start: _Array,
    end: _Array,
    head: int,
    tail: int,
    mark_unit: _Array,
    first: _Array,
    key: _Array,
    flags: _Array,
    marks: _Array,
    /,
) -> int:
    """Fill the words of lines, see `tokens.read_words`; how many there are.

    Raises:
        ValueError: an array has not the size it should have, or a line does not lie within the buffer.
    """

def weigh_words(
    first: _Array,
    key: _Array,
    flags: _Array,
    table: _Array,
    weights: _Array,
    scale: _Array,
    bias: _Array,
    word: _Array,
    pair: _Array,
    line: _Array,
    heads: _Array,
    /,
) -> None:
    """Fill the rows of weights of words, pairs and lines, and the heads, see `LineModel.read`.

    Raises:
        ValueError: an array has not the size it should have.
    """
