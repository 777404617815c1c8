"""What went into the tables, in numbers that can be added up over parts."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.records import TABLES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


@dataclass(frozen=True, slots=True)
class PartCounts:
    """Counts of one part, or of several added with ``+``. Plain integers throughout: safe to pickle or keep as JSON.

    Attributes:
        records: rows that came in, whatever became of them.
        rows: rows written, by table.
        duplicates: set aside as duplicates, by reason.
        quarantine: set aside in quarantine, by reason.
        spans: removed spans, by label.
        removed_bytes: UTF-8 bytes removed from documents, by label.
        languages: documents, by language tag; those of unknown language are not in it.
        flags: documents, by flag.
        input_bytes: UTF-8 bytes of the input texts of all records that have one.
        text_bytes: UTF-8 bytes of the clean texts of the documents.
    """

    records: int = 0
    rows: Counter[str] = field(default_factory=Counter)
    duplicates: Counter[str] = field(default_factory=Counter)
    quarantine: Counter[str] = field(default_factory=Counter)
    spans: Counter[str] = field(default_factory=Counter)
    removed_bytes: Counter[str] = field(default_factory=Counter)
    languages: Counter[str] = field(default_factory=Counter)
    flags: Counter[str] = field(default_factory=Counter)
    input_bytes: int = 0
    text_bytes: int = 0

    def __add__(self, other: PartCounts) -> PartCounts:
        return PartCounts(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    def to_json(self) -> dict[str, Any]:
        """The counts as plain dictionaries; a table without rows counts 0."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        plain = {name: dict(value) if isinstance(value, Counter) else value for name, value in values.items()}
        return plain | {"rows": {table: self.rows[table] for table in TABLES}}

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> PartCounts:
        """The counts that `to_json` gave."""
        values: dict[str, Any] = {
            name: Counter(value) if isinstance(value, dict) else value for name, value in plain.items()
        }
        return cls(**values)


def total(parts: Iterable[PartCounts]) -> PartCounts:
    """The sum over many parts, in any order."""
    return sum(parts, PartCounts())


def count(records: int, tables: Mapping[str, pa.RecordBatch]) -> PartCounts:
    """Count one batch of `records` rows that was routed to all its tables, as `tables.route` gives them."""
    documents, removed = tables["documents"], tables["removed"]
    duplicates, quarantine = tables["duplicates"], tables["quarantine"]
    removed_bytes = _bytes_by_label(removed)
    text_bytes = _bytes(documents["text"])
    return PartCounts(
        records=records,
        rows=Counter({name: table.num_rows for name, table in tables.items() if table.num_rows}),
        duplicates=_by_value(duplicates["reason"]),
        quarantine=_by_value(quarantine["reason"]),
        spans=_by_value(removed["label"]),
        removed_bytes=removed_bytes,
        languages=_by_value(documents["language"]),
        flags=_by_value(documents["flags"].flatten()),
        input_bytes=text_bytes + removed_bytes.total() + _bytes(duplicates["text"]) + _bytes(quarantine["text"]),
        text_bytes=text_bytes,
    )


def _bytes(texts: pa.StringArray) -> int:
    return pc.sum(pc.binary_length(texts)).as_py() or 0


def _by_value(values: pa.StringArray) -> Counter[str]:
    counted = pc.value_counts(values.drop_null())
    return Counter(dict(zip(counted.field("values").to_pylist(), counted.field("counts").to_pylist(), strict=True)))


def _bytes_by_label(removed: pa.RecordBatch) -> Counter[str]:
    sizes = pa.table({"label": removed["label"], "bytes": pc.binary_length(removed["text"])})
    summed = sizes.group_by("label", use_threads=False).aggregate([("bytes", "sum")]).to_pydict()
    return Counter(dict(zip(summed["label"], summed["bytes_sum"], strict=True)))
