"""Finished records for the tests of writing and reading: batches of `RECORDS` as they leave the last stage."""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

from pipeline.config import Config
from pipeline.records import RECORDS
from pipeline.write import PartCounts, finish, lock, staging, switch, write_part
from tests.conftest import examples

VERSIONS = {"pipeline": "0.0.0", "rules": "0" * 64}
# For properties that write files.
ON_DISK = examples(25)
LABELS = ("newsletter", "related", "caption", "other")


@dataclass(frozen=True)
class Article:
    """One record: its input text and which characters of it were removed."""

    text: str | None
    cuts: tuple[tuple[int, int], ...] = ()  # character offsets: ordered, disjoint, not empty
    outcome: str | None = None
    reason: str | None = None
    encoding: str = "utf-8"
    bom: bool = False
    kind: str = "txt"
    fields: dict[str, Any] = field(default_factory=dict)

    def source(self) -> bytes:
        """The bytes that were read."""
        return (("\ufeff" if self.bom else "") + (self.text or "")).encode(self.encoding)

    def record(self, index: int) -> dict[str, Any]:
        """The finished record, by column."""
        text = self.text
        source = self.source()
        kept = None if text is None else _without(text, self.cuts)
        record: dict[str, Any] = {
            "id": f"{index:06d}-{hashlib.sha256(source).hexdigest()[:8]}",
            "text": kept,
            "removed": _spans(text, self.cuts) if text is not None else None,
            "outcome": self.outcome,
            "reason": self.reason,
            "raw_sha256": hashlib.sha256(source).hexdigest(),
            "origin": {
                "uri": f"articles/{index:06d}.{self.kind}",
                "member": None,
                "index": 0,
                "encoding": self.encoding,
                "bom": self.bom,
                "text_sha256": None if text is None else hashlib.sha256(text.encode()).hexdigest(),
            },
        }
        if self.outcome is None:
            size = max(len((text or "").encode()), 1)
            record["word_count"] = len((kept or "").split())
            record["removed_ratio"] = (size - len((kept or "").encode())) / size
        if self.outcome == "duplicate":
            record |= {"duplicate_of": "000000", "similarity": 1.0}
        if self.outcome == "quarantine":
            record |= {"detail": "the error in words", "raw": source}
        return record | self.fields


def _without(text: str, cuts: tuple[tuple[int, int], ...]) -> str:
    edges = [0, *(edge for cut in cuts for edge in cut), len(text)]
    return "".join(text[low:high] for low, high in zip(edges[::2], edges[1::2], strict=True))


def _spans(text: str, cuts: tuple[tuple[int, int], ...]) -> list[dict[str, Any]]:
    return [
        {
            "start": len(text[:low].encode()),
            "end": len(text[:high].encode()),
            "text": text[low:high],
            "label": LABELS[low % len(LABELS)],
            "evidence": ["model", f"rule:r{low % 7}"] if low % 2 else ["context"],
            "score": 0.75,
        }
        for low, high in cuts
    ]


def batches(articles: list[Article], rows: int = 1000) -> list[pa.RecordBatch]:
    """The records of articles, `rows` in a batch."""
    records = [article.record(index) for index, article in enumerate(articles)]
    return [pa.RecordBatch.from_pylist(records[at : at + rows], schema=RECORDS) for at in range(0, len(records), rows)]


def ordinary(count: int, seed: int = 7) -> list[Article]:
    """News-like articles with everything that can become of them; the same ones for the same seed."""
    draw = random.Random(seed)
    return [_ordinary(draw) for _ in range(count)]


def _ordinary(draw: random.Random) -> Article:
    words = ("harbour", "minister", "said", "Zürich", "на", "the", "of", "日本", "council", "vote", "🙂")
    lines = [" ".join(draw.choices(words, k=draw.randint(3, 30))) for _ in range(draw.randint(2, 20))]
    text = "\n\n".join(lines) + "\n"
    cuts = []
    at = 0
    for _ in range(draw.randint(0, 4)):
        low = draw.randint(at, len(text))
        high = min(len(text), low + draw.randint(1, 80))
        if low < high:
            cuts.append((low, high))
            at = high
    outcome, reason = draw.choice([(None, None)] * 8 + [("duplicate", "exact"), ("quarantine", "invalid-record")])
    fields = {
        "source": draw.choice([None, "Harbour Post", "Valley News"]),
        "language": draw.choice(["en", "de", None]),
        "title": draw.choice([None, "A headline"]),
        "published": draw.choice([None, datetime(2017, 2, 28, tzinfo=UTC) + timedelta(hours=draw.randint(0, 9999))]),
        "captions": draw.choice([None, ["A boat in the harbour.", "A second boat."]]),
        "flags": draw.choice([None, ["heavy-removal"]]),
        "metadata": draw.choice([None, '{"section": "world"}']),
    }
    encoding, bom = draw.choice([("utf-8", False)] * 4 + [("utf-8", True), ("utf-16-le", True)])
    return Article(text, tuple(cuts), outcome, reason, encoding, bom, fields=fields)


@st.composite
def articles(draw: st.DrawFn) -> Article:
    """Any article: all of Unicode that UTF-8 can hold, any cuts, any outcome."""
    text = draw(st.text(st.characters(codec="utf-8"), max_size=60))
    edges = sorted(draw(st.sets(st.integers(0, len(text)), max_size=8)))
    cuts = tuple(zip(edges[::2], edges[1::2], strict=False))
    outcome, reason = draw(
        st.sampled_from(
            [(None, None), ("duplicate", "exact"), ("quarantine", "missing-text"), ("quarantine", "too-large")]
        )
    )
    if outcome == "quarantine" and draw(st.booleans()):
        return Article(None, (), outcome, reason)
    encoding, bom = draw(st.sampled_from([("utf-8", False), ("utf-8", True), ("utf-16-be", True), ("utf-16-le", True)]))
    return Article(
        text, cuts, outcome, reason, encoding, bom, draw(st.sampled_from(["txt", "txt.gz", "TXT.zst", "jsonl"]))
    )


def write(folder: Path, articles: list[Article], *, rows: int = 1000, parts: int = 1) -> PartCounts:
    """All the files of a dataset folder, not published."""
    counts = PartCounts()
    share = -(-len(articles) // parts) if articles else 1
    made = batches(articles, rows)
    whole = pa.Table.from_batches(made, schema=RECORDS)
    for number in range(parts):
        piece = whole.slice(number * share, share)
        counts += write_part(piece.to_batches(max_chunksize=rows), folder, number)
    finish(folder, counts, [], {}, Config(), VERSIONS)
    return counts


def publish(output: Path, articles: list[Article], *, rows: int = 1000, parts: int = 1) -> Path:
    """A published corpus."""
    with lock(output), staging(output) as folder:
        write(folder, articles, rows=rows, parts=parts)
        return switch(output, folder)
