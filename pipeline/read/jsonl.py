"""JSON Lines: one object a line, read a block of lines at a time.

There are two ways. The quick one takes a block at once, with every field and type said beforehand, and gives an answer
only when it must be the one that line-by-line reading gives (`json_block.py`). The exact way reads line by line with
the standard library. It also teaches the quick one which fields there are.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.types as pt

from pipeline.read import metadata
from pipeline.read.json_block import Lines, columns_of, find_lines
from pipeline.read.json_line import is_text, load_object, wrong_text
from pipeline.read.stream import Fault
from pipeline.read.tables import Found, assemble, fault_row, names

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.config import Config
    from pipeline.read.inputs import InputFile, Slice
    from pipeline.read.stream import Stream

BLOCK: Final = 8 << 20
# Arrow is slow on, and at some count refuses, blocks of very many rows.
BLOCK_LINES: Final = 50_000
# Lines that teach the fields of the first block.
_SAMPLE: Final = 64
# A block that the quick way gave up is tried again in so many parts.
_PARTS: Final = 16
# Beyond this many fields, or this deep, a file is no table: line by line then.
_MAX_FIELDS: Final = 200
_MAX_NESTING: Final = 8
# The escapes of a text make it up to three times as long in any script (`\u` and four digits for two or three bytes).
_ESCAPE_FACTOR: Final = 3
_ROOM: Final = 1 << 20
# The Arrow types of JSON values that hold no others.
_SIMPLE: Final = {str: pa.string(), bool: pa.bool_(), int: pa.int64(), float: pa.float64(), type(None): pa.null()}


def longest_record(config: Config) -> int:
    """The largest record, in source bytes, that is looked at: what a text of the largest size may take, and a bit."""
    return _ESCAPE_FACTOR * config.max_document + _ROOM


def read(stream: Stream, part: Slice, config: Config) -> Iterator[pa.RecordBatch]:
    """The records of a slice of a JSON Lines file."""
    reader = _Reader(config, part.file.uri)
    index = part.first_index
    cut = None
    for block in _blocks(stream, longest_record(config)):
        if isinstance(block, _LongLine):
            limit = longest_record(config)
            words = f"the line has {block.size} bytes; with --max-document {config.max_document} {limit} are allowed"
            yield fault_row(part.file, index, Fault("too-large", words), block.digest)
            index += 1
            continue
        if stream.fault:
            block, cut = _without_cut(block)  # noqa: PLW2901 - the rest is what there is to read
        lines = find_lines(block)
        for start in range(0, len(lines), BLOCK_LINES):
            some = lines.part(start, start + BLOCK_LINES)
            yield from reader.read(some, index)
            index += len(some)
    if stream.fault:
        yield fault_row(part.file, index, stream.fault, raw=cut)


def read_line(file: InputFile, line: bytes, index: int, config: Config) -> pa.RecordBatch:
    """The record of a line whose bytes are known."""
    one = Lines(line, np.zeros(1, np.int64), np.array([len(line)]))
    batch = next(_Reader(config, file.uri).read(one, index), None) if line else None
    return batch if batch is not None else fault_row(file, index, Fault("invalid-json", "the line is blank"), raw=line)


@dataclass(frozen=True, slots=True)
class _LongLine:
    """A line over the limit, passed over: its size in bytes and their SHA-256."""

    size: int
    digest: str


def _blocks(stream: Stream, longest: int) -> Iterator[bytes | _LongLine]:
    """Runs of whole lines; the last line may lack its break."""
    rest = b""
    while True:
        data = stream.read(BLOCK)
        end = data.rfind(b"\n") + 1 if len(data) == BLOCK else len(data)
        if end:
            block = b"".join((rest, memoryview(data)[:end])) if rest or end < len(data) else data
            rest = data[end:]
            yield block
        else:
            rest += data
        if len(data) < BLOCK:
            if rest:
                yield rest
            return
        if not end and len(rest) > longest:
            long_line, rest = _skip_line(stream, rest)
            yield long_line


def _without_cut(block: bytes) -> tuple[bytes, bytes | None]:
    """The lines of a damaged file's last block, and what is left of the line that was cut, if one was."""
    end = block.rfind(b"\n") + 1
    cut = block[end:]
    # An object that is closed is whole, with or without its line break.
    if not cut.strip() or isinstance(load_object(cut, None)[0], dict):
        return block, None
    return block[:end], cut


def _skip_line(stream: Stream, data: bytes) -> tuple[_LongLine, bytes]:
    """Pass over a line whose first bytes are `data`; also what stands after it."""
    digest, size = hashlib.sha256(), 0
    while data:
        end = data.find(b"\n")
        if end >= 0:
            digest.update(data[:end])
            return _LongLine(size + end, digest.hexdigest()), data[end + 1 :]
        digest.update(data)
        size += len(data)
        data = stream.read(BLOCK)
    return _LongLine(size, digest.hexdigest()), b""


class _Reader:
    """Reads blocks of one file; remembers its fields from block to block."""

    def __init__(self, config: Config, uri: str) -> None:
        self._config = config
        self._uri = uri
        self._names = names(config)
        self._known: dict[str, pa.DataType | None] = {}

    def read(self, lines: Lines, first: int) -> Iterator[pa.RecordBatch]:
        """The records of some lines, of which the first has the number `first`."""
        index: range | list[int] = range(first, first + len(lines))
        lines, index = _without_breaks(lines, index)
        if not len(lines):
            return
        if not self._known:
            self._learn(lines.part(0, _SAMPLE))
        found = self._quick(lines, index)
        if found is not None:
            yield assemble(found, self._config)
            return
        # One bad line spoils its part of the block only; and a part read the exact way teaches the fields of the next.
        step = max(_SAMPLE, -(-len(lines) // _PARTS))
        for start in range(0, len(lines), step):
            some, numbers = lines.part(start, start + step), index[start : start + step]
            part = self._quick(some, numbers) or self._exact(some, numbers)
            yield assemble(part, self._config)

    # The quick way

    def _quick(self, lines: Lines, index: range | list[int]) -> Found | None:
        schema = self._schema()
        columns = None if schema is None else columns_of(lines, schema)
        if columns is None:
            return None
        fields = {ours: columns.pop(theirs) for theirs, ours in self._names.items() if theirs in columns}
        return Found(
            len(lines),
            self._uri,
            index,
            {name: array.cast(pa.string()) for name, array in fields.items()},
            metadata.from_columns(columns, len(lines)),
            lines.views(),
        )

    def _schema(self) -> pa.Schema | None:
        """The fields that were seen so far, None when there is one of changing or unknown type."""
        if len(self._known) > _MAX_FIELDS:
            return None
        kinds = {name: kind for name, kind in self._known.items() if kind is not None}
        if len(kinds) < len(self._known):
            return None
        for theirs, ours in self._names.items():
            kind = kinds.get(theirs, pa.null())
            if not (pt.is_string(kind) or pt.is_null(kind) or (ours == "id" and pt.is_int64(kind))):
                return None
        return pa.schema(list(kinds.items()))

    def _learn(self, lines: Lines) -> None:
        for line in lines.views():
            value, _ = load_object(bytes(line), None)
            if isinstance(value, dict):
                self._note(value)

    def _note(self, record: dict[str, Any]) -> None:
        if len(self._known) <= _MAX_FIELDS:
            for name, value in record.items():
                kind = _kind(value, 0) if is_text(name) else None
                self._known[name] = _join(self._known.get(name, pa.null()), kind)

    # The exact way

    def _exact(self, lines: Lines, index: range | list[int]) -> Found:
        sources = lines.views()
        found = Found(len(lines), self._uri, index, sources=sources, encoding=["utf-8"] * len(lines))
        fields: dict[str, list[str | None]] = {ours: [None] * len(lines) for ours in self._names.values()}
        objects: list[str | None] = [None] * len(lines)
        for row, line in enumerate(sources):
            value, encoding = load_object(bytes(line), self._config.encoding)
            if isinstance(value, Fault):
                found.faults[row] = value
                continue
            if encoding != "utf-8":
                found.encoding[row] = encoding  # type: ignore[index]
            self._note(value)
            fault = self._spread(value, fields, row)
            if fault:
                found.faults[row] = fault
            objects[row] = metadata.dump(value)
        found.fields = {name: pa.array(values, pa.string()) for name, values in fields.items()}
        found.metadata = pa.array(objects, pa.string())
        return found

    def _spread(self, record: dict[str, Any], fields: dict[str, list[str | None]], row: int) -> Fault | None:
        """Move the fields that have a column out of a record; the first that cannot be one is its fault."""
        fault = None
        for theirs, ours in self._names.items():
            value = record.pop(theirs, None)
            if value is None:
                continue
            if ours == "id" and type(value) is int:
                value = str(value)
            wrong = wrong_text(theirs, value)
            if wrong:
                fault = fault or wrong
                record[theirs] = value
            else:
                fields[ours][row] = value
        return fault


def _without_breaks(lines: Lines, index: range | list[int]) -> tuple[Lines, range | list[int]]:
    """The lines that are not blank, without the carriage return of their break, and their numbers."""
    lines = lines.without_returns()
    written = lines.written()
    if written.all():
        return lines, index
    kept = np.flatnonzero(written)
    return Lines(lines.block, lines.start[kept], lines.end[kept]), [index[row] for row in kept.tolist()]


def _kind(value: Any, depth: int) -> pa.DataType | None:
    """The Arrow type of a JSON value, None when it has none that Arrow's reader can be told."""
    simple = _SIMPLE.get(type(value))
    if simple is not None:
        return simple
    if depth >= _MAX_NESTING or len(value) > _MAX_FIELDS:
        return None
    if isinstance(value, list):
        inner: pa.DataType | None = pa.null()
        for entry in value:
            inner = _join(inner, _kind(entry, depth + 1))
        return None if inner is None else pa.list_(inner)
    members = {name: _kind(entry, depth + 1) if is_text(name) else None for name, entry in value.items()}
    return None if None in members.values() else pa.struct(list(members.items()))


def _join(one: pa.DataType | None, other: pa.DataType | None) -> pa.DataType | None:
    """The type that holds the values of both, None when there is none."""
    if one is None or other is None or one == other:
        return None if one is None or other is None else one
    if pt.is_null(one) or pt.is_null(other):
        return other if pt.is_null(one) else one
    if pt.is_list(one) and pt.is_list(other):
        inner = _join(one.value_type, other.value_type)
        return None if inner is None else pa.list_(inner)
    if pt.is_struct(one) and pt.is_struct(other):
        members = {field.name: field.type for field in one}
        for field in other:
            members[field.name] = _join(members.get(field.name, pa.null()), field.type)
        wild = None in members.values() or len(members) > _MAX_FIELDS
        return None if wild else pa.struct(list(members.items()))
    return None
