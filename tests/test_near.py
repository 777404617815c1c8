"""Near-duplicates: found as brute force finds them, whatever the partitions, shards and batches."""

from __future__ import annotations

import hashlib
import json
import random
from itertools import combinations
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import folders
from pipeline.build import build
from pipeline.config import Config
from pipeline.corpus.check import check
from pipeline.dedupe.near import near_duplicates
from pipeline.dedupe.signatures import SIGNATURES, signatures, similarity
from pipeline.errors import UsageError
from pipeline.shuffle import shuffled
from tests.conftest import examples
from tests.test_build import digests, rows

SYLLABLES = ["ba", "ri", "to", "ken", "lu", "mor", "sa", "ne", "wid", "gra", "pel", "on"]


def words(draw: random.Random, count: int) -> list[str]:
    return ["".join(draw.choices(SYLLABLES, k=draw.randint(1, 5))) for _ in range(count)]


def edited(draw: random.Random, original: list[str], share: float) -> list[str]:
    """A copy of which a share of the words is another, in a few places or in many."""
    copy, left = list(original), max(1, int(share * len(original)))
    while left > 0:
        length = min(left, draw.choice([1, 1, 2, 5, 20]))
        start = draw.randrange(len(copy))
        copy[start : start + length] = words(draw, length)
        left -= length
    return copy


def collection(documents: int, seed: int = 1) -> list[str]:
    """Texts of 20 to 800 words, half of them copies with more or less changes."""
    draw = random.Random(seed)
    made: list[list[str]] = []
    for _ in range(documents):
        if made and draw.random() < 0.5:
            made.append(edited(draw, draw.choice(made[-200:]), draw.choice([0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.3])))
        else:
            made.append(words(draw, draw.choice([20, 60, 150, 300, 500, 800])))
    return [" ".join(text) for text in made]


def shingles(text: str) -> set[tuple[str, ...]]:
    parts = text.split()
    return {tuple(parts[start : start + 5]) for start in range(max(len(parts) - 4, 1))}


def jaccard(one: set[tuple[str, ...]], other: set[tuple[str, ...]]) -> float:
    return len(one & other) / len(one | other)


def found_in(texts: list[str], shards: int = 1, memory: int = 1 << 28, batch: int = 1 << 20) -> dict[int, int]:
    """Duplicates and the text that stays, by position."""
    size = -(-len(texts) // shards)
    tables = [
        pa.Table.from_batches(
            [signatures(pa.array(shard[low : low + batch])) for low in range(0, len(shard), batch)], SIGNATURES
        )
        for shard in (texts[start : start + size] for start in range(0, len(texts), size))
    ]
    place, stays, _ = near_duplicates([lambda table=table: table for table in tables], np.zeros(0, np.int64), memory)  # type: ignore[misc]
    return dict(zip(place.tolist(), stays.tolist(), strict=True))


def by_brute_force(texts: list[str]) -> tuple[dict[int, int], set[tuple[int, int]]]:
    """The same by comparing every two sets of shingles that share any, and all pairs that are alike."""
    sets = [shingles(text) for text in texts]
    owners: dict[tuple[str, ...], list[int]] = {}
    for number, shingle_set in enumerate(sets):
        for shingle in shingle_set:
            owners.setdefault(shingle, []).append(number)
    candidates = {pair for numbers in owners.values() if len(numbers) > 1 for pair in combinations(numbers, 2)}
    alike = {pair for pair in candidates if jaccard(sets[pair[0]], sets[pair[1]]) >= 0.8}
    root = list(range(len(texts)))

    def find(number: int) -> int:
        while root[number] != number:
            number = root[number]
        return number

    for one, other in alike:
        low, high = sorted((find(one), find(other)))
        root[high] = low
    return {number: find(number) for number in range(len(texts)) if find(number) != number}, alike


def test_two_thousand_documents_are_found_as_brute_force_finds_them() -> None:
    """At Jaccard 0.8: recall and precision of duplicates are 0.95 at least."""
    texts = collection(2_000)
    expected, _ = by_brute_force(texts)
    found = found_in(texts)
    assert len(expected) > 400
    both = len(set(found) & set(expected))
    assert both / len(expected) >= 0.95
    assert both / len(found) >= 0.95


def test_the_sketch_tells_the_share_of_shingles() -> None:
    """The estimate is near the exact Jaccard similarity: 0.02 off on average at most, over all sizes of texts."""
    texts = collection(400)
    sets = [shingles(text) for text in texts]
    pairs = [(one, other) for one, other in combinations(range(len(texts)), 2) if sets[one] & sets[other]]
    exact = np.array([jaccard(sets[one], sets[other]) for one, other in pairs])
    table = signatures(pa.array(texts))
    sketch = np.array([np.frombuffer(value, np.uint8) for value in table["sketch"].to_pylist()])
    one, other = np.array(pairs).T
    error = similarity(sketch[one], sketch[other]) - exact
    assert np.abs(error).mean() < 0.02
    assert abs(error.mean()) < 0.01


@pytest.mark.parametrize(("shards", "memory"), [(7, 1 << 28), (1, 100_000), (5, 20_000)])
def test_shards_and_memory_change_nothing(shards: int, memory: int) -> None:
    """Partitions are spilled and worked on one by one, with the same result."""
    texts = collection(300, seed=2)
    assert found_in(texts, shards, memory, batch=17) == found_in(texts)


def test_signatures_are_the_same_everywhere() -> None:
    """Hashes are fixed: on every machine and with every version of NumPy the same texts have the same signature."""
    texts = [*collection(40), "", "one", "one two three four", "the the the the the the", "x" * 9 + " " + "y" * 17]
    texts += [
        "市长周一宣布港口将关闭三个月进行维修",
        "Größe, Straße — “Ünïcode” 3.14 …",
        "a" * 300_000,
        "word " * 100_000,
    ]
    made = signatures(pa.array(texts))
    digest = hashlib.sha256(b"".join(b"".join(made[name].to_pylist()) for name in made.schema.names)).hexdigest()
    assert digest == "57d485740bcab93e3a61e65539ced4d59c074acd7d84ca6e6fe2de45d4c7d524"


@examples(50)
@given(st.lists(st.text("ab .\nÄ。字éΩ“”\u00a0", max_size=60), max_size=12), st.data())
def test_a_signature_depends_on_its_text_alone(texts: list[str], data: st.DataObject) -> None:
    """Whatever stands before and after a text in its batch, in any alphabet, empty or short."""
    whole = signatures(pa.array(texts, pa.string())).to_pylist()
    low = data.draw(st.integers(0, len(texts)))
    parts = [signatures(pa.array(part, pa.string())).to_pylist() for part in (texts[:low], texts[low:])]
    assert parts[0] + parts[1] == whole


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("The Ferry, late again, came in.", "the ferry late again came in"),
        ("“So it goes,” she said — twice over.", '"So it goes," she said twice over.'),
        ("市长周一宣布港口将关闭三个月进行维修", "市长周一宣布港口将关闭三个月进行维修。"),
    ],
)
def test_case_and_punctuation_do_not_count(one: str, other: str) -> None:
    """The words are the same, and so is the signature."""
    first, second = signatures(pa.array([one, other])).to_pylist()
    assert first == second


def test_texts_without_spaces_have_many_shingles() -> None:
    """One other character in a Chinese text of a hundred does not make it another text."""
    draw = random.Random(3)
    text = [chr(draw.randrange(0x4E00, 0x9000)) for _ in range(200)]
    other = [*text]
    other[100] = "一"
    assert found_in(["".join(text), "".join(other)]) == {1: 0}


def test_letters_that_begin_as_signs_do_are_letters() -> None:
    """A dash or a mark of Chinese is no word; a letter whose first byte is that of such signs is one."""
    plain, *others = signatures(
        pa.array([f"{sign} one two three four five" for sign in ("", "—", "。", "ⱥ", "カ")])
    ).to_pylist()
    assert [other == plain for other in others] == [True, True, False, False]


@given(st.lists(st.integers(0, 50), max_size=40), st.integers(1, 9))
def test_shuffled_rows_are_all_there_with_equal_keys_together(keys: list[int], partitions: int) -> None:
    """Each row comes once, and no key is in two partitions."""
    table = np.array([[key, number] for number, key in enumerate(keys)], np.uint64).reshape(-1, 2)
    parts = list(shuffled([table[:7], table[7:]], partitions, 2))
    assert sorted(row for part in parts for row in part.tolist()) == sorted(table.tolist())
    seen = [set(part[:, 0].tolist()) for part in parts]
    assert all(not one & other for one, other in combinations(seen, 2))


def test_rows_keep_their_order_and_the_disk_is_given_back_as_they_are_read(tmp_path: Path) -> None:
    """Partitions are spilled into a hidden folder in the one told, a file each that goes once read; one needs none."""
    table = np.array([[number % 6, number] for number in range(30)], np.uint64)
    left = []
    for part in shuffled([table[:13], table[13:]], 3, 2, tmp_path):
        assert part[:, 1].tolist() == sorted(part[:, 1].tolist())
        [spill] = tmp_path.iterdir()
        assert spill.name.startswith(".shuffle-")
        left.append(len(list(spill.iterdir())))
    assert left == [3, 2, 1]
    assert list(tmp_path.iterdir()) == []
    [whole] = shuffled([table[:13], table[13:]], 1, 2, tmp_path / "nowhere")
    assert whole.tolist() == table.tolist()
    [nothing] = shuffled([], 1, 2)
    assert nothing.shape == (0, 2)
    assert list(shuffled([], 3, 2)) == []


def write_file(file: Path, texts: dict[str, str]) -> None:
    file.parent.mkdir(exist_ok=True)
    with file.open("w", encoding="utf-8") as lines:
        for identity, text in texts.items():
            lines.write(json.dumps({"id": identity, "text": text, "source": "gazette"}) + "\n")


def article(seed: int) -> str:
    draw = random.Random(seed)
    return "\n".join(" ".join(words(draw, 60)).capitalize() + "." for _ in range(5)) + "\n"


def changed(text: str) -> str:
    first, rest = text.split(" ", 1)
    return f"{first}x {rest}"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An article, a copy, a near copy, a copy of the near copy, and another article."""
    write_file(tmp_path / "in" / "a.jsonl", {"first": article(1), "other": article(2)})
    near = changed(article(1))
    write_file(tmp_path / "in" / "b.jsonl", {"copy": article(1), "near": near, "near-copy": near, "third": article(3)})
    return tmp_path / "in"


def duplicates(corpus: Path) -> dict[str, tuple[str, str, bool]]:
    """Reason, what stays, and whether the texts are equal, by id."""
    return {
        row["id"]: (row["reason"], row["duplicate_of"], row["similarity"] == 1) for row in rows(corpus, "duplicates")
    }


def test_near_duplicates_name_the_earliest_and_how_similar_they_are(folder: Path, tmp_path: Path) -> None:
    """Copies of a near-duplicate belong to its group; what stays is always a document."""
    corpus = build([str(folder)], tmp_path / "out", Config(workers=1, dedupe="near")).corpus
    assert duplicates(corpus) == {
        "copy": ("exact", "first", True),
        "near": ("near", "first", False),
        "near-copy": ("near", "first", False),
    }
    documents = {row["id"] for row in rows(corpus, "documents")}
    assert documents == {"first", "other", "third"}
    assert all(0.8 <= row["similarity"] <= 1 for row in rows(corpus, "duplicates"))
    assert check(corpus).ok


def test_copies_of_near_duplicates_belong_to_the_group_of_their_own_text(tmp_path: Path) -> None:
    """Of many groups, in other orders and shards: exact copies and repeated ids of what goes point to what stays."""
    first = {f"first-{number}": article(number) for number in range(6)}
    write_file(tmp_path / "in" / "a.jsonl", first)
    write_file(tmp_path / "in" / "b.jsonl", {f"near-{number}": changed(article(number)) for number in (4, 1, 3, 0)})
    copies = {f"copy-{number}": changed(article(number)) for number in (0, 4, 3, 1)}
    write_file(tmp_path / "in" / "c.jsonl", copies | {"copy-2": article(2), "alone": article(9)})
    write_file(tmp_path / "in" / "d.jsonl", {f"near-{number}": changed(article(number)) for number in (3, 0)})
    write_file(tmp_path / "in" / "e.jsonl", {"alone": article(10), "near-1": article(11)})
    corpus = build([str(tmp_path / "in")], tmp_path / "out", Config(workers=1, dedupe="near")).corpus
    found = [
        (row["id"], row["reason"], row["duplicate_of"], row["similarity"] == 1) for row in rows(corpus, "duplicates")
    ]
    near = [(f"near-{number}", "near", f"first-{number}", False) for number in (4, 1, 3, 0)]
    exact = [(f"copy-{number}", "near", f"first-{number}", False) for number in (0, 4, 3, 1)]
    again = [(f"near-{number}", "duplicate-id", f"first-{number}", False) for number in (3, 0)]
    assert found == [*near, *exact, ("copy-2", "exact", "first-2", True), *again]
    clashes = [(row["id"], row["reason"], row["detail"]) for row in rows(corpus, "quarantine")]
    said = "an earlier record has the id '{}' and another text"
    assert clashes == [(name, "duplicate-id", said.format(name)) for name in ("alone", "near-1")]


def test_near_builds_are_the_same_bytes_whatever_workers_batches_and_former_builds(
    folder: Path, tmp_path: Path
) -> None:
    """One worker, two, a row at a time, little memory, or over an exact build."""
    build([str(folder)], tmp_path / "over", Config(workers=1))
    variants = {
        "one": Config(workers=1, dedupe="near"),
        "two": Config(workers=2, dedupe="near"),
        "rows": Config(workers=1, dedupe="near", batch_rows=1),
        "over": Config(workers=1, dedupe="near"),
        "memory": Config(workers=1, dedupe="near", memory=480_000_000),
    }
    made = {name: digests(build([str(folder)], tmp_path / name, config).corpus) for name, config in variants.items()}
    assert made == dict.fromkeys(made, made["one"])


@pytest.mark.parametrize(
    ("dedupe", "expected"),
    [("exact", {"copy": "first"}), ("near", {"copy": "first", "near": "first", "again": "other"})],
)
def test_against_an_older_corpus_what_it_holds_is_published(
    tmp_path: Path, dedupe: str, expected: dict[str, str]
) -> None:
    """Equal texts, and with near nearly equal ones; an id of the older corpus may come again with another text."""
    write_file(tmp_path / "old" / "a.jsonl", {"first": article(1), "other": article(2)})
    old = build([str(tmp_path / "old")], tmp_path / "older", Config(workers=1)).corpus
    new = {"copy": article(1), "near": changed(article(1)), "other": article(3), "again": changed(article(2))}
    write_file(tmp_path / "in" / "a.jsonl", new)
    config = Config(workers=1, dedupe=dedupe, against=old)
    corpus = build([str(tmp_path / "in")], tmp_path / "out", config).corpus
    assert {row["id"]: row["duplicate_of"] for row in rows(corpus, "duplicates")} == expected
    assert {row["reason"] for row in rows(corpus, "duplicates")} == {"published"}
    assert check(corpus).ok
    assert digests(build([str(tmp_path / "in")], tmp_path / "out", config).corpus) == digests(corpus)


def test_against_needs_a_way_to_compare(folder: Path, tmp_path: Path) -> None:
    """With `--dedupe none` there is nothing that an older corpus could say."""
    older = build([str(folder)], tmp_path / "older", Config(workers=1)).corpus
    with pytest.raises(UsageError, match="exact or near"):
        build([str(folder)], tmp_path / "out", Config(workers=1, dedupe="none", against=older))


def test_the_dedupe_stage_alone_finds_what_a_build_finds(folder: Path, tmp_path: Path) -> None:
    """read, strip, validate, dedupe and write by hand give the same tables as one build with near."""
    config = Config(workers=1, dedupe="near")
    folders.read([str(folder)], tmp_path / "1", config)
    folders.strip(tmp_path / "1", tmp_path / "2", config)
    folders.validate_records(tmp_path / "2", tmp_path / "3", config)
    folders.dedupe_records(tmp_path / "3", tmp_path / "4", config)
    folders.write(tmp_path / "4", tmp_path / "by-hand", config)
    at_once = build([str(folder)], tmp_path / "at-once", config).corpus
    assert digests(tmp_path / "by-hand" / "corpus") == digests(at_once)
    with pytest.raises(UsageError, match="build"):
        folders.dedupe_records(tmp_path / "3", tmp_path / "5", Config(dedupe="near", against=at_once))
