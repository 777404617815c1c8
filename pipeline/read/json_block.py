"""A block of JSON Lines at once, its fields and types said beforehand: the columns, or none where there is a doubt.

What is given must be the very thing that line-by-line reading gives:

* Arrow refuses unknown fields, fields that come twice, other types than those said, and strings that are not UTF-8;
* the block holds no NUL byte, and each line begins with `{` and ends with `}`, so no value can reach over a line's
  end, and as many values as lines means one on each line;
* a number with a fraction is one in the source too: a column of such numbers that holds a whole one is refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.json
import pyarrow.types as pt

if TYPE_CHECKING:
    from numpy.typing import NDArray

_BLANKS: Final = np.frombuffer(b" \t\r", np.uint8)


@dataclass(frozen=True, slots=True, eq=False)
class Lines:
    """Lines of a block, without their breaks.

    Attributes:
        block: the bytes.
        start: int64[lines], where each begins.
        end: int64[lines], where it ends.
    """

    block: bytes
    start: NDArray[np.int64]
    end: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.start)

    def part(self, low: int, high: int) -> Lines:
        """The lines [low, high), as far as there are."""
        return Lines(self.block, self.start[low:high], self.end[low:high])

    def views(self) -> list[memoryview]:
        """The bytes of each line, not copied."""
        view = memoryview(self.block)
        return [view[low:high] for low, high in zip(self.start.tolist(), self.end.tolist(), strict=True)]

    def without_returns(self) -> Lines:
        """The lines without the carriage return of their break."""
        last = np.frombuffer(self.block, np.uint8)[self.end - 1]
        return Lines(self.block, self.start, self.end - ((self.start < self.end) & (last == ord("\r"))))

    def written(self) -> NDArray[np.bool_]:
        """Which lines are more than white space, bool[lines]."""
        first = np.frombuffer(self.block, np.uint8)[np.minimum(self.start, len(self.block) - 1)]
        written: NDArray[np.bool_] = self.start < self.end
        for row in np.flatnonzero(written & np.isin(first, _BLANKS)).tolist():
            written[row] = bool(self.block[self.start[row] : self.end[row]].strip(_BLANKS.tobytes()))
        return written

    def in_braces(self) -> bool:
        """Whether each line, none of them empty, begins with `{` and ends with `}`."""
        data = np.frombuffer(self.block, np.uint8)
        return bool((data[self.start] == ord("{")).all() and (data[self.end - 1] == ord("}")).all())


def find_lines(block: bytes) -> Lines:
    """The lines of a block; what stands behind the last break is one, unless it is nothing."""
    end = np.flatnonzero(np.frombuffer(block, np.uint8) == ord("\n"))
    if block and not block.endswith(b"\n"):
        end = np.append(end, len(block))
    return Lines(block, np.append(0, end + 1)[: len(end)], end)


def columns_of(lines: Lines, schema: pa.Schema) -> dict[str, pa.Array] | None:
    """The fields of the objects on some lines, null where one is absent; None if they have to be read line by line.

    Args:
        lines: at least one, none of them blank.
        schema: all fields that the objects may have.
    """
    low, high = int(lines.start[0]), int(lines.end[-1])
    if not lines.in_braces() or lines.block.find(b"\0", low, high) >= 0:
        return None
    try:
        table = pyarrow.json.read_json(
            pa.BufferReader(memoryview(lines.block)[low:high]),
            read_options=pyarrow.json.ReadOptions(use_threads=False, block_size=high - low + 1),
            parse_options=pyarrow.json.ParseOptions(
                explicit_schema=schema, newlines_in_values=False, unexpected_field_behavior="error"
            ),
        )
        table.validate(full=True)
    except (pa.ArrowException, UnicodeDecodeError):
        return None
    if table.num_rows != len(lines):
        return None
    columns = {name: _whole(column) for name, column in zip(table.column_names, table.columns, strict=True)}
    return None if any(map(_has_whole_number, columns.values())) else columns


def _whole(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _has_whole_number(column: pa.Array) -> bool:
    """Whether a column of numbers with fractions, on any level, holds one that may stand without in the source."""
    if pt.is_floating(column.type):
        values = column.drop_null().to_numpy(zero_copy_only=False)
        return bool((~np.isfinite(values) | (values == np.trunc(values))).any())
    if pt.is_list(column.type):
        return _has_whole_number(column.values)
    if pt.is_struct(column.type):
        return any(_has_whole_number(column.field(number)) for number in range(column.type.num_fields))
    return False
