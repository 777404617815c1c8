"""Lines as arrays of offsets."""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.strip.lines import chosen_lines, count_words, line_ends, split_lines

pytestmark = pytest.mark.usefixtures("either_way")

LINE_BREAK = re.compile("\r\n|\n|\r")
# What is white space here and in `str.strip`, and what is only here: the zero-width characters.
ZERO_WIDTH = "".join(map(chr, (*range(0x200B, 0x2010), 0x2060, 0xFEFF)))
CONTROL = "".join(map(chr, (*range(0x21), 0x7F)))
SPACES = CONTROL + ZERO_WIDTH + "\u00a0\u0085" + "".join(map(chr, range(0x2000, 0x200B))) + "\u2028\u2029\u202f\u3000"
TEXTS = st.lists(st.one_of(st.none(), st.text(st.sampled_from("ab.!~é漢😀" + SPACES), max_size=40)), max_size=6)


@given(TEXTS)
def test_lines_are_those_of_a_plain_split(texts: list[str | None]) -> None:
    """The arrays hold what splitting at line breaks and stripping white space gives, document by document."""
    lines = split_lines(pa.array(texts, pa.string()))
    found = [[lines.text(i).decode() for i in range(lines.first[d], lines.first[d + 1])] for d in range(len(texts))]
    plain = [[line for line in (raw.strip(SPACES) for raw in LINE_BREAK.split(text or "")) if line] for text in texts]
    assert found == plain


@given(st.lists(st.text(st.sampled_from("ab \r\n"), max_size=20), max_size=4))
def test_a_line_reaches_from_break_to_break(texts: list[str]) -> None:
    """With its white space and its line break, of one byte or two, a line is what stood in the text."""
    lines = split_lines(pa.array(texts, pa.string()))
    found = [lines.buffer[low:high].tobytes().decode() for low, high in zip(lines.begin, lines.stop, strict=True)]
    assert found == [line for text in texts for line in re.findall("[^\r\n]*(?:\r\n|\r|\n|$)", text) if line.strip()]


@given(TEXTS)
def test_a_slice_of_a_column_has_the_lines_of_its_own_texts(texts: list[str | None]) -> None:
    """Offsets are relative to the slice, whatever stands before it in the shared buffer."""
    whole = pa.array(["before\nit", *texts, "after"], pa.string())
    sliced, alone = split_lines(whole[1:-1]), split_lines(pa.array(texts, pa.string()))
    assert sliced.start.tolist() == alone.start.tolist()
    assert sliced.document.tolist() == alone.document.tolist()
    assert sliced.buffer.tobytes() == alone.buffer.tobytes()


@pytest.mark.parametrize("blank", [" " * 100_000, "\u00a0" * 10_000, "\u3000\u200b " * 10_000])
def test_a_line_with_much_white_space_at_its_ends_is_trimmed(blank: str) -> None:
    """However long the white space is, the content is found without walking through it."""
    for text in (f"{blank}content{blank}\n{blank}", f"content{blank}", f"{blank}content", blank):
        lines = split_lines(pa.array([text, "after"]))
        assert [lines.text(line) for line in range(len(lines))] == [b"content", b"after"][text == blank :]


def test_a_column_without_texts_has_no_lines() -> None:
    """However Arrow holds it: with offsets and without."""
    bare = pa.StringArray.from_buffers(0, None, pa.py_buffer(b""))
    for column in (pa.array([], pa.string()), bare, pa.array(["a"])[1:]):
        lines = split_lines(column)
        assert (len(lines), len(lines.buffer), lines.first.tolist(), lines.base.tolist()) == (0, 0, [0], [0])


@given(TEXTS)
def test_words_are_counted_as_python_splits_them(texts: list[str | None]) -> None:
    """Words are what white space separates; zero-width and control characters separate words too."""
    separators = re.compile(f"[{re.escape(SPACES)}]+")
    plain = [len([word for word in separators.split(text or "") if word]) for text in texts]
    assert count_words(pa.array(texts, pa.string())).tolist() == plain


@given(TEXTS, st.data())
def test_chosen_lines_are_the_same_lines_in_a_smaller_buffer(texts: list[str | None], data: st.DataObject) -> None:
    """Content, document and order stay; of the others no byte is left."""
    lines = split_lines(pa.array(texts, pa.string()))
    picks = sorted(data.draw(st.sets(st.sampled_from(range(len(lines)))))) if len(lines) else []
    chosen = chosen_lines(lines, np.array(picks, np.intp))
    assert [chosen.text(line) for line in range(len(chosen))] == [lines.text(line) for line in picks]
    assert chosen.document.tolist() == lines.document[picks].tolist()
    others = set(range(len(lines))) - set(picks)
    assert len(chosen.buffer) == len(lines.buffer) - sum(len(lines.text(line)) for line in others)
    inside = (chosen.base[chosen.document] <= chosen.begin) & (chosen.stop <= chosen.base[chosen.document + 1])
    assert inside.all()
    counts = [sum(int(lines.document[line]) == document for line in picks) for document in range(len(texts))]
    assert np.diff(chosen.first).tolist() == counts


@given(TEXTS, st.integers(1, 9), st.integers(0, 9))
def test_of_long_lines_both_ends_are_left(texts: list[str | None], head: int, tail: int) -> None:
    """A short line is what it was; a blank tells the two ends of a long one apart."""
    lines = split_lines(pa.array(texts, pa.string()))
    ends = line_ends(lines, head, tail)
    for line in range(len(lines)):
        content = lines.text(line)
        whole = len(content) <= head + tail
        assert ends.text(line) == (content if whole else content[: head - 1] + b" " + content[len(content) - tail :])
