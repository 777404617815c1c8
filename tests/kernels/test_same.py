"""The kernels in C and their NumPy twins give the same answers, to the bit."""

from __future__ import annotations

from dataclasses import astuple
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import kernels
from pipeline.dedupe.exact import folded
from pipeline.dedupe.signatures import signatures
from pipeline.strip.lines import Lines, split_lines, string_buffer
from pipeline.strip.model import load_model
from tests.conftest import examples

pytestmark = pytest.mark.skipif(
    kernels.compiled is None, reason="the kernels were not built: install with a C compiler there to compare them"
)

# Lines of words and signs that the loops treat apart: marks, quotes and blanks beyond ASCII, long words, capitals.
_PIECES = st.sampled_from(
    [
        *[
            "a",
            "The",
            "NATO",
            "2024",
            "extraordinarily",
            "é",
            "中文",
            "don’t",
            "Sign",
            "up",
            "newsletter",
            "Read",
            "more",
            "Share",
            "Photo",
        ],
        *[". ", "! ", "? ", ",", ":", "", "", "@", "#", "^", "~", "`", "“", "—", " ", " ", " ", " "],
        *("x" * 300, "\u00a0", "\u3000", "\ufeff", "\n", "\n\n", "\r\n", "\t", "\x7f", "\x00"),
    ]
)
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


@examples(300)
@given(TEXTS)
def test_words_and_what_they_speak_for(texts: list[str]) -> None:
    """Words, marks, rows of weights and heads are the same from the kernel."""
    assert_same(*both_ways(load_model().read, lines_of(texts)))


@examples(300)
@given(TEXTS)
def test_folded_texts(texts: list[str]) -> None:
    """The bytes that tell texts apart are the same from the kernel."""
    (data, first), (plain, starts) = both_ways(folded, *string_buffer(pa.array(texts, pa.string())))
    assert first.tolist() == starts.tolist()
    assert bytes(data[: first[-1]]) == bytes(plain)


@examples(300)
@given(TEXTS)
def test_signatures(texts: list[str]) -> None:
    """Sketches and bands are the same from the kernel."""
    compiled, plain = both_ways(signatures, pa.array(texts, pa.string()))
    assert compiled.equals(plain)


def test_a_long_line_is_cut_within_a_character() -> None:
    """The bytes around the cut in a long line are blanked alike, wherever a sign of three bytes stands there."""
    for shift in range(12):
        text = "a" * (136 + shift) + "“" * 3 + "b" * 40 + "”é“" * 30 + "c" * (40 + shift)
        assert_same(*both_ways(load_model().read, lines_of([text])))
