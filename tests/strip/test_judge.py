"""What the model and repetition add to the rules, line by line of made-up documents with made-up scores."""

from __future__ import annotations

from functools import partial

import numpy as np
import pyarrow as pa
import pytest

from pipeline.records import LABELS
from pipeline.strip import context
from pipeline.strip.judge import THRESHOLDS, judge
from pipeline.strip.lines import split_lines
from pipeline.strip.model import Scores
from pipeline.strip.rules import Rules, load_packs

pytestmark = pytest.mark.usefixtures("either_way")

BODY = (
    "The council voted on Tuesday to keep the old harbour bridge open for another year, and the ferry company agreed."
)
BALANCED = THRESHOLDS["balanced"]
SURE, DOUBTFUL, BELOW, BODY_SCORE = 5.0, BALANCED + 0.5, BALANCED - 0.8, -6.0


@pytest.fixture(scope="module")
def rules() -> Rules:
    """The built-in rules."""
    return load_packs()


def removed(
    rules: Rules, lines: list[tuple[str, float]], *, repeated: list[int] | None = None, label: str = "related"
) -> list[int]:
    """The numbers of the lines that go, of one document of (text, score of the model)."""
    texts = [text for text, _ in lines]
    split = split_lines(pa.array(["\n".join(texts)]))
    verdicts = context.decide(split, rules.match(split), rules)
    scores = Scores(
        np.array([score for _, score in lines], np.float32),
        partial(np.full_like, fill_value=LABELS.index(label), dtype=np.uint8),
        np.zeros((8, len(lines)), np.uint8),
        np.array([texts.count(text) for text in texts], np.uint8),
    )
    again = None
    if repeated is not None:
        again = np.isin(np.arange(len(lines)), repeated)
    verdicts = judge(split, verdicts, scores, BALANCED, np.zeros(0, np.int64), again)
    return np.flatnonzero(verdicts.label).tolist()


def body(count: int) -> list[tuple[str, float]]:
    return [(f"{BODY} Part {number}.", BODY_SCORE) for number in range(count)]


def test_body_stays(rules: Rules) -> None:
    """Nothing goes that neither a rule nor the model speaks against."""
    assert removed(rules, body(4)) == []


def test_a_line_the_model_is_sure_of_goes(rules: Rules) -> None:
    """A score well above the threshold removes a line alone."""
    assert removed(rules, [*body(3), ("Ten quiet beaches", SURE)]) == [3]


def test_where_nothing_is_sure_a_line_needs_more(rules: Rules) -> None:
    """A lone line a little above the threshold stays; beside one that surely goes it does not."""
    assert removed(rules, [*body(3), ("Ten quiet beaches", DOUBTFUL), *body(1)]) == []
    lines = [*body(3), ("Ten quiet beaches", DOUBTFUL), *body(1), ("Eight slow trains", SURE)]
    assert removed(rules, lines) == [3, 5]


def test_the_first_line_needs_more(rules: Rules) -> None:
    """Place names and kickers at the head look like junk."""
    lines = [("HAMBURG", DOUBTFUL), *body(3), ("Eight slow trains", SURE)]
    assert removed(rules, lines) == [4]


def test_a_first_line_like_a_headline_needs_more_still(rules: Rules) -> None:
    """What an article about newsletters is called sounds like one; a date or a counter of its length does not."""
    score, around = BALANCED + 2.0, [*body(3), ("Eight slow trains", SURE)]
    assert removed(rules, [("Why harbour letters arrive late", score), *around]) == [4]
    assert removed(rules, [("Harbour letters, 3 of 14 pages", score), *around]) == [0, 4]
    assert removed(rules, [("Harbour letters", score), *around]) == [0, 4]


def test_a_short_line_follows_its_neighbours(rules: Rules) -> None:
    """Between two lines that go a line below the threshold goes too, but not a sentence, and not far below."""
    around = ("Eight slow trains", SURE), ("Ten quiet beaches", SURE)
    assert removed(rules, [*body(2), around[0], ("From the pier", BELOW), around[1]]) == [2, 3, 4]
    sentence = "The ferry was late again on Wednesday, and nobody at the pier could say why."
    assert removed(rules, [*body(2), around[0], (sentence, BELOW), around[1]]) == [2, 4]
    assert removed(rules, [*body(2), around[0], ("From the pier", -3.0), around[1]]) == [2, 4]


def test_a_template_line_needs_less(rules: Rules) -> None:
    """That a line comes back in a source counts, unless the model is sure that it is body."""
    lines = [*body(2), ("What we know so far", -1.0), *body(1), ("Eight slow trains", SURE)]
    assert removed(rules, lines) == [4]
    assert removed(rules, lines, repeated=[2]) == [2, 4]
    lines[2] = ("What we know so far", -4.0)
    assert removed(rules, lines, repeated=[2]) == [4]


def test_a_list_of_the_article_stays(rules: Rules) -> None:
    """Many lines that only the model would take, in a document of which little surely goes, are nominees or results."""
    nominees = [(f"Nominee {chr(65 + number)}", DOUBTFUL) for number in range(12)]
    lines = [*body(8), *nominees, *body(4), ("Share this article", SURE)]
    assert removed(rules, lines) == [len(lines) - 1]
    assert removed(rules, [*body(8), *nominees[:3], *body(4), ("Share this article", SURE)])[:3] == [8, 9, 10]


def test_speakers_of_an_interview_stay(rules: Rules) -> None:
    """A short line that comes again and again before lines that stay is somebody who speaks."""
    talk = [line for number in range(5) for line in (("ANNA BERG", 2.0), *body(number + 1)[-1:])]
    assert removed(rules, [*body(2), *talk, ("Share this article", SURE)]) == [12]


def test_a_post_that_is_quoted_in_full_stays(rules: Rules) -> None:
    """Embedded posts are part of the article, whatever the model says."""
    post = "We did it — Harbour Board (@harbourboard) July 18, 2020"
    assert removed(rules, [*body(2), (post, SURE), *body(1)]) == []


def test_the_model_names_no_title(rules: Rules) -> None:
    """A line that the model calls a title would be in no column, so it gets another label."""
    texts = [*(text for text, _ in body(3)), "Ten quiet beaches"]
    split = split_lines(pa.array(["\n".join(texts)]))
    verdicts = context.decide(split, rules.match(split), rules)
    title = partial(np.full_like, fill_value=LABELS.index("title"), dtype=np.uint8)
    score = np.array([BODY_SCORE, BODY_SCORE, BODY_SCORE, SURE], np.float32)
    scores = Scores(score, title, np.zeros((8, 4), np.uint8), np.ones(4, np.uint8))
    assert judge(split, verdicts, scores, BALANCED, np.zeros(0, np.int64)).label.tolist() == [
        0,
        0,
        0,
        LABELS.index("other"),
    ]


def test_a_document_that_would_lose_all_its_paragraphs_is_kept_and_flagged(rules: Rules) -> None:
    """The budget: over it every line stays."""
    texts = [f"{BODY} {BODY} Part {number}." for number in range(3)]
    split = split_lines(pa.array(["\n".join(texts)]))
    verdicts = context.decide(split, rules.match(split), rules)
    scores = Scores(
        np.full(3, 9, np.float32),
        partial(np.full_like, fill_value=4, dtype=np.uint8),
        np.zeros((8, 3), np.uint8),
        np.ones(3, np.uint8),
    )
    judged = judge(split, verdicts, scores, BALANCED, np.zeros(0, np.int64))
    assert judged.label.tolist() == [0, 0, 0]
    assert judged.heavy.tolist() == [True]
