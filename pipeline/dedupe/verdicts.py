"""What dedupe says of the rows of a shard, and how a batch takes it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from pipeline.records import DUPLICATE, QUARANTINE, replace_columns

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What dedupe says of the rows of one shard.

    Attributes:
        row: int64[verdicts], ascending.
        reason: a code of `records.DUPLICATE_REASONS` each, or `quarantined` for a clash of ids.
        quarantined: bool[verdicts], the id came earlier with another text.
        duplicate_of: id of the record that stays.
        similarity: float32[verdicts].
    """

    row: NDArray[np.int64]
    reason: list[str]
    quarantined: NDArray[np.bool_]
    duplicate_of: list[str]
    similarity: NDArray[np.float32]

    def digest(self) -> str:
        """Equal digests mean equal verdicts."""
        values = [
            self.row.tolist(),
            self.reason,
            self.quarantined.tolist(),
            self.duplicate_of,
            self.similarity.tolist(),
        ]
        return hashlib.sha256(json.dumps(values).encode()).hexdigest()


def mark(batch: pa.RecordBatch, first_row: int, verdicts: Verdicts) -> pa.RecordBatch:
    """Set the outcome of the rows that repeat an earlier record.

    Args:
        batch: rows of `records.RECORDS`.
        first_row: position of the batch in its shard.
        verdicts: of the whole shard.
    """
    low, high = np.searchsorted(verdicts.row, [first_row, first_row + len(batch)])
    if low == high:
        return batch
    names = ("outcome", "reason", "detail", "duplicate_of", "similarity")
    columns = {name: batch.column(name).to_pylist() for name in names}
    for number in range(low, high):
        row, stays = int(verdicts.row[number]) - first_row, verdicts.duplicate_of[number]
        columns["reason"][row] = verdicts.reason[number]
        if verdicts.quarantined[number]:
            columns["outcome"][row] = QUARANTINE
            columns["detail"][row] = f"an earlier record has the id '{stays}' and another text"
        else:
            columns["outcome"][row] = DUPLICATE
            columns["duplicate_of"][row] = stays
            columns["similarity"][row] = float(verdicts.similarity[number])
    return replace_columns(
        batch, {name: pa.array(values, batch.schema.field(name).type) for name, values in columns.items()}
    )
