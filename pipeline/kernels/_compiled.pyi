"""What the compiled kernels take: arrays, row by row in memory; those that are filled come last."""

from typing import Any, TypeAlias

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
