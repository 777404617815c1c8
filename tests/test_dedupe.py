"""Repeated ids and equal texts."""

from __future__ import annotations

import hashlib
from typing import Any

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from pipeline.dedupe import FINGERPRINTS, find, fingerprints, mark
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
