"""What the rules let C do gives what NumPy gives, and no offset is believed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import kernels
from pipeline.strip.lines import Lines
from pipeline.strip.rules import candidates, load_packs, seen
from pipeline.strip.rules.candidates import Candidates
from pipeline.strip.rules.plain import begin_with_quote, begins_with_quote, plain_lines
from pipeline.strip.rules.prefilter import needs_of
from pipeline.strip.rules.search import Matches
from pipeline.strip.rules.seen import Seen
from tests.conftest import examples
from tests.kernels.twins import NEEDS_KERNELS, TEXTS, assert_same, both_ways, lines_of

pytestmark = NEEDS_KERNELS

PATTERNS = (
    r"\bsign up\b",
    r"^read\b",
    r"\bmore\b.{0,20}\bnewsletter$",
    r"\b(?:share|photo)\b.*\b(?:nato|the)\b",
    r"^\W*$",
    r"\d{4}",
    r"@|\|",
    "",
)
INDEX = Candidates([needs_of(pattern) for pattern in PATTERNS])
NOBODY = Candidates([])
WORDLESS = Candidates([needs_of(r"^-$")])
# Long lines, and words at both of the places where they are cut.
WIDE = st.tuples(st.integers(0, 30), st.sampled_from(["a", "é ", "“", "中", "sign "]), st.integers(0, 300)).map(
    lambda parts: "x" * parts[0] + "Sign up " + parts[1] * parts[2] + "newsletter"
)
BATCHES = TEXTS | st.lists(WIDE, max_size=4)


def some_of(lines: Lines, every: int) -> Any:
    return np.arange(0, len(lines), every, dtype=np.int64)


@examples(300)
@given(BATCHES, st.integers(1, 3), st.sampled_from([0, 40]))
def test_patterns_that_lines_could_match(texts: list[str], every: int, room: int) -> None:
    """Pairs of line and pattern are the same from the kernel, however little room it gets at a time."""
    lines = lines_of(texts)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(candidates, "_PAIRS_AT_ONCE", room)
        for index in (INDEX, NOBODY, WORDLESS):
            assert_same(*both_ways(index.find, lines, some_of(lines, every)))


def test_all_rules_on_their_own_examples() -> None:
    """The built-in packs, on lines that are full of the words they ask for."""
    rules = load_packs()
    lines = lines_of(["\n".join(rule.match) for pack in rules.packs for rule in pack.rule])
    assert_same(*both_ways(rules._index.find, lines, some_of(lines, 1)))


@examples(100)
@given(st.lists(BATCHES, min_size=1, max_size=4), st.sampled_from([0, 5, 1000]))
def test_lines_seen_before(batches: list[list[str]], room: int) -> None:
    """Equal lines, lines of earlier batches and a full memory are told alike, and all lines get their own matches."""

    def see() -> list[Any]:
        memory, answers = Seen(), []
        for texts in batches:
            lines = lines_of(texts)
            sighting = memory.look_up(lines, some_of(lines, 1))
            line, size = sighting.unknown, lines.end - lines.start
            found = np.stack([size[line], lines.buffer[lines.start[line]], line * 0], axis=1).astype(np.int64)
            odd = size[line] % 2 == 1  # the others match nothing
            matches = memory.matches(sighting, Matches(line[odd], found[odd]))
            assert matches.line.tolist() == np.flatnonzero(size % 2 == 1).tolist()
            assert matches.found[:, 0].tolist() == size[matches.line].tolist()
            assert matches.found[:, 1].tolist() == lines.buffer[lines.start[matches.line]].tolist()
            answers.append((*sighting, *matches))
        return answers

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(seen, "_REMEMBERED_LINES", room)
        patch.setattr(seen, "_REMEMBERED_BYTES", 1000)
        compiled, twin = both_ways(see)
    for one, other in zip(compiled, twin, strict=True):
        assert_same(one[-2:], other[-2:])


@examples(300)
@given(BATCHES)
def test_what_patterns_see(texts: list[str]) -> None:
    """Lines are made plain alike, wherever a long one is cut; and those that begin with a quotation mark are told."""
    lines = lines_of(texts)
    (compiled, edges), (twin, twin_edges) = both_ways(plain_lines, lines.buffer, lines.start, lines.end)
    assert compiled == twin
    assert edges.tolist() == twin_edges.tolist()
    quoted = begin_with_quote(lines.buffer, lines.start, lines.end)
    assert quoted.tolist() == [begins_with_quote(lines.text(line)) for line in range(len(lines))]


def test_offsets_of_candidates_are_checked() -> None:
    """A line, a word or a pattern that is not there is refused."""
    lines = lines_of(["Sign up here", "@ 2024"])
    good: dict[str, Any] = {
        "buffer": lines.buffer,
        "start": lines.start,
        "end": lines.end,
        "chosen": np.arange(2),
        "head": 240,
        "tail": 240,
        "key": INDEX._key,
        "filter": INDEX._filter,
        "bucket": INDEX._bucket,
        "asked_first": INDEX._asked_first,
        "asked": INDEX._asked,
        "needed": INDEX._needed.astype(np.uint8),
        "wordless": INDEX._wordless,
        "signs": INDEX._signs[INDEX._wordless],
        "sign_of_byte": candidates._SIGN_OF_BYTE,
        "longest": 60,
        "begin": 0,
        "bits": np.zeros(len(PATTERNS), np.uint8),
        "touched": np.zeros(len(PATTERNS), np.int32),
        "found": np.zeros(1, np.uint64),
        "line": np.zeros(90, np.int64),
        "pattern": np.zeros(90, np.int64),
    }
    assert kernels.compiled.find_candidates(*good.values())[0] == 2
    far = np.full(1, 1 << 60, np.int64)
    for name, value in {
        "start": lines.start - 1,
        "end": lines.end + 9,
        "chosen": np.array([0, 2]),
        "key": INDEX._key[:-1],
        "filter": INDEX._filter[:-1],
        "bucket": INDEX._bucket + 1,
        "asked_first": INDEX._asked_first + 1,
        "asked": np.concatenate([INDEX._asked[:-1], far]),
        "needed": INDEX._needed.astype(np.uint8)[:-1],
        "wordless": np.concatenate([INDEX._wordless[:-1], far]),
        "signs": INDEX._signs,
        "sign_of_byte": candidates._SIGN_OF_BYTE[:-1],
        "begin": -1,
        "bits": good["bits"][:-1],
        "touched": good["touched"][:-1],
        "found": good["found"][:0],
        "line": good["line"][:-1],
        "pattern": good["pattern"][:-1],
    }.items():
        with pytest.raises(ValueError, match=r"range|holds|order|room"):
            kernels.compiled.find_candidates(*{**good, name: value}.values())
    few = {"line": good["line"][:3], "pattern": good["pattern"][:3]}
    with pytest.raises(ValueError, match="no room for the patterns of a line"):
        kernels.compiled.find_candidates(*{**good, **few}.values())


def test_offsets_of_seen_lines_are_checked() -> None:
    """A line that is not there, a table that names what is not known, and too little room are refused."""
    lines = lines_of(["one line", "another"])
    good: dict[str, Any] = {
        "buffer": lines.buffer,
        "start": lines.start,
        "end": lines.end,
        "longest": 160,
        "known": 0,
        "table": np.zeros(8, np.int64),
        "text": np.zeros(40, np.uint8),
        "stop": np.zeros(5, np.int64),
        "entry": np.zeros(2, np.int64),
    }

    def see(**wrong: Any) -> int:
        arrays = {name: value.copy() if isinstance(value, np.ndarray) else value for name, value in good.items()}
        return kernels.compiled.see_lines(*{**arrays, **wrong}.values())

    assert see() == 2
    for wrong in (
        {"start": lines.start - 1},
        {"end": lines.end + 1},
        {"end": lines.end[:1]},
        {"known": 1, "stop": np.full(5, 41)},
        {"known": -1},
        {"known": 5},
        {"table": np.zeros(7, np.int64)},
        {"table": np.zeros(0, np.int64)},
        {"table": np.full(8, 1, np.int64)},
        {"table": np.full(8, -1, np.int64)},
        {"text": np.zeros(9, np.uint8)},
        {"stop": np.zeros(2, np.int64)},
        {"stop": np.zeros(0, np.int64)},
        {"entry": np.zeros(1, np.int64)},
    ):
        with pytest.raises(ValueError, match=r"range|holds|order|room|table"):
            see(**wrong)


def test_offsets_of_plain_lines_are_checked() -> None:
    """A line that is not there, and too little room for what is seen of it, are refused."""
    lines = lines_of(["one line", "b" * 600])
    good = (lines.buffer, lines.start, lines.end, 240, 240, np.zeros(491, np.uint8), np.zeros(2, np.int64))
    kernels.compiled.plain_lines(*good)
    assert good[-1].tolist() == [9, 491]
    for place, value in (
        (1, lines.start - 1),
        (2, lines.end + 1),
        (3, -1),
        (4, 1 << 40),
        (5, np.zeros(490, np.uint8)),
        (6, np.zeros(1, np.int64)),
    ):
        with pytest.raises(ValueError, match=r"range|holds|room|fit"):
            kernels.compiled.plain_lines(*good[:place], value, *good[place + 1 :])


def test_rules_find_the_same() -> None:
    """All that the built-in packs find in their own examples, in a fresh matcher and in a used one."""

    def find() -> list[Any]:
        rules = load_packs()
        texts = ["\n".join(rule.match + rule.no_match) for pack in rules.packs for rule in pack.rule]
        return [rules.find(lines_of(texts[:400])), rules.find(lines_of(texts[200:]))]

    compiled, twin = both_ways(find)
    for one, other in zip(compiled, twin, strict=True):
        assert_same(tuple(one), tuple(other))
