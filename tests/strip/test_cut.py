"""Cutting and putting back together."""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.strip.cut import Spans, cut, line_spans, merge, rebuild
from pipeline.strip.lines import split_lines

pytestmark = pytest.mark.usefixtures("either_way")

PIECES = ["body", "Ünïcode é", " ", "\n", "\n", "\r\n", "\r", "\u00a0", "\u200b", "two words", "漢字", "😀"]
TEXTS = st.lists(st.one_of(st.none(), st.lists(st.sampled_from(PIECES), max_size=14).map("".join)), max_size=5)
LINE_BREAK = re.compile("\r\n|\n|\r")
BLANK = " \t\u00a0\u200b"


def cut_lines(text: str, gone: str) -> str:
    """Cut the lines whose content is `gone` out of one text."""
    texts = pa.array([text])
    lines = split_lines(texts)
    label = np.array([lines.text(line) == gone.encode() for line in range(len(lines))], np.uint8)
    spans = line_spans(lines, label, np.zeros(len(lines), np.int32), np.ones(len(lines), np.float32))
    return str(cut(texts, spans, [("model",)])[0][0])


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("A\n\nX\n\nB", "A\n\nB"),
        ("A\n\nX\nB", "A\n\nB"),
        ("A\nX\n\nB\n", "A\n\nB\n"),
        ("A\nX\nB", "A\nB"),
        ("X\n\nA\n\nX", "A"),
        ("\n\nX\n\nA\n", "A\n"),
        ("A\r\n\r\nX\r\n\r\nB\r\n", "A\r\n\r\nB\r\n"),
        ("A\r\n\r\nX", "A"),
        ("A\rX\rB", "A\rB"),
        ("A\n\nX\n\nX\n\n\nB", "A\n\n\nB"),
        ("A\n\n\nX\n\nB", "A\n\n\nB"),
        ("A\n \nX\n\t\nB", "A\n \nB"),
        ("A\rX\r", "A\r"),
        ("A\nX\r\n\r\nB", "A\n\r\nB"),
        ("A\nX", "A"),
        ("A\n\nX\n  ", "A"),
        ("A\nX\n  \n", "A\n"),
        ("  A  \n  X\n  B", "  A  \n  B"),
        ("X", ""),
        ("A", "A"),
    ],
)
def test_paragraphs_stay_apart_as_they_were(text: str, clean: str) -> None:
    """A removed line takes its line break and the smaller gap with it: no hole is left, no paragraphs run together."""
    assert cut_lines(text, "X") == clean


# Texts, a label for each line, and parts of lines as (line, start, length).
Case = tuple[list[str | None], list[int], list[tuple[int, float, float]]]


@st.composite
def judged(draw: st.DrawFn) -> Case:
    """Texts, a label for each line, and parts of lines as (line, where it starts, how long it is), both as shares."""
    texts = draw(TEXTS)
    count = len(split_lines(pa.array(texts, pa.string())))
    labels = draw(st.lists(st.sampled_from([0, 0, 1, 2]), min_size=count, max_size=count))
    share = st.floats(0, 1)
    part = st.tuples(st.integers(0, max(count - 1, 0)), share, share)
    parts = draw(st.lists(part, max_size=3, unique_by=lambda drawn: drawn[0]))
    return texts, labels, parts if count else []


def spans_of(texts: pa.StringArray, labels: list[int], parts: list[tuple[int, float, float]]) -> Spans:
    lines = split_lines(texts)
    whole = line_spans(
        lines, np.array(labels, np.uint8), np.zeros(len(lines), np.int32), np.ones(len(lines), np.float32)
    )
    rows = []
    for line, begin, size in sorted(parts):
        content = lines.text(line).decode()
        low = int(begin * len(content))
        high = min(len(content), low + 1 + int(size * len(content)))
        if low < high:
            start = int(lines.start[line]) + len(content[:low].encode())
            rows.append((lines.document[line], start, start + len(content[low:high].encode()), 3, 0, 0.5))
    columns = list(zip(*rows, strict=True)) or [[]] * 6
    kinds = (np.int32, np.int64, np.int64, np.uint8, np.int32, np.float32)
    return merge(whole, Spans(*(np.array(column, kind) for column, kind in zip(columns, kinds, strict=True))))


@given(judged())
def test_kept_text_and_spans_rebuild_the_input(case: Case) -> None:
    """Whatever is cut, the clean text and the ledger give back every byte."""
    texts = pa.array(case[0], pa.string())
    clean, removed = cut(texts, spans_of(texts, case[1], case[2]), [("model",)])
    clean.validate(full=True)
    removed.validate(full=True)
    assert rebuild(clean, removed).to_pylist() == case[0]


@given(judged())
def test_spans_are_ordered_disjoint_and_hold_their_own_text(
    case: Case,
) -> None:
    """Each span's text is the input between its offsets, on code point edges, after the span before it."""
    texts = pa.array(case[0], pa.string())
    _, removed = cut(texts, spans_of(texts, case[1], case[2]), [("model",)])
    for text, spans in zip(case[0], removed.to_pylist(), strict=True):
        place = 0
        for span in spans:
            assert place <= span["start"] < span["end"]
            assert (text or "").encode()[span["start"] : span["end"]].decode() == span["text"]
            place = span["end"]


@given(judged())
def test_a_kept_line_stays_whole_and_in_order(case: Case) -> None:
    """Without parts, the lines of the clean text are exactly the kept lines of the input."""
    texts = pa.array(case[0], pa.string())
    lines = split_lines(texts)
    clean, _ = cut(texts, spans_of(texts, case[1], []), [("model",)])
    for document, text in enumerate(clean.to_pylist()):
        low, high = lines.first[document], lines.first[document + 1]
        kept = [lines.text(line).decode() for line in range(low, high) if not case[1][line]]
        assert [line.strip(BLANK) for line in LINE_BREAK.split(text or "") if line.strip(BLANK)] == kept


@given(judged())
def test_what_is_cut_are_the_lines_and_the_parts(case: Case) -> None:
    """Each byte of a part is cut with the part's label, each other byte of a removed line with the line's, no more."""
    texts = pa.array(case[0], pa.string())
    whole, parts = spans_of(texts, case[1], []), spans_of(texts, [0] * len(case[1]), case[2])
    expected = bytes_of(whole) | bytes_of(parts)
    assert bytes_of(spans_of(texts, case[1], case[2])) == expected


def bytes_of(spans: Spans) -> dict[int, tuple[float, ...]]:
    """What is said of each byte that is cut; no byte twice."""
    rows = list(zip(spans.document, spans.start, spans.end, spans.label, spans.score, strict=True))
    said = [(byte, (row[0], row[3], row[4])) for row in rows for byte in range(row[1], row[2])]
    assert len(said) == len(dict(said))
    return dict(said)


def test_many_texts_with_spans_at_their_edges_come_back() -> None:
    """Spans that begin where a text begins or end where it ends belong to that text, among hundreds of others."""
    texts = pa.array(["X\nbody\nX", "X", "body", "", "X\nX\nbody", None, "body\nX"] * 100)
    lines = split_lines(texts)
    label = np.array([lines.text(line) == b"X" for line in range(len(lines))], np.uint8)
    spans = line_spans(lines, label, np.zeros(len(lines), np.int32), np.ones(len(lines), np.float32))
    clean, removed = cut(texts, spans, [("model",)])
    assert clean.to_pylist() == ["body", "", "body", "", "body", None, "body"] * 100
    assert rebuild(clean, removed).to_pylist() == texts.to_pylist()


@given(TEXTS)
def test_cutting_nothing_changes_nothing(texts: list[str | None]) -> None:
    """A text without boilerplate comes out as it went in."""
    column = pa.array(texts, pa.string())
    lines = split_lines(column)
    labels = [0] * len(lines)
    assert cut(column, spans_of(column, labels, []), [])[0].to_pylist() == texts
