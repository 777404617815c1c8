"""What the compiled kernels take: arrays, row by row in memory; those that are filled come last."""

from typing import Any, TypeAlias

import pyarrow as pa
from numpy.typing import NDArray

_Array: TypeAlias = NDArray[Any]

def label_lines(
    around: _Array,
    feature: _Array,
    border: _Array,
    leaf: _Array,
    tree_bias: _Array,
    tree_unit: float,
    weights: _Array,
    scale: _Array,
    word_bias: _Array,
    word_unit: float,
    begin: _Array,
    stop: _Array,
    word: _Array,
    pair: _Array,
    line: _Array,
    chosen: _Array,
    label: _Array,
    /,
) -> None:
    """Fill the likeliest labels of chosen lines, see `Scores.label`.

    Raises:
        ValueError: an array has not the size it should have, or names a line, a word or a row that is not there.
    """

def line_features(
    buffer: _Array,
    start: _Array,
    end: _Array,
    first: _Array,
    begin: _Array,
    stop: _Array,
    told: _Array,
    told_stop: _Array,
    whole: _Array,
    marks: _Array,
    kinds: _Array,
    telling: _Array,
    end_class: _Array,
    out: _Array,
    /,
) -> None:
    """Fill the features of lines, see `features.line_features`.

    Raises:
        ValueError: an array has not the size it should have, or a line or a word does not lie within its buffer.
    """

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

def read_lines(
    buffer: _Array,
    start: _Array,
    end: _Array,
    head: int,
    tail: int,
    mark_unit: _Array,
    flag_unit: _Array,
    index: _Array,
    weights: _Array,
    scale: _Array,
    bias: _Array,
    first: _Array,
    told: _Array,
    whole: _Array,
    marks: _Array,
    kinds: _Array,
    telling: _Array,
    word: _Array,
    pair: _Array,
    line: _Array,
    heads: _Array,
    /,
) -> None:
    """Fill what lines say by themselves, see `LineModel.read`; `first` and `told` say how much of `telling` to `pair`.

    Raises:
        ValueError: an array has not the size it should have, or a line does not lie within the buffer.
    """

def sum_trees(
    around: _Array,
    feature: _Array,
    border: _Array,
    leaf: _Array,
    total: _Array,
    /,
) -> None:
    """Add what the leaves of all trees say of each line, see `LineModel.score`.

    Raises:
        ValueError: an array has not the size it should have, or a tree asks about a row that is not there.
    """

def surroundings(
    own: _Array,
    heads: _Array,
    first: _Array,
    out: _Array,
    /,
) -> None:
    """Fill what is around lines, see `neighbours.surroundings`; `own` may be the first rows of `out`.

    Raises:
        ValueError: an array has not the size it should have, or the documents do not cover all lines.
    """

def sign_texts(buffer: _Array, base: _Array, sketch: _Array, bands: _Array, /) -> None:
    """Fill the sketch and the bands of each text, see `signatures.signatures`.

    Raises:
        ValueError: an array has not the size it should have, or a text does not lie within the buffer.
    """

def find_candidates(
    buffer: _Array,
    start: _Array,
    end: _Array,
    chosen: _Array,
    head: int,
    tail: int,
    key: _Array,
    filter: _Array,  # noqa: A002
    bucket: _Array,
    asked_first: _Array,
    asked: _Array,
    needed: _Array,
    wordless: _Array,
    signs: _Array,
    sign_of_byte: _Array,
    longest: int,
    begin: int,
    bits: _Array,
    touched: _Array,
    found: _Array,
    line: _Array,
    pattern: _Array,
    /,
) -> tuple[int, int]:
    """Fill pairs of line and pattern, see `Candidates.find`; the chosen lines done by now, and how many pairs.

    Raises:
        ValueError: an array has not the size it should have, or names what is not there.
    """

def see_lines(
    buffer: _Array,
    start: _Array,
    end: _Array,
    longest: int,
    known: int,
    table: _Array,
    text: _Array,
    stop: _Array,
    entry: _Array,
    /,
) -> int:
    """Fill the entry of each line, see `Seen`; how many entries there are now, of which `known` were there before.

    Lines of more than `longest` bytes get -1. The memory is a `table` of a power of two of slots, each 0 or one more
    than an entry; `text`, the lines of all entries; and where each of them starts in it, `stop`.

    Raises:
        ValueError: an array has not the size it should have, a line does not lie within the buffer, or there is no
            room.
    """

def plain_lines(
    buffer: _Array, start: _Array, end: _Array, head: int, tail: int, text: _Array, stop: _Array, /
) -> None:
    """Fill what patterns see of each line, a break after it, and where each stops; see `plain.plain_lines`.

    Raises:
        ValueError: an array has not the size it should have, or a line does not lie within the buffer.
    """

def fold_texts(buffer: _Array, base: _Array, folded: _Array, first: _Array, /) -> None:
    """Fill the folded bytes of texts and where each begins in them, see `exact.folded`.

    Raises:
        ValueError: an array has not the size it should have, or a text does not lie within the buffer.
    """
