"""Repeated ids and equal texts."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from pipeline.dedupe import FINGERPRINTS, Verdicts, find, fingerprints, mark
from pipeline.dedupe.exact import KEY, repeats
from pipeline.records import RECORDS


def batch_of(rows: list[tuple[str, str]]) -> pa.RecordBatch:
    """Records of (id, text), their input text equal to the clean one."""
    return pa.RecordBatch.from_pylist(
        [
            {
                "id": identity,
                "text": text,
                "origin": {"text_sha256": hashlib.sha256(text.encode()).hexdigest()},
            }
            for identity, text in rows
        ],
        schema=RECORDS,
    )


def deduped(groups: list[list[tuple[str, str]]], *, texts: bool = True, memory: int = 1 << 30) -> list[dict[str, Any]]:
    """Dedupe shards of one batch each; all rows in order."""
    batches = [batch_of(group) for group in groups]
    tables = [pa.Table.from_batches([fingerprints(batch, 0)], FINGERPRINTS) for batch in batches]
    verdicts = find([lambda table=table: table for table in tables], texts=texts, memory=memory)  # type: ignore[misc]
    return [
        row for batch, verdict in zip(batches, verdicts, strict=True) for row in mark(batch, 0, verdict).to_pylist()
    ]


def test_the_earliest_of_equal_texts_stays() -> None:
    """Later copies name the first one, across shards, apart from case and white space."""
    rows = deduped([[("a", "One text."), ("b", "Other.")], [("c", "one\u0020 TEXT.\n")]])
    assert [(row["outcome"], row["reason"], row["duplicate_of"]) for row in rows] == [
        (None, None, None),
        (None, None, None),
        ("duplicate", "exact", "a"),
    ]


def test_rows_that_were_set_aside_have_no_fingerprints() -> None:
    """Of a batch with a row in quarantine the other rows alone are compared, under their own places."""
    batch = batch_of([("a", "One."), ("b", "Two."), ("c", "Three.")])
    outcome = pa.array([None, "quarantine", None], pa.string())
    batch = batch.set_column(batch.schema.get_field_index("outcome"), "outcome", outcome)
    found = fingerprints(batch, 10)
    assert found["row"].to_pylist() == [10, 12]
    assert found["id"].to_pylist() == ["a", "c"]
    assert found["text_key"].to_pylist() == [hashlib.sha256(text).digest()[:16] for text in (b"One.", b"Three.")]
    assert found["clean_key"].to_pylist() == [hashlib.sha256(text).digest()[:16] for text in (b"one.", b"three.")]
    assert found["id_key"].to_pylist() == [hashlib.sha256(text).digest()[:16] for text in (b"a", b"c")]


def test_only_case_and_what_is_not_seen_are_passed_over() -> None:
    """Of the texts that differ in one ASCII character, those with a letter in the other case are copies."""
    seen = [chr(code) for code in range(33, 127)]
    rows = deduped([[("none", "xy"), *((f"{ord(sign)}", f"x{sign}y") for sign in seen)]])
    assert [row["id"] for row in rows if row["outcome"]] == [f"{ord(sign)}" for sign in seen if sign.islower()]
    assert [row["duplicate_of"] for row in rows if row["outcome"]] == [f"{code}" for code in range(65, 91)]
    hidden = [chr(code) for code in (*range(33), 127)]
    rows = deduped([[("first", "xy"), *((f"{ord(sign)}", f"x{sign}y") for sign in hidden), ("other", "x y z")]])
    assert [row["id"] for row in rows if not row["outcome"]] == ["first", "other"]


def test_a_repeated_id_is_a_duplicate_or_a_clash() -> None:
    """The same id with the same text is a duplicate; with another text it is quarantined, never overwritten."""
    rows = deduped([[("a", "x"), ("a", "x"), ("a", "y")]], texts=False)
    assert [(row["outcome"], row["reason"]) for row in rows] == [
        (None, None),
        ("duplicate", "duplicate-id"),
        ("quarantine", "duplicate-id"),
    ]


def test_without_exact_dedupe_equal_texts_stay() -> None:
    """`--dedupe none` sets only repeated ids aside."""
    assert [row["outcome"] for row in deduped([[("a", "x"), ("b", "x")]], texts=False)] == [None, None]


def test_keys_with_one_half_in_common_are_two_keys() -> None:
    """All 128 bits count, and the first of equal keys is found among others that sort between them."""
    keys = [first + second for first, second in ((b"a", b"1"), (b"a", b"2"), (b"b", b"1"), (b"a", b"1"), (b"a", b"2"))]
    column = pa.array([key[:1] * 8 + key[1:] * 8 for key in keys], KEY)
    table = pa.table({"id_key": pa.chunked_array([column[:2], column[2:]])})
    repeated, original = repeats([lambda: table], "id_key", np.zeros(0, np.int64), 1 << 20)
    assert sorted(zip(repeated.tolist(), original.tolist(), strict=True)) == [(3, 0), (4, 1)]
    repeated, original = repeats([lambda: table, lambda: table], "id_key", np.array([0, 4]), 1 << 20)
    pairs = sorted(zip(repeated.tolist(), original.tolist(), strict=True))
    assert pairs == [(5, 3), (6, 1), (7, 2), (8, 3), (9, 1)]


def verdicts(**change: Any) -> Verdicts:
    """On a shard of six rows: a duplicate, a clash of ids, and a near-duplicate."""
    values: dict[str, Any] = {
        "row": np.array([1, 3, 4]),
        "reason": ["exact", "duplicate-id", "near"],
        "quarantined": np.array([False, True, False]),
        "duplicate_of": ["a", "b", "c"],
        "similarity": np.array([1, 1, 0.5], np.float32),
    }
    return Verdicts(**(values | change))


def test_the_verdicts_of_a_shard_find_their_rows_in_each_of_its_batches() -> None:
    """However a shard is cut into batches, its rows are marked alike, and a batch without verdicts stays as it is."""
    whole = batch_of([(f"{number}", f"text {number}") for number in range(6)])
    marked = [row for at in range(0, 6, 2) for row in mark(whole.slice(at, 2), at, verdicts()).to_pylist()]
    assert marked == mark(whole, 0, verdicts()).to_pylist()
    told = [[row[name] for name in ("outcome", "reason", "detail", "duplicate_of", "similarity")] for row in marked]
    stays = [None] * 5
    clash = ["quarantine", "duplicate-id", "an earlier record has the id 'b' and another text", None, None]
    duplicate, near = ["duplicate", "exact", None, "a", 1.0], ["duplicate", "near", None, "c", 0.5]
    assert told == [stays, duplicate, stays, clash, near, stays]
    last = whole.slice(5, 1)
    assert mark(last, 5, verdicts()) is last


def test_other_verdicts_have_another_digest() -> None:
    """A part is made again when anything that dedupe says of its rows is new, and only then."""
    changes: list[dict[str, Any]] = [
        {},
        {"row": np.array([1, 3, 5])},
        {"reason": ["exact", "duplicate-id", "exact"]},
        {"quarantined": np.array([False, True, True])},
        {"duplicate_of": ["a", "b", "d"]},
        {"similarity": np.array([1, 1, 0.75], np.float32)},
    ]
    assert len({verdicts(**change).digest() for change in changes}) == len(changes)
    assert verdicts().digest() == verdicts().digest()


ROWS = st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from(["x", "X ", "y", "z z", "zz"])), max_size=8)


@given(st.lists(ROWS, max_size=4))
def test_outcomes_are_those_of_a_plain_loop_whatever_the_shards_and_partitions(
    groups: list[list[tuple[str, str]]],
) -> None:
    """First come, first kept; the memory given, and so the number of partitions, changes nothing."""
    ids: dict[str, str] = {}
    texts: set[str] = set()
    expected = []
    for identity, text in (row for group in groups for row in group):
        folded = "".join(text.lower().split())
        if identity in ids:
            expected.append("duplicate" if ids[identity] == text else "quarantine")
            continue
        ids[identity] = text
        expected.append("duplicate" if folded in texts else None)
        texts.add(folded)
    assert [row["outcome"] for row in deduped(groups)] == expected
    assert [row["outcome"] for row in deduped(groups, memory=100)] == expected
    assert [row["outcome"] for row in deduped([[row for group in groups for row in group]])] == expected
