"""The three promises for anything at all: made-up files of good and bad records, through all stages at once."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pipeline import dedupe
from pipeline.build import build
from pipeline.config import Config
from pipeline.corpus.check import check
from pipeline.corpus.restore import restore
from pipeline.evaluate import read_gold
from pipeline.records import DUPLICATE_REASONS, QUARANTINE_REASONS, TABLES, complete
from pipeline.strip.cleaner import load_cleaner
from pipeline.strip.cut import rebuild
from pipeline.validate import validate
from tests.conftest import SEEDS, EmptyFolder, examples
from tests.read.conftest import read_all
from tests.test_build import rows

# Lines that are boilerplate, body or neither, so that something is cut of many texts.
LINES = st.sampled_from(
    [
        "Sign up for our free weekly newsletter",
        "Recommended:",
        "The ferry that nobody wanted",
        "Please donate today: every contribution keeps us independent.",
        "Once",
        "Continue",
        "Share this article",
        "The council voted on Tuesday to keep the old harbour bridge open for another year, the mayor said.",
        "“A newsletter will tell every household,” she said.",
        "The old bridge. Photo: Anna Example",
        "By Anna Example",
        "28 February 2017",
        "",
        " \u00a0",
        "漢字 🙂",
    ]
) | st.text(st.characters(codec="utf-8"), max_size=30)
TEXTS = st.builds(
    lambda lines, end: end.join(lines), st.lists(LINES, max_size=9), st.sampled_from(["\n", "\n\n", "\r\n", "\r"])
)
ENCODED = st.builds(
    lambda text, encoding: text.encode(encoding, "replace"),
    TEXTS,
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32", "cp1252"]),
)
RECORDS = st.fixed_dictionaries(
    {"text": TEXTS | st.sampled_from([None, 5, "same", ["x"]])},
    optional={
        "id": st.sampled_from(["a", "b", "c", 7]) | st.text(max_size=5),
        "title": st.text(max_size=9) | st.none(),
        "source": st.sampled_from(["Gazette", "", 1.5]),
        "published": st.sampled_from(["2017-02-28", "soon"]),
        "extra": st.text(max_size=5) | st.integers() | st.lists(st.booleans(), max_size=2),
    },
)
BROKEN = st.sampled_from([b"{broken", b"[1]", b'{"text": "\xff"}', b'{"text": "\\ud800"}', b"\0", b'{"text": ""}'])
JSON_LINES = st.lists(
    st.builds(lambda record: json.dumps(record, ensure_ascii=False).encode("utf-8", "surrogatepass"), RECORDS) | BROKEN,
    max_size=6,
).map(b"\n".join)


def _csv(texts: list[str]) -> bytes:
    out = io.StringIO(newline="")
    csv.writer(out).writerows([("text", "id"), *((text, number) for number, text in enumerate(texts))])
    return out.getvalue().encode("utf-8", "surrogatepass") + b"short\n"


FILES = st.lists(
    st.tuples(st.just("txt"), ENCODED | st.binary(max_size=40))
    | st.tuples(st.just("jsonl"), JSON_LINES)
    | st.tuples(st.just("csv"), st.lists(TEXTS, max_size=3).map(_csv)),
    min_size=1,
    max_size=4,
)
Files = list[tuple[str, bytes]]


def put_down(files: Files, folder: Path) -> None:
    for number, (suffix, data) in enumerate(files):
        (folder / f"{number}.{suffix}").write_bytes(data)


@examples(40)
@given(FILES, st.sampled_from(["careful", "balanced", "thorough"]))
def test_each_record_has_one_outcome_and_its_bytes(empty_folder: EmptyFolder, files: Files, strictness: str) -> None:
    """Through every stage a row stays one row: one outcome of three, a fixed reason, its input text byte for byte."""
    folder = empty_folder()
    put_down(files, folder)
    records = read_all(folder)
    assume(records.num_rows)
    [read] = records.combine_chunks().to_batches()
    done = validate(load_cleaner((), strictness).strip(read))
    prints = pa.Table.from_batches([dedupe.fingerprints(done, 0)])
    [verdict] = dedupe.find([lambda: prints], texts=True, memory=1 << 26)
    done = dedupe.mark(done, 0, verdict)
    assert done.column("id").to_pylist() == read.column("id").to_pylist()
    assert rebuild(done.column("text"), done.column("removed")).to_pylist() == read.column("text").to_pylist()
    for given_text, row in zip(read.column("text").to_pylist(), done.to_pylist(), strict=True):
        reasons = {None: (None,), "duplicate": DUPLICATE_REASONS, "quarantine": QUARANTINE_REASONS}[row["outcome"]]
        assert row["reason"] in reasons
        assert row["outcome"] or row["text"].strip()
        place, source = 0, (given_text or "").encode()
        for span in row["removed"] or ():
            assert place <= span["start"] < span["end"] <= len(source)
            assert source[span["start"] : span["end"]].decode() == span["text"]
            place = span["end"]


@examples(5)
@given(FILES)
def test_a_build_accounts_for_every_record_and_gives_it_back(empty_folder: EmptyFolder, files: Files) -> None:
    """Documents, duplicates and quarantine are the records that were read; every text file is restored from them."""
    home = empty_folder()
    (home / "in").mkdir()
    put_down(files, home / "in")
    read = read_all(home / "in").num_rows
    corpus = build([str(home / "in")], home / "out", Config(workers=1)).corpus
    tables = ("documents", "duplicates", "quarantine")
    found: list[dict[str, Any]] = [row for table in tables for row in rows(corpus, table)]
    assert set(tables) < set(TABLES)
    places = [(row["origin"]["uri"], row["origin"]["index"]) for row in found]
    assert len(places) == len(set(places)) == read
    assert check(corpus).ok
    restored = {record.origin["uri"]: record.data for record in restore(corpus, ())}
    for number, (suffix, data) in enumerate(files):
        if suffix == "txt":
            assert restored[f"in/{number}.txt"] == data


def cleaned_twice(texts: list[str]) -> tuple[int, int]:
    """Of these texts, once clean: how many change when they are cleaned again, and how many grow."""
    strip = load_cleaner((), "balanced").strip
    changed = grown = 0
    for place in range(0, len(texts), 2_000):
        some = texts[place : place + 2_000]
        once = strip(complete({"text": pa.array(some, pa.string())}, len(some))).column("text").to_pylist()
        twice = strip(complete({"text": pa.array(once, pa.string())}, len(some))).column("text").to_pylist()
        for one, other in zip(once, twice, strict=True):
            changed += one != other
            grown += len(other or "") > len(one or "")
    return changed, grown


def test_the_seeds_once_clean_stay_as_they_are() -> None:
    """Cleaning a clean seed again changes nothing."""
    assert cleaned_twice([file.read_text(encoding="utf-8") for file in sorted(SEEDS.glob("*.txt"))]) == (0, 0)


@pytest.mark.parametrize("track", ["residue", "full"])
@pytest.mark.parametrize("every", [20, pytest.param(1, marks=pytest.mark.long)], ids=["quick", "long"])
def test_a_clean_text_stays_as_it_is(bench: Path, every: int, track: str) -> None:
    """Of what extractors leave, and of whole pages, once clean, one in a hundred at most changes again; none grows."""
    gold = read_gold(bench / "dev.jsonl.gz", track=track)
    texts = ["\n".join(line["text"] for line in document["lines"]) for document in gold][::every]
    changed, grown = cleaned_twice(texts)
    print(f"{changed} of {len(texts)} change, {grown} grow")
    assert grown == 0
    assert changed <= len(texts) / 100


def test_what_is_said_of_an_author_goes_at_once_however_much_stood_below_it() -> None:
    """A line that only a rule for the end of a text takes is the last one when a long list of links below it has gone.

    It was searched for what may stand at the end of a text, though it stood far from there.
    """
    body = [
        "The council voted on Tuesday to keep the old harbour bridge open for another year, the mayor told reporters "
        f"after a meeting of {number} hours that residents had asked for in a letter last autumn."
        for number in range(2, 12)
    ]
    author = (
        "Anna Example is the Gazette's senior editor. She is also the host of a podcast about harbours, and covers "
        "ferries, bridges and the people who repair them for a living, from the coast to the capital."
    )
    links = ["Related stories", "Read more:", "Share this article", "Sign up for our free weekly newsletter"] * 8
    strip = load_cleaner((), "balanced").strip
    once = strip(complete({"text": pa.array(["\n".join([*body, author, *links])])}, 1)).column("text").to_pylist()
    assert once == ["\n".join(body)]
