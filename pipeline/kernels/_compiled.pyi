"""What the compiled kernels take: arrays, row by row in memory; those that are filled come last."""

from typing import Any, TypeAlias

from numpy.typing import NDArray

_Array: TypeAlias = NDArray[Any]

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
    """Fill what patterns see of each line, one after the other, and where each stops; see `plain.plain_lines`.

    Raises:
        ValueError: an array has not the size it should have, or a line does not lie within the buffer.
    """
