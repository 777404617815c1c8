"""Texts as line model, fingerprints and signatures see them: the kernels in C and NumPy agree to the bit."""

from __future__ import annotations

import pyarrow as pa
from hypothesis import given

from pipeline.dedupe.exact import folded
from pipeline.dedupe.signatures import signatures
from pipeline.strip.lines import string_buffer
from pipeline.strip.model import load_model
from tests.conftest import examples
from tests.kernels.twins import NEEDS_KERNELS, TEXTS, assert_same, both_ways, lines_of

pytestmark = NEEDS_KERNELS


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


def test_words_and_signs_across_the_edges_of_blocks() -> None:
    """A text without characters that are words by themselves is read 64 bytes at a time, which no word must show."""
    pieces = ("word ", "“said”", "don’t", "\u00a0", "longer—", "é", "\u20ac5 ", "extraordinarily ")
    texts = ["a" * shift + piece * 40 for shift in range(64) for piece in pieces]
    compiled, plain = both_ways(signatures, pa.array(texts, pa.string()))
    assert compiled.equals(plain)


def test_a_long_line_is_cut_within_a_character() -> None:
    """The bytes around the cut in a long line are blanked alike, wherever a sign of three bytes stands there."""
    for shift in range(12):
        text = "a" * (136 + shift) + "“" * 3 + "b" * 40 + "”é“" * 30 + "c" * (40 + shift)
        assert_same(*both_ways(load_model().read, lines_of([text])))
