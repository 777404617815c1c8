"""Rules: examples hold, the word prefilter loses nothing, and a batch changes no answer."""

from __future__ import annotations

import pickle
import random
import string
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import re2
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from pipeline.records import LABELS
from pipeline.strip.lines import split_lines
from pipeline.strip.rules import Rules, approximate, load_packs, search
from pipeline.strip.rules.examples import check_examples
from pipeline.strip.rules.listing import list_rules
from pipeline.strip.rules.loosened import loosened
from pipeline.strip.rules.packs import compile_pattern
from pipeline.strip.rules.plain import HEAD_BYTES, TAIL_BYTES, plain, plain_lines
from pipeline.strip.rules.prefilter import FIRST, LAST, needs_of
from pipeline.strip.rules.schema import Pack
from pipeline.strip.rules.wordkeys import find_word_keys, pair_key, word_key
from tests.conftest import examples


@pytest.fixture(scope="module")
def rules() -> Rules:
    return load_packs()


def _pack(pattern: str, **more: object) -> Pack:
    rule = {"id": "mine.one", "pattern": pattern, "match": ["a", "b"], "no_match": ["c", "d"], **more}
    return Pack.model_validate({"label": "newsletter", "rule": [rule]})


def _hit_lines(rules: Rules, *texts: str) -> list[int]:
    return rules.match(split_lines(pa.array(texts, pa.string()))).line.tolist()


def test_every_example_of_every_pack_holds(rules: Rules) -> None:
    """What a rule says it matches it matches, and what it must leave alone it leaves alone."""
    assert check_examples(rules) == []


def test_a_broken_example_is_reported() -> None:
    """A rule that fails its own proof is listed with the example."""
    failures = check_examples(Rules((_pack("^a$"),)))
    assert [(failure.example, failure.problem) for failure in failures] == [("b", "must match and does not")]


def test_every_label_of_the_cleaner_has_a_pack(rules: Rules) -> None:
    """All labels but the title, and the model's `other`, are found by rules too."""
    assert set(LABELS[1:]) - {rule.label for rule in list_rules(rules)} <= {"title", "other"}


def test_rules_survive_a_process_boundary(rules: Rules) -> None:
    """Pickled rules match the same."""
    text = pa.array(["Sign up for our newsletter\nThe river rose."])
    again = pickle.loads(pickle.dumps(rules))
    assert again.match(split_lines(text)).target.tolist() == rules.match(split_lines(text)).target.tolist()


def test_a_word_never_reaches_over_two_documents() -> None:
    """Texts lie side by side in the buffer, but no word is made of two of them."""
    assert _hit_lines(Rules((_pack(r"\bnewsletter\b"),)), "news", "letter") == []
    assert _hit_lines(Rules((_pack(r"\bletter\b"),)), "news", "letter") == [1]


def test_the_middle_of_a_long_line_is_not_looked_at() -> None:
    """Of a long line only head and tail count."""
    rules = Rules((_pack(r"\bnewsletter\b", span=True),))
    pad = "word " * 100
    assert _hit_lines(rules, f"newsletter {pad}", f"{pad}newsletter", f"{pad}newsletter {pad}") == [0, 1]


@pytest.mark.parametrize("pad", ["", "word " * 100, "“é” " * 120])
def test_a_cut_is_given_in_bytes_of_the_input(pad: str) -> None:
    """A part of a line is found at its true place, whatever signs or elisions come before it."""
    rules = Rules((_pack(r"’s (?P<cut>sign up)$", span=True),))
    text = f"{pad}It\u2019s sign up"
    hits = rules.match(split_lines(pa.array([text])))
    cut = text.encode()[hits.start[0] : hits.end[0]]
    assert cut == b"sign up"


def test_head_and_tail_conditions_count_lines_of_the_document() -> None:
    """A rule for the first line leaves the others alone."""
    rules = Rules((_pack(r"\bsign up\b", where={"head": 1}),))
    assert _hit_lines(rules, "sign up\nsign up", "sign up") == [0, 2]


def test_a_whole_line_rule_leaves_long_lines_alone() -> None:
    """Without a limit of its own a rule does not take a paragraph away."""
    assert _hit_lines(Rules((_pack(r"\bsign up\b"),)), "sign up " + "word " * 120) == []


def test_an_answer_does_not_depend_on_the_batch(rules: Rules) -> None:
    """A document gets the same hits alone and among others, in a fresh matcher and in a used one."""
    samples = [rule.match[0] for pack in rules.packs for rule in pack.rule]
    random.Random(5).shuffle(samples)
    documents = ["\n".join(samples[place : place + 7]) for place in range(0, len(samples), 7)]
    together = split_lines(pa.array(documents))
    hits = load_packs().match(together)
    rules.match(together)
    for number, document in enumerate(documents):
        alone = rules.match(split_lines(pa.array([document])))
        mine = together.document[hits.line] == number
        assert (hits.line[mine] - together.first[number]).tolist() == alone.line.tolist()
        assert hits.target[mine].tolist() == alone.target.tolist()


_SIGNS = string.ascii_letters[:6] + " .-9é’"
_ATOMS = st.sampled_from(
    [
        "a",
        "bc",
        "sign",
        "news",
        r"\b",
        r"\s",
        r"\W",
        ".",
        "[ab]",
        "[^a]",
        "(?:a|bc)",
        "(?:up|)",
        "é",
        " ",
        "^",
        "$",
        r"\d",
        r"[\s-]",
    ]
)
_PATTERNS = st.lists(st.tuples(_ATOMS, st.sampled_from(["", "", "?", "*", "+", "{1,2}"])), min_size=1, max_size=6).map(
    lambda parts: "".join(
        atom if atom in (r"\b", "^", "$") else f"(?:{atom}){times}" if times else atom for atom, times in parts
    )
)


@settings(examples(300), suppress_health_check=[HealthCheck.filter_too_much])
@given(
    _PATTERNS,
    st.lists(st.sampled_from(["a", "b", "bc", "sign", "news", "up", " ", "é", "-", "9", "A"]), max_size=9).map("".join),
)
def test_the_prefilter_never_loses_a_match(pattern: str, text: str) -> None:
    """Whatever RE2 matches holds a word of every required set, in its place, however coarse the approximation."""
    assume(compile_pattern(pattern, "test").search(text.encode()) is not None)
    words = find_word_keys(np.frombuffer(text.encode(), np.uint8)).key.tolist()
    pairs = (pair_key(one, other) for one, other in pairwise(words))
    keys = {*words, *pairs, *(word | FIRST for word in words[:1]), *(word | LAST for word in words[-1:])}
    for most in (3, 12, 400):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(approximate, "_MOST_STRINGS", most)
            for required in needs_of(pattern).words:
                assert keys & required, (pattern, text, most)


@given(st.text(alphabet=_SIGNS, max_size=40))
def test_words_are_runs_of_letters(text: str) -> None:
    """Vectorised word keys equal those of a plain split."""
    data = text.encode()
    runs = re2.findall(rb"[A-Za-z]+", data)
    words = find_word_keys(np.frombuffer(data, np.uint8))
    assert words.key.tolist() == [word_key(run.decode()) for run in runs]


@given(st.text(max_size=900))
def test_plain_text_stays_utf8(text: str) -> None:
    """What patterns see is valid UTF-8 and no longer than head, tail and the break between them."""
    seen = plain(text.encode("utf-8", "ignore"))
    seen.decode()
    assert len(seen) <= HEAD_BYTES + TAIL_BYTES + 1


@given(st.lists(st.text(st.characters(exclude_characters="\r\n", codec="utf-8"), max_size=700), max_size=5))
def test_many_lines_are_made_plain_as_one_is(texts: list[str]) -> None:
    """Doing all at once changes nothing."""
    contents = [text.encode() for text in texts]
    buffer, stop = (
        np.frombuffer(b"".join(contents), np.uint8),
        np.cumsum([len(text) for text in contents], dtype=np.int64),
    )
    start = stop - np.array([len(text) for text in contents], np.int64)
    data, edges = plain_lines(buffer, start, stop)
    assert [data[low:high] for low, high in pairwise(edges.tolist())] == [plain(text) + b"\n" for text in contents]


def test_lines_copied_out_a_pattern_at_a_time_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """How many searches' lines are copied out together decides about memory, not about what is found."""
    texts = [text for pack in load_packs().packs for rule in pack.rule for text in (*rule.match, *rule.no_match)]
    lines = split_lines(pa.array(["\n".join(texts)], pa.string()))
    together = load_packs().match(lines)
    copied: list[int] = []
    side_by_side = search.Search._side_by_side

    def counted(*given: Any) -> bytes:
        copied.append(len(set(given[3].tolist())))
        return side_by_side(*given)

    monkeypatch.setattr(search, "_BYTES_AT_ONCE", 1)
    monkeypatch.setattr(search.Search, "_side_by_side", counted)
    alone = load_packs().match(lines)
    assert set(copied) == {1}
    assert all(np.array_equal(one, other) for one, other in zip(together, alone, strict=True))


_COUNTED = st.lists(
    st.tuples(_ATOMS, st.sampled_from(["", "", "{0,2}", "{1,3}", "{2}", "{1,}", "{0,3}?", "*"]), st.booleans()),
    min_size=1,
    max_size=5,
).map(
    lambda parts: "".join(
        atom if atom in (r"\b", "^", "$") else f"(?:{atom}{times}){{1,2}}" if wrapped else f"{atom}{times}"
        for atom, times, wrapped in parts
    )
)
_PIECES = ["a", "b", "bc", "sign", "news", "up", " ", "  ", "é", "’", "-", "9", "A"]


@settings(examples(300), suppress_health_check=[HealthCheck.filter_too_much])
@given(_COUNTED, st.lists(st.lists(st.sampled_from(_PIECES), min_size=1, max_size=9).map("".join), max_size=4))
def test_a_loosened_pattern_touches_every_match(pattern: str, texts: list[str]) -> None:
    """It misses no line that the pattern matches, and is sure of none that the pattern does not match."""
    exact, form = compile_pattern(pattern, "test"), loosened(pattern)
    loose = compile_pattern(form.pattern, "test", cased=form.lowered)
    lines = [text.encode() for text in texts]
    joined, place = b"\n".join(lines), 0
    joined = joined.lower() if form.lowered else joined
    found = list(loose.finditer(joined))
    for line in lines:
        edges = place, place + len(line)
        touching = [match for match in found if match.start() <= edges[1] and match.end() >= edges[0]]
        inside = [match for match in touching if match.start() >= edges[0] and match.end() <= edges[1]]
        matches = exact.search(line) is not None
        assert touching or not matches, (pattern, form, line)
        assert matches or not any(form.confirms(match.span, joined) for match in inside), (pattern, line)
        place = edges[1] + 1


@pytest.mark.parametrize(
    ("pattern", "form"),
    [
        (r"(?P<cut>a.{3})(B)", r"(?m)(?:a(.*?))(?:b)"),
        (r"[A-Z][+-Z]Ü", r"(?m)[A-Z][+-Z]Ü"),
        (r"\Aa\z|(?-m)b|(?im:c)|(?-i:D)", r"(?m)^a$|b|(?i:c)|(?-i:D)"),
        (r"[.{3}]X{3}\.{3}[^]\WA-Z]{2,}?", r"(?m)[.{3}]x{3}\.{3}([^]\Wa-z]*?)"),
    ],
)
def test_what_is_loosened(pattern: str, form: str) -> None:
    """Counted classes alone, and no other group is left; edges of a text become those of a line."""
    assert loosened(pattern).pattern == form


def test_letters_whose_other_case_is_ascii() -> None:
    """The long s and the sign for kelvin are an s and a k to every pattern, whatever case it is searched in."""
    texts = ("sign up", "sign up s", "sign up S", "Sign up \u017f", "sign up \u212a")
    assert _hit_lines(Rules((_pack(r"\bsign up\b.*s$"),)), *texts) == [1, 2, 3]
    assert _hit_lines(Rules((_pack(r"\bsign up\b[^s]*$"),)), *texts) == [0, 4]
    assert _hit_lines(Rules((_pack(r"\bsign up\b.*[k]$"),)), *texts) == [4]


def test_the_edges_of_a_text_are_those_of_each_line() -> None:
    r"""A pattern that begins with `\A` or switches lines off matches lines in any place of a batch."""
    for pattern in (r"\Asign up\z", r"(?-m)^sign up$"):
        assert _hit_lines(Rules((_pack(pattern),)), "body sign up\nsign up\nbody", "sign up") == [1, 3]


def test_a_veto_leaves_the_line_alone() -> None:
    """A line that matches `unless` too is not hit."""
    rules = Rules((_pack(r"\bsign up\b", unless=r"\bsaid\b"),))
    assert _hit_lines(rules, "sign up here\nsign up, he said") == [0]


def test_an_unquoted_rule_leaves_speech_alone() -> None:
    """A line that begins with a quotation mark of any form is not hit."""
    rules = Rules((_pack(r"\bsign up\b", where={"unquoted": True}),))
    assert _hit_lines(rules, "sign up", "“sign up”", '"sign up"', "«sign up»", "„sign up“", "‘sign up’") == [0]


def test_equal_lines_get_equal_hits() -> None:
    """A short line is searched once, and what was found holds for each of its copies."""
    rules = Rules((_pack(r"\bsign up\b"),))
    assert _hit_lines(rules, "sign up\nbody\nsign up", "sign up") == [0, 2, 3]
    assert _hit_lines(rules, "sign up\nsign up") == [0, 1]


def test_a_search_that_fails_is_not_remembered() -> None:
    """What was to be remembered of lines whose search broke off is found anew."""
    rules = Rules((_pack(r"\bsign up\b"),))
    assert _hit_lines(rules, "body") == []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rules, "_search", None)
        with pytest.raises(TypeError):
            _hit_lines(rules, "sign up\nbody")
    assert _hit_lines(rules, "body\nsign up", "sign up") == [1, 2]
