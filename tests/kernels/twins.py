"""What the tests of kernels share: texts of what the loops treat apart, and a comparison of kernel and NumPy."""

from __future__ import annotations

from dataclasses import astuple
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import strategies as st

from pipeline import kernels
from pipeline.strip.lines import Lines, split_lines

NEEDS_KERNELS = pytest.mark.skipif(
    kernels.compiled is None, reason="the kernels were not built: install with a C compiler there to compare them"
)

# Words of all kinds; marks; quotes, dashes and blanks beyond ASCII; breaks; long words.
_WORDS = (
    "a",
    "The",
    "NATO",
    "2024",
    "extraordinary",
    "é",
    "中文",
    "don’t",
    "Sign",
    "up",
    "newsletter",
    "Read",
    "Photo",
)
_MARKS = (". ", "! ", "? ", ",", ":", "|", "@", "#", "^", "~", "`", "“", "—", " ", " ", " ", " ")
_ODD = ("x" * 300, "\u00a0", "\u3000", "\ufeff", "\n", "\n\n", "\r\n", "\t", "\x7f", "\x00")
_PIECES = st.sampled_from([*_WORDS, *_MARKS, *_ODD])
TEXTS = st.lists(st.lists(_PIECES, max_size=120).map("".join) | st.text(max_size=60), max_size=6)


def lines_of(texts: list[str]) -> Lines:
    return split_lines(pa.array(texts, pa.string()))


def both_ways(function: Any, *arguments: Any) -> tuple[Any, Any]:
    """What a function gives with the kernels and without."""
    compiled = function(*arguments)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernels, "compiled", None)
        return compiled, function(*arguments)


def assert_same(one: Any, other: Any) -> None:
    """Arrays on any level of tuples and dataclasses agree in type and value."""
    if isinstance(one, np.ndarray):
        assert one.dtype == other.dtype
        assert np.array_equal(one, other)
        return
    one, other = (value if isinstance(value, tuple) else astuple(value) for value in (one, other))
    for left, right in zip(one, other, strict=True):
        assert_same(left, right)
