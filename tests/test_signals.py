"""Signals of quality: each is what its definition says, column by column, whatever stands beside a text."""

from __future__ import annotations

import json
import math
import re
import time
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.build import build
from pipeline.config import Config
from pipeline.corpus.check import check
from pipeline.corpus.diff import diff
from pipeline.corpus.restore import restore
from pipeline.corpus.why import why
from pipeline.records import DOCUMENTS, SIGNALS, complete
from pipeline.signals import BULLETS, STOP_WORDS, measure, signals_of
from tests.conftest import SEEDS
from tests.test_build import digests

# White space as the cleaner sees it: ASCII controls, and what it blanks out beyond ASCII.
BLANK = "\x00-\x20\x7f\x85\xa0\u2000-\u200f\u2028\u2029\u202f\u2060\u3000\ufeff"


def words_of(text: str) -> list[str]:
    return [word for word in re.split(f"[{BLANK}]+", text) if word]


def share(part: float, whole: float) -> float:
    return min(part / whole, 1.0) if whole else 0.0


def is_letter(sign: str) -> bool:
    code = ord(sign)
    signs = code < 0xC0 or 0x2000 <= code < 0x2080 or 0x3000 <= code < 0x3040
    return (sign.isascii() and sign.isalpha()) or (not sign.isascii() and not signs)


def duplicates(units: list[list[str]]) -> tuple[float, float]:
    """The share of units that came before, and that of their characters."""
    seen: set[tuple[str, ...]] = set()
    again = []
    for unit in units:
        again.append(tuple(unit) in seen)
        seen.add(tuple(unit))
    sizes = [sum(map(len, unit)) for unit in units]
    return share(sum(again), len(units)), share(sum(s for s, a in zip(sizes, again, strict=True) if a), sum(sizes))


def top(words: list[str], size: int) -> float:
    """The share of the most frequent run of words; of equally frequent ones that of the longest."""
    counted = Counter(tuple(words[place : place + size]) for place in range(len(words) - size + 1))
    several = [(times, sum(map(len, run))) for run, times in counted.items() if times > 1]
    times, length = max(several, default=(0, 0))
    return share(times * length, sum(map(len, words)))


def came_before(words: list[str], size: int) -> float:
    """The share of characters in runs that came before; each word counts once."""
    seen: set[tuple[str, ...]] = set()
    covered = set()
    for place in range(len(words) - size + 1):
        run = tuple(words[place : place + size])
        if run in seen:
            covered |= set(range(place, place + size))
        seen.add(run)
    return share(sum(len(words[place]) for place in covered), sum(map(len, words)))


def reference(text: str) -> dict[str, float]:
    """Every signal of a text, slow and plain."""
    raw = re.split(r"\r\n|\n|\r", text)
    stripped = [re.sub(f"^[{BLANK}]+|[{BLANK}]+$", "", line) for line in raw]
    lines = [line for line in stripped if line]
    paragraphs: list[list[str]] = [[]]
    for line in stripped:
        if line:
            paragraphs[-1] += words_of(line)
        elif paragraphs[-1]:
            paragraphs.append([])
    words = words_of(text)
    count, rows = max(len(words), 1), max(len(lines), 1)
    line_share, line_characters = duplicates([words_of(line) for line in lines])
    paragraph_share, paragraph_characters = duplicates([unit for unit in paragraphs if unit])
    return {
        "gopher_mean_word_length": sum(map(len, words)) / count,
        "gopher_hashes_per_word": text.count("#") / count,
        "gopher_ellipses_per_word": len(re.findall(r"\.{3,}|…", text)) / count,
        "gopher_bullet_lines": sum(line[0] in BULLETS or words_of(line)[0] in ("*", "-") for line in lines) / rows,
        "gopher_ellipsis_lines": sum(line.endswith(("...", "…")) for line in lines) / rows,
        "gopher_alphabetic_words": sum(any(map(is_letter, word)) for word in words) / count,
        "gopher_stop_words": sum(any(word.lower() == stop and word.isascii() for word in words) for stop in STOP_WORDS),
        "gopher_duplicate_lines": line_share,
        "gopher_duplicate_line_characters": line_characters,
        "gopher_duplicate_paragraphs": paragraph_share,
        "gopher_duplicate_paragraph_characters": paragraph_characters,
        **{f"gopher_top_{size}gram": top(words, size) for size in (2, 3, 4)},
        **{f"gopher_duplicate_{size}grams": came_before(words, size) for size in range(5, 11)},
        "c4_punctuated_lines": sum(line.endswith((".", "!", "?", '"', "”")) for line in lines) / rows,
        "c4_short_lines": sum(len(words_of(line)) < 5 for line in lines) / rows,
        "c4_sentences": sum(bool(re.search(r"[.!?][\"')\]”’»]?$", word)) for word in words),
        "c4_curly_brackets": text.count("{") + text.count("}"),
        "c4_javascript": len(re.findall("javascript", text, re.IGNORECASE | re.ASCII)),
        "c4_policy_phrases": len(
            re.findall(
                "terms of use|privacy policy|cookie policy|uses cookies|use of cookies|use cookies",
                text,
                re.IGNORECASE | re.ASCII,
            )
        ),
        "c4_lorem_ipsum": len(re.findall("lorem ipsum", text, re.IGNORECASE | re.ASCII)),
        "fineweb_short_lines": sum(len(line) <= 30 for line in lines) / rows,
        "fineweb_lines_per_word": len(lines) / count,
    }


WORDS = "The AND harbour harbour. éa “Yes.” … ... .... # ## • - * –x •x { } JavaScript 12 «A!» (no.) 字。"
PHRASES = ["– x", "lorem ipsum", "Use of cookies", "x" * 70, "y" * 90 + "é", "a b c d e f g h i j k "]
BLANKS = [" ", " ", "  ", "\n", "\n", "\n\n", "\r\n", "\r", "\t", "\u200b", "\xa0", "\u3000"]
PIECES = st.sampled_from([*STOP_WORDS, *WORDS.split(" "), *PHRASES, *BLANKS])
TEXTS = st.one_of(
    st.lists(PIECES, max_size=60).map("".join),
    st.lists(PIECES, max_size=30).map(" ".join),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=40),
)


def measured(*texts: str) -> list[dict[str, float]]:
    return signals_of(pa.array(texts, pa.string())).to_pylist()


@given(st.lists(TEXTS, max_size=6))
def test_every_signal_is_what_its_definition_says(texts: list[str]) -> None:
    """Whole batches of any text give the figures of a slow and plain reading of each text alone."""
    for text, found in zip(texts, measured(*texts), strict=True):
        assert found == pytest.approx(reference(text), rel=1e-6), text


def test_real_articles_too() -> None:
    """The seeds, whole and twice over."""
    texts = [file.read_text(encoding="utf-8") for file in sorted(SEEDS.glob("*.txt"))]
    texts += [text + "\n\n" + text for text in texts]
    for text, found in zip(texts, measured(*texts), strict=True):
        assert found == pytest.approx(reference(text), rel=1e-6)


def test_a_text_has_the_same_signals_in_every_batch() -> None:
    """A sentence that ends or begins where another text does is not glued to it."""
    texts = ["The end..", ".. of the", "# the harbour #", "", "x", "x\n\nx"]
    assert [measured(text)[0] for text in texts] == measured(*texts)


@pytest.mark.parametrize(
    "text", ["a " * 200_000, "a" * 400_000, "ab\n" * 100_000, "y" * 70 + " z " * 50_000, "{" * 300_000]
)
def test_a_hostile_text_is_measured_in_linear_time(text: str) -> None:
    """Half a megabyte of one word, one line or one sign takes less than two seconds of CPU time."""
    start = time.process_time()
    assert all(math.isfinite(value) for value in measured(text)[0].values())
    assert time.process_time() - start < 2


def test_the_contract_is_the_same_when_signals_are_off(tmp_path: Path) -> None:
    """Without the setting the documents have the columns of the contract and no others."""
    assert measure(batch := complete({"text": pa.array(["A text."])}, 1), Config()) is batch
    corpus = build([str(SEEDS)], tmp_path, Config(workers=1)).corpus
    assert pq.read_schema(next((corpus / "documents").iterdir())).names == DOCUMENTS.names


def test_every_signal_becomes_a_column_that_says_what_it_is(tmp_path: Path) -> None:
    """A build with signals adds one described column each, nothing else changes, and all readers of a corpus work."""
    plain = build([str(SEEDS)], tmp_path / "plain", Config(workers=1)).corpus
    corpus = build([str(SEEDS)], tmp_path / "out", Config(workers=1, signals=True)).corpus
    table = pq.read_table(corpus / "documents")
    assert table.column_names == [*DOCUMENTS.names, *SIGNALS]
    assert table.select(DOCUMENTS.names).equals(pq.read_table(plain / "documents"))
    assert sum(column.null_count for column in table.select(list(SIGNALS)).columns) == 0
    for field in pq.read_schema(next((corpus / "documents").iterdir())):
        assert field.metadata[b"description"]
    assert check(corpus).ok
    assert [record.data for record in restore(corpus)] == [record.data for record in restore(plain)]
    assert diff(plain, corpus).changed == ()
    assert all(f"`{name}`" in (corpus / "README.md").read_text(encoding="utf-8") for name in SIGNALS)
    found = why(corpus, table["id"][0].as_py())[0].article
    assert found
    assert found.text == table["text"][0].as_py()
    again = build([], tmp_path / "out", Config(workers=1), retry=True)
    assert pq.read_schema(next((again.corpus / "documents").iterdir())).names == DOCUMENTS.names


def test_signals_do_not_depend_on_workers_or_batches(tmp_path: Path) -> None:
    """One process with batches of one record and two with large ones give the same bytes."""
    one = build([str(SEEDS)], tmp_path / "one", Config(workers=1, signals=True, batch_rows=1)).corpus
    two = build([str(SEEDS)], tmp_path / "two", Config(workers=2, signals=True)).corpus
    assert digests(one) == digests(two)


def test_what_is_set_aside_is_not_measured() -> None:
    """Signals are null where a record has an outcome, and there for all others."""
    columns = {"text": pa.array(["A text.", "Another.", None]), "outcome": pa.array([None, "quarantine", None])}
    out = measure(complete(columns, 3), Config(signals=True)).column("signals")
    assert out.is_valid().to_pylist() == [True, False, False]


def test_loaders_see_the_columns(tmp_path: Path) -> None:
    """Croissant has a field for each signal, and `datasets` loads them as numbers."""
    corpus = build([str(SEEDS)], tmp_path, Config(workers=1, signals=True)).corpus
    described = json.loads((corpus / "croissant.json").read_bytes())
    [documents] = [table for table in described["recordSet"] if table["name"] == "documents"]
    assert [field["name"] for field in documents["field"]][-len(SIGNALS) :] == list(SIGNALS)
    datasets = pytest.importorskip("datasets", reason="datasets is in the extra `test`")
    loaded = datasets.load_dataset(str(corpus), "documents", split="train", cache_dir=str(tmp_path / "cache"))
    assert loaded.num_rows == 4
    assert 3 < loaded[0]["gopher_mean_word_length"] < 10
