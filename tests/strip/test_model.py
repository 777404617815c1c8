"""The line model: the same bits in every batch, and sane on plain cases."""

from __future__ import annotations

import pickle

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.records import LABELS
from pipeline.strip.lines import split_lines
from pipeline.strip.model import STRICTNESS, LineModel, Scores, load_model
from pipeline.strip.model.features import OWN, line_features
from pipeline.strip.model.neighbours import HEADS, NAMES, surroundings
from pipeline.strip.model.tokens import FIRST, SENTENCE, read_words, traits_of
from tests.conftest import examples

_BODY = [
    "The council voted late on Tuesday to close the old bridge, which has carried traffic across the river since 1931.",
    "Engineers had warned for years that its steel was wearing out, and two inspections last winter found new cracks.",
    "“Nobody wants to see it go,” said Maria Keller, who runs a bakery at its northern end. “Nobody wants to fall in.”",
    "Work on a replacement is to begin in spring and will take about three years, the council said in a statement.",
    "Until then drivers will be sent over the motorway, a detour of some eleven kilometres in each direction.",
]
_ASK = "Sign up for our free newsletter and get the latest stories delivered to your inbox every morning."


def _labels(scores: Scores) -> list[int]:
    return scores.label(np.arange(len(scores.score))).tolist()


def _score(texts: list[str]) -> Scores:
    return load_model().score(split_lines(pa.array(texts, pa.string())))


def test_a_newsletter_prompt_goes_and_the_body_around_it_stays() -> None:
    """A plain prompt between paragraphs is over the balanced threshold, no paragraph is."""
    scores = _score(["\n".join([*_BODY[:3], _ASK, *_BODY[3:]])])
    gone = scores.score >= load_model().threshold("balanced")
    assert gone.tolist() == [False, False, False, True, False, False]
    assert LABELS[scores.label(np.array([3]))[0]] == "newsletter"


def test_every_line_would_get_a_label() -> None:
    """Asked for any line, the model names a label that is not "keep"; asked for some, the same ones."""
    scores = _score(["\n".join([*_BODY, _ASK, "Advertisement", "Share"])])
    every = scores.label(np.arange(len(scores.score)))
    assert every.all()
    assert scores.label(np.array([1, 6])).tolist() == every[[1, 6]].tolist()


def test_thresholds_fall_with_strictness() -> None:
    """Careful removes least, thorough most."""
    careful, balanced, thorough = (load_model().threshold(name) for name in STRICTNESS)
    assert careful > balanced > thorough


def test_no_lines_give_no_scores() -> None:
    """A batch without a line is scored too."""
    for texts in ([], [""], ["\n \n"]):
        scores = load_model().score(split_lines(pa.array(texts, pa.string())))
        assert len(scores.score) == len(scores.label(np.arange(0))) == 0


def test_a_model_can_be_pickled() -> None:
    """Worker processes may be handed the model itself."""
    lines = split_lines(pa.array(["\n".join([*_BODY, _ASK])]))
    copy: LineModel = pickle.loads(pickle.dumps(load_model()))
    assert np.array_equal(copy.score(lines).score, load_model().score(lines).score)


_TEXTS = st.lists(
    st.lists(
        st.sampled_from(
            [*_BODY, _ASK, "Share", "—", "»", "2024", "Read more: Old bridge closes", "x" * 700, "日本 語", "\u2028"]
        ),
        max_size=9,
    ).map("\n".join)
    | st.text(max_size=80),
    max_size=5,
)


@examples(60)
@given(_TEXTS)
def test_a_document_scores_the_same_in_every_batch(texts: list[str]) -> None:
    """Scores and labels of a document do not depend on the batch around it, bit for bit."""
    whole = _score(texts)
    alone = [_score([text]) for text in texts]
    empty = [np.zeros(0, np.float32)]
    assert whole.score.tobytes() == np.concatenate(empty + [part.score for part in alone]).tobytes()
    assert _labels(whole) == [label for part in alone for label in _labels(part)]


@examples(60)
@given(_TEXTS)
def test_features_have_their_shapes(texts: list[str]) -> None:
    """One row a name, one column a line."""
    lines = split_lines(pa.array(texts, pa.string()))
    if not len(lines):
        return
    words = read_words(lines)
    own = line_features(lines, traits_of(words))
    assert own.shape == (len(OWN), len(lines))
    heads = np.zeros((len(HEADS), len(lines)), np.uint8)
    assert surroundings(own, heads, lines.first).shape == (len(NAMES), len(lines))
    assert words.spans.stop[-1] == len(words.key) == len(words.flags)


def test_words_know_where_they_stand() -> None:
    """The first word of a line and the first of a sentence are marked; quotes and dashes belong to no word."""
    words = read_words(split_lines(pa.array(["“He left. She — stayed!”\nNo"])))
    assert ((words.flags & FIRST) > 0).tolist() == [True, False, False, False, True]
    assert ((words.flags & SENTENCE) > 0).tolist() == [False, False, True, False, False]


def test_words_do_not_reach_over_texts() -> None:
    """A text without a last line break ends its last word."""
    words = read_words(split_lines(pa.array(["one", "two"]))).spans
    assert (words.begin.tolist(), words.stop.tolist()) == ([0, 1], [1, 2])


@pytest.mark.parametrize("size", [289, 2000, 100_000])
def test_only_both_ends_of_a_long_line_are_read(size: int) -> None:
    """What is in the middle of a long line changes no word."""
    words = read_words(split_lines(pa.array(["a b " * size])))
    assert len(words.key) <= 160
