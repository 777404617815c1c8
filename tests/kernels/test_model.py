"""The line model's kernels give what NumPy gives, to the bit, and refuse arrays that do not fit together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import kernels
from pipeline.strip.lines import Lines, split_lines
from pipeline.strip.model import LineModel, Reading, load_model
from pipeline.strip.model.features import OWN, line_features
from pipeline.strip.model.neighbours import NAMES, surroundings
from pipeline.strip.model.tokens import FLAG_UNIT, HEAD, MARK_UNIT, TAIL
from tests.conftest import examples
from tests.kernels.twins import NEEDS_KERNELS, assert_same, both_ways

pytestmark = NEEDS_KERNELS

# Lines that come again within a document, names and long words that do, ends of every kind.
_LINES = st.sampled_from(
    [
        "Share",
        "Sign up for our free newsletter and get the latest stories delivered to your inbox every morning.",
        "“Nobody wants to see it go,” said Maria Keller, who runs a bakery at its northern end. “Nobody wants that.”",
        "The mayor, Maria Keller, had promised a replacement for the bridge by Christmas; replacement works began.",
        "Read more: Maria Keller on the replacement (2024)",
        "‘Never again!’",
        "And then…",
        "(What did Keller say?)",
        "12:30 | 4 May 2024",
        "日本 語",
        "NASA AND ESA AGREE — EXTRAORDINARILY",
        "—",
        *".!?:,;-'\"])a9é",
    ]
)
_PIECES = st.lists(st.sampled_from([*"aB9.!?:'\")] é", "“", "”", "…", "Keller ", "replacement "]), max_size=6).map(
    "".join
)
TEXTS = st.lists(st.lists(_LINES | _PIECES, max_size=24).map("\n".join), max_size=6)


def lines_of(texts: list[str]) -> Lines:
    return split_lines(pa.array(texts, pa.string()))


def table_of(lines: Lines, reading: Reading) -> Any:
    """The features of lines and of what is around them, each in its own array."""
    own = line_features(lines, reading.traits)
    return own, surroundings(own, reading.heads, lines.first)


def score_of(lines: Lines, reading: Reading | None = None) -> Any:
    """Scores, heads and copies, and the label of every line and of every third one."""
    scores = load_model().score(lines, reading)
    some = [scores.label(np.arange(0, len(lines), step)) for step in (1, 3)]
    return scores.score, scores.heads, scores.copies, *some


def assert_both_the_same(texts: list[str]) -> None:
    lines = lines_of(texts)
    assert_same(*both_ways(table_of, lines, load_model().read(lines)))
    assert_same(*both_ways(score_of, lines))


@examples(200)
@given(TEXTS)
def test_features_scores_and_labels(texts: list[str]) -> None:
    """Documents with lines and names that come again, empty documents, and documents of one line are scored alike."""
    assert_both_the_same(texts)


@examples(100)
@given(st.lists(st.text(max_size=60), max_size=5))
def test_any_text_is_scored_alike(texts: list[str]) -> None:
    """Whatever a text consists of, kernel and twin agree on it."""
    assert_both_the_same(texts)


@pytest.mark.parametrize("seed", range(3))
def test_thousands_of_lines_in_a_document(seed: int) -> None:
    """Counts beyond a byte, gaps beyond 254 lines, and many keys in one table of places are found alike."""
    draw = np.random.default_rng(seed)
    words = [
        f"{letter}{number}" for letter in ("Name", "replacementword", "x") for number in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    ]
    chosen = [" ".join(draw.choice(words, draw.integers(1, 9))) for _ in range(700)]
    prose = "Engineers had warned for years that its steel was wearing out, and two inspections found new cracks there."
    many = [chosen[number] if number < 690 else prose for number in draw.integers(0, 700, 5000)]
    assert_both_the_same(["\n".join(many), "", "Share", "\n".join(["Share"] * 900), "\n".join([prose] * 40)])


def test_long_lines_and_lines_of_many_words() -> None:
    """Lines cut in the middle, and lines with as many words as can be, are scored alike."""
    texts = ["\n".join(["a " * 300, "Ab " * 80, "9 " * 120, "x" * 4000, "A. " * 78, "é" * 1000, "-" * 2_000_000])]
    assert_both_the_same(texts)


@examples(100)
@given(TEXTS, st.randoms(use_true_random=False))
def test_lines_that_stay_are_scored_as_if_they_were_all(texts: list[str], random: Any) -> None:
    """What was read of all lines gives the same scores of some as reading these alone does, from kernel and twin."""
    lines = lines_of(texts)
    chosen = np.flatnonzero([random.random() < 0.6 for _ in range(len(lines))])
    some = lines.take(chosen)
    taken = load_model().read(lines).take(chosen)
    assert_same(*both_ways(score_of, some, taken))
    assert_same(score_of(some, taken), score_of(some))


def test_no_lines() -> None:
    """A batch without lines, or without documents, is fine."""
    for texts in ([], [""], ["", ""]):
        assert_both_the_same(texts)


def test_the_rows_are_those_that_have_names() -> None:
    """The table of the kernels has as many rows as there are names: another number is refused."""
    lines = lines_of(["One line.\nAnother"])
    reading = load_model().read(lines)
    for rows in (len(OWN) - 1, len(OWN) + 1):
        with pytest.raises(ValueError, match="out holds"):
            line_features(lines, reading.traits, np.empty((rows, 2), np.uint8))
    own = line_features(lines, reading.traits)
    for rows in (len(NAMES) - 1, len(NAMES) + 1):
        with pytest.raises(ValueError, match="out holds"):
            surroundings(own, reading.heads, lines.first, np.empty((rows, 2), np.uint8))


def refuses(function: Callable[..., Any], arguments: dict[str, Any], wrong: dict[str, list[Any]]) -> None:
    """Every wrong value of an argument is refused, and the right ones are taken."""
    function(*arguments.values())
    for name, values in wrong.items():
        for value in values:
            with pytest.raises(
                ValueError, match=r"holds|head|index|range|order|line|word|tree|row|chosen|classes|labels"
            ):
                function(*{**arguments, name: value}.values())


def sample() -> tuple[LineModel, Lines, Reading, Any]:
    model, lines = load_model(), lines_of(["Maria Keller said so.\nSign up for our newsletter", "Share"])
    reading = model.read(lines)
    return model, lines, reading, table_of(lines, reading)


def cut(array: Any) -> Any:
    """An array without its last value."""
    return np.ascontiguousarray(array.ravel()[:-1])


def test_reading_checks_its_offsets() -> None:
    """Lines beyond the buffer, too little room for words, an index of rows that are not there are refused."""
    model, lines, _, _ = sample()
    room = 40
    arguments = {
        "buffer": lines.buffer, "start": lines.start, "end": lines.end, "head": HEAD, "tail": TAIL,
        "mark_unit": MARK_UNIT, "flag_unit": FLAG_UNIT, "index": model._index, "weights": model._head_weights,
        "scale": model._scale, "bias": model._head_bias, "first": np.empty(4, np.int64), "told": np.empty(4, np.int64),
        **{name: np.empty(3, np.uint64) for name in ("whole", "marks", "kinds")}, "telling": np.empty(room, np.uint64),
        "word": np.empty(room, np.uint16), "pair": np.empty(room, np.uint16), "line": np.empty(3, np.uint16),
        "heads": np.empty((8, 3), np.uint8),
    }  # fmt: skip
    wrong = {name: [cut(value)] for name, value in arguments.items() if isinstance(value, np.ndarray)}
    del wrong["buffer"]
    wrong["start"] += [lines.start - 1, lines.end[::-1].copy()]
    wrong["end"] += [lines.end + 1, lines.start - 1]
    wrong["index"] += [model._index + (np.uint64(20000) << np.uint64(32)), np.full_like(model._index, 2**64 - 1)]
    wrong |= {"head": [0, -1, 250], "tail": [-1, 200]}
    refuses(kernels.compiled.read_lines, arguments, wrong)
    few = {name: np.empty(5, arguments[name].dtype) for name in ("telling", "word", "pair")}
    with pytest.raises(ValueError, match="no room"):
        kernels.compiled.read_lines(*{**arguments, **few}.values())


def test_features_check_their_offsets() -> None:
    """Lines and words beyond their buffers, documents that do not cover all lines, and short arrays are refused."""
    _, lines, reading, (own, _) = sample()
    traits, classes = reading.traits, np.zeros(256, np.uint8)
    words, told = traits.words, traits.told
    arguments = {
        "buffer": lines.buffer, "start": lines.start, "end": lines.end, "first": lines.first, "begin": words.begin,
        "stop": words.stop, "told": told.begin, "told_stop": told.stop, "whole": traits.whole, "marks": traits.marks,
        "kinds": traits.kinds, "telling": traits.telling, "classes": classes, "out": np.empty_like(own),
    }  # fmt: skip
    many = told.stop.copy()
    many[-1] += 1
    wrong = {
        "start": [cut(lines.start), lines.start - 1, lines.end, lines.end + 1],
        "end": [cut(lines.end), lines.end + 1],
        "first": [cut(lines.first), lines.first + 1, lines.first[::-1].copy(), np.zeros(0, np.int64)],
        "begin": [cut(words.begin), words.begin - 1],
        "stop": [cut(words.stop), words.stop + 300],
        "told": [cut(told.begin), told.begin - 1],
        "told_stop": [cut(told.stop), many],
        "classes": [cut(classes), classes + 9],
        **{name: [cut(arguments[name])] for name in ("whole", "marks", "kinds", "telling", "out")},
    }
    refuses(kernels.compiled.line_features, arguments, wrong)


def test_surroundings_check_their_offsets() -> None:
    """Documents that do not cover all lines, and short arrays, are refused."""
    _, lines, reading, (own, around) = sample()
    arguments = {"own": own, "heads": reading.heads, "first": lines.first, "out": np.empty_like(around)}
    first = [cut(lines.first), lines.first + 1, lines.first[::-1].copy(), np.array([0, 5, 3]), np.zeros(0, np.int64)]
    wrong = {name: [cut(array)] for name, array in arguments.items()} | {"first": first}
    refuses(kernels.compiled.surroundings, arguments, wrong)


def test_trees_ask_about_features_that_are_there() -> None:
    """A tree that asks about a row beyond the table, and short arrays, are refused."""
    model, _, _, (_, around) = sample()
    total = np.zeros(around.shape[1], np.int32)
    feature, border, leaf = model._feature, model._border, model._leaf
    arguments = {"around": around, "feature": feature, "border": border, "leaf": leaf, "total": total}
    wrong = {name: [cut(arguments[name])] for name in ("around", "feature", "border", "leaf")}
    wrong["feature"] += [feature + len(NAMES)]
    refuses(kernels.compiled.sum_trees, arguments, wrong)


def test_labels_check_their_lines_and_rows() -> None:
    """Lines that are not there, words beyond their arrays, rows without weights, and short arrays are refused."""
    model, _, reading, (_, around) = sample()
    words, (word, pair, line) = reading.traits.words, reading.rows
    arguments = {
        "around": around, "feature": model._label_feature, "border": model._label_border, "leaf": model._label_leaf,
        "tree_bias": model._label_tree_bias, "tree_unit": 1.0, "weights": model._labels, "scale": model._scale,
        "word_bias": model._label_bias, "word_unit": 1.0, "begin": words.begin, "stop": words.stop, "word": word,
        "pair": pair, "line": line, "chosen": np.arange(3), "label": np.empty(3, np.uint8),
    }  # fmt: skip
    wrong = {name: [cut(value)] for name, value in arguments.items() if isinstance(value, np.ndarray)}
    wrong["chosen"] += [np.arange(3) + 1, np.arange(3) - 1]
    wrong["feature"] += [model._label_feature + len(NAMES)]
    wrong["begin"] += [words.begin - 1]
    wrong["stop"] += [words.stop + 1]
    for name, rows in (("word", word), ("pair", pair), ("line", line)):
        wrong[name] += [np.full_like(rows, len(model._labels))]
    refuses(kernels.compiled.label_lines, arguments, wrong)


def test_a_score_sums_more_trees_than_one_sum_of_16_bits_takes() -> None:
    """Weights with some hundred trees more, all of them saying the most they can, score alike."""
    model = load_model()
    more = LineModel.__new__(LineModel)
    more.__dict__ = dict(model.__dict__)
    for name in ("_feature", "_border", "_leaf"):
        setattr(more, name, np.concatenate([getattr(model, name)] * 3))
    more._leaf[:] = 127
    around = np.random.default_rng(0).integers(0, 256, (len(NAMES), 1100)).astype(np.uint8)
    assert_same((one := both_ways(more._trees, around))[:1], one[1:])
