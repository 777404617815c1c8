"""Template lines: what comes back in different articles of one source."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from pipeline.strip.lines import split_lines
from pipeline.strip.repetition import SIGHTINGS, repeated, sightings, source_keys, templates

pytestmark = pytest.mark.usefixtures("either_way")

TEMPLATE = "More from the harbour desk"


def article(number: int, *lines: str) -> str:
    """An article of its own words, with some lines after its two paragraphs."""
    told = f"Report {number}: " + " ".join(f"word{number}x{place}" for place in range(30))
    return "\n".join((told, told[::-1], *lines))


def found(texts: list[str], sources: list[str], *, parts: int = 1, memory: int = 1 << 30) -> list[list[str]]:
    """The template lines of each text, counted over `parts` shards."""
    size = -(-len(texts) // parts)
    shards = [(texts[at : at + size], sources[at : at + size]) for at in range(0, len(texts), size)]
    seen = [
        pa.Table.from_batches([sightings(split_lines(pa.array(own)), source_keys(names, [None] * len(own)))], SIGHTINGS)
        for own, names in shards
    ]
    known = templates([lambda table=table: table for table in seen], memory)  # type: ignore[misc]
    lines = split_lines(pa.array(texts))
    marked = repeated(lines, source_keys(sources, [None] * len(texts)), known)
    return [
        [lines.text(line).decode() for line in np.flatnonzero(marked & (lines.document == document))]
        for document in range(len(texts))
    ]


def test_a_line_of_three_articles_of_one_source_is_a_template() -> None:
    """Two may share a line by chance, three hardly."""
    texts = [article(number, TEMPLATE) for number in range(3)]
    assert found(texts, ["a", "a", "a"]) == [[TEMPLATE]] * 3
    assert found(texts[:2], ["a", "a"]) == [[]] * 2


def test_sources_do_not_mix() -> None:
    """The same line in three sources is a coincidence, or an agency's."""
    assert found([article(number, TEMPLATE) for number in range(3)], ["a", "b", "c"]) == [[]] * 3


def test_copies_of_one_article_make_no_template_of_its_body() -> None:
    """Five copies are one article, however often it was syndicated."""
    copy = article(1, "The mayor said yes.")
    assert found([copy] * 5, ["a"] * 5) == [[]] * 5


def test_a_long_line_is_no_template() -> None:
    """What is longer than a prompt is quoted or syndicated text."""
    long = "The council said that it would not comment on the matter before its next meeting. " * 4
    assert found([article(number, long.strip()) for number in range(4)], ["a"] * 4) == [[]] * 4


def test_neither_shards_nor_memory_change_what_is_found() -> None:
    """Counting in parts and in partitions of the keys gives the same lines."""
    texts = [article(number, TEMPLATE, f"Only {number % 4}") for number in range(16)]
    whole = found(texts, ["a"] * 16)
    assert whole[0] == [TEMPLATE, "Only 0"]
    assert found(texts, ["a"] * 16, parts=5) == whole
    assert found(texts, ["a"] * 16, parts=3, memory=300) == whole


def test_an_unknown_source_is_that_of_its_address() -> None:
    """Without a name the host of the address tells the source."""
    keys = source_keys(["a", None, None, None], [None, "https://a.example/1", "https://a.example/2", None])
    assert keys[1] == keys[2]
    assert len({int(key) for key in keys}) == 3
