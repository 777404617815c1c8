"""The decision over lines: support, blocks, names, and the budget."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from pipeline.records import LABELS
from pipeline.strip import context
from pipeline.strip.lines import Lines, split_lines
from pipeline.strip.rules import Hits, Rules
from pipeline.strip.rules.schema import Pack

pytestmark = pytest.mark.usefixtures("either_way")

BODY = "The council met on Monday and decided, after a long debate, to keep the old bridge open for another year."
LONG = f"{BODY} {BODY} {BODY}"


def _rules() -> Rules:
    proof = {"match": ["a", "b"], "no_match": ["c", "d"]}
    example = [{"lines": ["a"], "removed": []}] * 2
    pack = {
        "label": "newsletter",
        "rule": [
            {"id": "t.strong", "pattern": r"\bstrong\b", **proof},
            {"id": "t.weak", "pattern": r"\bweak\b", "strength": "weak", **proof},
            {"id": "t.span", "pattern": r"(?P<cut> \btail\b)$", "span": True, **proof},
        ],
        "block": [
            {
                "id": "t.block",
                "starts": r"^open\b",
                "ends": r"^close\b",
                "stops": r"\bstop\b",
                "max_lines": 5,
                "example": example,
            },
            {"id": "t.list", "starts": r"^list\b", "inner_max_length": 30, "max_lines": 6, "example": example},
        ],
    }
    return Rules((Pack.model_validate(pack),))


RULES = _rules()


def _decide(*documents: str) -> tuple[Lines, Hits, context.Verdicts]:
    lines = split_lines(pa.array(list(documents), pa.string()))
    hits = RULES.match(lines)
    return lines, hits, context.decide(lines, hits, RULES)


def _kept(document: str) -> list[str]:
    lines, _, verdicts = _decide(document)
    return [lines.text(line).decode() for line in range(len(lines)) if not verdicts.label[line]]


def test_no_lines_no_verdicts() -> None:
    """An empty batch and empty texts are decided without a word."""
    assert len(_decide()[2].label) == 0
    assert len(_decide("", "\n")[2].label) == 0


def test_a_document_without_hits_is_untouched() -> None:
    """Body text stays."""
    assert _kept(f"{BODY}\n{LONG}") == [BODY, LONG]


def test_a_strong_hit_goes_alone() -> None:
    """A strong rule needs no support."""
    assert _kept(f"{BODY}\nstrong\n{LONG}") == [BODY, LONG]


def test_a_lone_weak_hit_stays() -> None:
    """A weak rule is only evidence."""
    assert _kept(f"{BODY}\nweak\n{LONG}") == [BODY, "weak", LONG]


def test_a_weak_hit_goes_with_its_neighbour() -> None:
    """Beside a line that goes, a weak hit goes too; both verdicts are kept."""
    _lines, hits, verdicts = _decide(f"{BODY}\nweak\nstrong\n{LONG}")
    assert verdicts.label.tolist() == [0, 1, 1, 0]
    assert verdicts.alone.tolist() == [0, 0, 1, 0]
    assert context.evidence_words(verdicts, hits, RULES, 1) == ["rule:t.weak", "context"]
    assert context.evidence_words(verdicts, hits, RULES, 2) == ["rule:t.strong"]


def test_three_weak_hits_in_a_row_go() -> None:
    """A run of suspects supports itself."""
    assert _kept(f"{BODY}\nweak one\nweak two\nweak three\n{LONG}") == [BODY, LONG]


def test_support_ends_with_the_document() -> None:
    """The last line of one document does not support the first of the next."""
    _lines, _, verdicts = _decide(f"{LONG}\nstrong", f"weak\n{LONG}")
    assert verdicts.label.tolist() == [0, 1, 0, 0]


def test_a_block_goes_from_opener_to_closer() -> None:
    """Lines without a cue go when they stand inside."""
    assert _kept(f"{LONG}\nopen\nquite plain\nclose\n{BODY}") == [LONG, BODY]


@pytest.mark.parametrize("inside", ["stop", "1\n2\n3\n4\n5", "x " * 900])
def test_a_block_without_a_lawful_end_stays(inside: str) -> None:
    """A stop, too many lines or a very long line means that it is no block."""
    document = f"{LONG}\nopen\n{inside}\nclose\n{BODY}"
    assert _kept(document) == [line.strip() for line in document.split("\n")]


def test_a_list_ends_at_the_first_long_line() -> None:
    """A block without a closer takes short lines only."""
    assert _kept(f"list\none\ntwo\n{LONG}\nthree") == [LONG, "three"]


def test_the_senders_name_goes_with_the_appeal() -> None:
    """A short line goes if the appeal beside it says the same words, and stays if not."""
    assert _kept(f"{LONG}\nThe Post\nstrong words of the post\n{BODY}") == [LONG, BODY]
    assert _kept(f"{LONG}\nThe Pier\nstrong words of the post\n{BODY}") == [LONG, "The Pier", BODY]


def test_a_name_in_another_document_stays() -> None:
    """The end of one document is no neighbour of an appeal at the head of the next."""
    lines, _, verdicts = _decide(f"{LONG}\nThe Harbour Post", f"strong from The Harbour Post\n{LONG}\n{LONG}")
    assert [lines.text(line).decode() for line in np.flatnonzero(verdicts.label)] == ["strong from The Harbour Post"]


def test_a_part_of_a_line_is_a_span() -> None:
    """A span rule leaves the rest of the line."""
    lines, _, verdicts = _decide(f"Headline tail\n{LONG}")
    assert verdicts.label.tolist() == [0, 0]
    assert lines.buffer[verdicts.span_start[0] : verdicts.span_end[0]].tobytes() == b" tail"


def test_a_document_that_would_lose_every_long_line_is_kept_whole() -> None:
    """Over the budget everything stays and the document is flagged."""
    text = f"strong\nopen\n{LONG}\nclose"
    _lines, _, verdicts = _decide(text, f"strong\n{LONG}")
    assert verdicts.heavy.tolist() == [True, False]
    assert verdicts.label.tolist() == [0, 0, 0, 0, 1, 0]


def test_a_notice_that_is_the_only_long_line_goes() -> None:
    """Where paragraphs are short, a long notice at their end is no reason to keep a document whole."""
    paragraphs = [BODY] * 6
    assert _kept("\n".join([*paragraphs, f"strong {LONG[:240]}"])) == paragraphs
    _, _, verdicts = _decide("\n".join([*paragraphs[:3], f"strong {LONG}"]))
    assert verdicts.heavy.tolist() == [True]


def test_a_headline_that_looks_like_a_link_stays() -> None:
    """The first line is this article's own where the next one stays, and one of many links where that goes too."""
    links = {"id": "t.link", "pattern": "^Opinion: ", "match": ["Opinion: a", "Opinion: b"], "no_match": ["c", "d"]}
    rules = Rules((Pack.model_validate({"label": "related", "rule": [links]}),))
    texts = [f"Opinion: one\n{BODY}\nOpinion: two", f"Opinion: one\nOpinion: two\n{BODY}", "Opinion: one"]
    lines = split_lines(pa.array(texts, pa.string()))
    verdicts = context.decide(lines, rules.match(lines), rules)
    link = LABELS.index("related")
    assert verdicts.alone.tolist() == [link, 0, link, link, link, 0, link]
    assert verdicts.label.tolist() == [0, 0, link, link, link, 0, 0]  # the last would be nothing: over the budget
    assert verdicts.evidence[0] == 0


def test_labels_are_those_of_the_pack() -> None:
    """The verdict names the pack's label."""
    _, _, verdicts = _decide(f"strong\n{LONG}")
    assert LABELS[verdicts.label[0]] == "newsletter"


def test_short_lines_between_two_parts_of_a_request_go() -> None:
    """The names in a list of newsletters carry no cue; their neighbours above and below do. A longer gap is body."""
    assert _kept(f"{LONG}\nstrong\nPlants\nstrong\n{BODY}") == [LONG, BODY]
    assert _kept(f"{LONG}\nstrong\n{BODY}\nstrong\n{BODY}") == [LONG, BODY, BODY]
    assert _kept(f"{LONG}\nstrong\none\ntwo\nthree\nstrong\n{BODY}") == [LONG, "one", "two", "three", BODY]
