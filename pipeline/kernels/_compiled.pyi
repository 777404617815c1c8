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
