"""CSV and TSV with a header: a block of whole records at a time.

The quick way gives a block to Arrow when its quotes stand only where RFC 4180 lets them: then there is one way to
read it. The exact way is the standard library's reader, which also tells what to do with stray quotes. A cell
that is empty says nothing: it is null.
"""

from __future__ import annotations

import csv
import hashlib
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from pipeline.read import metadata
from pipeline.read.jsonl import BLOCK, BLOCK_LINES, longest_record
from pipeline.read.stream import Fault
from pipeline.read.tables import Bytes, Found, assemble, fault_row, names

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pipeline.config import Config
    from pipeline.read.inputs import InputFile, Slice
    from pipeline.read.stream import Stream

_DELIMITERS: Final = {"csv": ",", "tsv": "\t"}
# The standard library's own limit is for the whole process; ours is `longest_record`.
_NO_LIMIT: Final = (1 << 31) - 1


def read(stream: Stream, part: Slice, config: Config) -> Iterator[pa.RecordBatch]:
    """The records of a CSV or TSV file."""
    return _Reader(stream, part.file, config).run()


class _Reader:
    """Reads one file from start to end."""

    def __init__(self, stream: Stream, file: InputFile, config: Config) -> None:
        self._stream = stream
        self._file = file
        self._config = config
        self._delimiter = _DELIMITERS[file.kind]
        self._header: list[str] = []
        self._index = 0
        self._rest = b""
        self._ended = False

    def run(self) -> Iterator[pa.RecordBatch]:
        """All batches; of a damaged file a last one with what is wrong."""
        self._fill()
        while self._rest:
            known = len(self._rest)
            yield from self._block()
            if len(self._rest) < known:
                if len(self._rest) < BLOCK and not self._ended:
                    self._fill()
            elif self._ended:
                break
            else:
                if known > longest_record(self._config):
                    yield self._skip_record()
                self._fill()
        fault = self._stream.fault
        if fault:
            yield fault_row(self._file, self._index, fault, raw=self._rest or None)
        elif not self._header:
            yield fault_row(self._file, 0, Fault("invalid-csv", "the file has no header"))

    def _fill(self) -> None:
        more = self._stream.read(BLOCK)
        self._ended = len(more) < BLOCK
        self._rest += more

    @property
    def _final(self) -> bool:
        """Whether the bytes at hand end with the file's own end, so that the last record needs no line break."""
        return self._ended and self._stream.fault is None

    def _block(self) -> Iterator[pa.RecordBatch]:
        """The records at hand; takes their bytes away."""
        if not self._header:
            self._read_header()
            if not self._header or not self._rest:
                return
        bounds = _bounds(self._rest, self._delimiter.encode(), final=self._final)
        if bounds is None:
            found, used = self._exact(self._rest, final=self._final)
            self._rest = self._rest[used:]
            if found.rows:
                yield self._done(found)
            return
        start = 0
        for first in range(0, len(bounds), BLOCK_LINES):
            ends = bounds[first : first + BLOCK_LINES]
            block = self._rest[start : int(ends[-1])]
            found = self._quick(block, ends - start) or self._exact(block, final=True)[0]
            start = int(ends[-1])
            if found.rows:
                yield self._done(found)
        self._rest = self._rest[start:]

    def _done(self, found: Found) -> pa.RecordBatch:
        self._index += found.rows
        return assemble(found, self._config)

    def _read_header(self) -> None:
        for row, _, stop, closed in _rows(self._rest, self._delimiter, final=self._final):
            if closed and row:
                self._header = _unique([_plain(name, self._config.encoding)[0] or "" for name in row])
                self._rest = self._rest[stop:]
                return

    # The quick way

    def _quick(self, block: bytes, bounds: np.ndarray[Any, Any]) -> Found | None:
        if b"\0" in block or block.startswith(b"\xef\xbb\xbf"):
            return None
        rows = _count(block, bounds)
        if not rows:
            return Found(0, self._file.uri, range(0))
        try:
            table = pyarrow.csv.read_csv(
                pa.BufferReader(block),
                read_options=pyarrow.csv.ReadOptions(
                    use_threads=False, block_size=len(block) + 1, column_names=self._header
                ),
                parse_options=pyarrow.csv.ParseOptions(delimiter=self._delimiter, newlines_in_values=True),
                convert_options=pyarrow.csv.ConvertOptions(
                    column_types=dict.fromkeys(self._header, pa.string()), strings_can_be_null=False
                ),
            )
        except (pa.ArrowException, UnicodeError):
            return None
        if table.num_rows != rows:
            return None
        columns = {
            name: _filled(column.combine_chunks())
            for name, column in zip(table.column_names, table.columns, strict=True)
        }
        return self._found(columns, rows)

    def _found(self, columns: dict[str, pa.Array], rows: int) -> Found:
        known = names(self._config)
        fields = {ours: columns.pop(theirs) for theirs, ours in known.items() if theirs in columns}
        index = range(self._index, self._index + rows)
        return Found(rows, self._file.uri, index, fields, metadata.from_columns(columns, rows))

    # The exact way

    def _exact(self, data: bytes, *, final: bool) -> tuple[Found, int]:
        """The whole records of some bytes, and how many of these they take."""
        cells: list[list[str | None]] = [[] for _ in self._header]
        faults: dict[int, Fault] = {}
        raw: dict[int, Bytes] = {}
        encodings: list[str | None] = []
        used = 0
        for row, start, stop, closed in _rows(data, self._delimiter, final=final):
            used = stop
            if row or not closed:
                number = len(encodings)
                values, encoding, fault = self._cells(row, closed=closed)
                encodings.append(encoding)
                if fault:
                    faults[number] = fault
                    raw[number] = data[start:stop]
                for column, value in zip(cells, values, strict=True):
                    column.append(value)
        rows = len(encodings)
        arrays = [pa.array(column, pa.string()) for column in cells]
        found = self._found(dict(zip(self._header, arrays, strict=True)), rows)
        found.encoding, found.faults, found.raw = encodings, faults, raw
        return found, used

    def _cells(self, row: Sequence[str], *, closed: bool) -> tuple[list[str | None], str | None, Fault | None]:
        width = len(self._header)
        nothing: list[str | None] = [None] * width
        if not closed:
            return nothing, None, Fault("invalid-csv", "a quote is opened and not closed before the end of the file")
        if len(row) != width:
            words = f"the row has {len(row)} cells, the header has {width}"
            return nothing, "utf-8", Fault("invalid-csv", words)
        encoding = "utf-8"
        values: list[str | None] = []
        for name, cell in zip(self._header, row, strict=True):
            text, used = _plain(cell, self._config.encoding)
            if text is None:
                return nothing, None, Fault("not-utf8", f"the cell of '{name}' is not UTF-8")
            encoding = used if used != "utf-8" else encoding
            values.append(text or None)
        return values, encoding, None

    def _skip_record(self) -> pa.RecordBatch:
        """Pass over a record that is too large to hold: to the first line end outside quotes."""
        digest, size, quotes = hashlib.sha256(), 0, 0
        data = self._rest
        while data:
            end = _first_end(data, quotes)
            piece = data if end < 0 else data[:end]
            digest.update(piece)
            size += len(piece)
            quotes += piece.count(b'"')
            self._rest = data[len(piece) :]
            data = self._stream.read(BLOCK) if end < 0 else b""
        limit = longest_record(self._config)
        words = f"the row has {size} bytes; with --max-document {self._config.max_document} {limit} are allowed"
        batch = fault_row(self._file, self._index, Fault("too-large", words), digest.hexdigest())
        self._index += 1
        return batch


def _first_end(data: bytes, quotes: int) -> int:
    """Offset after the first line end outside quotes, of data before which `quotes` quotes stand; -1 if none."""
    place = 0
    while (found := data.find(b"\n", place)) >= 0:
        quotes += data.count(b'"', place, found)
        place = found + 1
        if quotes % 2 == 0:
            return place
    return -1


def _bounds(data: bytes, delimiter: bytes, *, final: bool) -> np.ndarray[Any, Any] | None:
    """Offsets after each record, int64; None when a quote stands where RFC 4180 does not let it."""
    view = np.frombuffer(data, dtype=np.uint8)
    quotes = np.flatnonzero(view == 0x22)
    if not _well_quoted(view, quotes, delimiter, final=final):
        return None
    ends = np.flatnonzero((view == 0x0A) | (view == 0x0D)) if b"\r" in data else np.flatnonzero(view == 0x0A)
    # Of CR LF the second ends the line; a CR at the very end may still be the first half of that.
    last = ends + 1 == len(view)
    goes_on = np.where(last, not final, view[np.minimum(ends + 1, len(view) - 1)] == 0x0A)
    ends = ends[(view[ends] == 0x0A) | ~goes_on]
    bounds: np.ndarray[Any, Any] = ends[np.searchsorted(quotes, ends) % 2 == 0] + 1
    if final and len(data) and (not len(bounds) or bounds[-1] < len(data)):
        bounds = np.append(bounds, len(data))
    return bounds


def _well_quoted(view: np.ndarray[Any, Any], quotes: np.ndarray[Any, Any], delimiter: bytes, *, final: bool) -> bool:
    """Whether each quote opens a cell, closes one, or is doubled inside one."""
    if not len(quotes):
        return True
    if final and len(quotes) % 2:
        return False
    edge = np.zeros(256, dtype=bool)
    edge[[delimiter[0], 0x0A, 0x0D]] = True
    opening, closing = quotes[::2], quotes[1::2]
    before = edge[view[opening - 1]] | (opening == 0)
    before[1:] |= opening[1:] - 1 == closing[: len(opening) - 1]
    last = closing + 1 == len(view)
    behind = edge[view[np.minimum(closing + 1, len(view) - 1)]] | last
    doubled = closing[: len(opening) - 1] + 1 == opening[1:]
    behind[: len(doubled)] |= doubled
    return bool(before.all() and behind.all())


def _count(block: bytes, bounds: np.ndarray[Any, Any]) -> int:
    """How many of the records are no blank lines."""
    view = np.frombuffer(block, dtype=np.uint8)
    starts = np.concatenate(([0], bounds[:-1]))
    size = bounds - starts
    first = view[starts]
    blank = (size == 1) & ((first == 0x0A) | (first == 0x0D)) | (size == 2) & (first == 0x0D)
    return int(len(bounds) - blank.sum())


def _filled(column: pa.Array) -> pa.Array:
    """The same cells, null where they are empty."""
    empty = pc.equal(pc.binary_length(column), 0)
    return pc.if_else(empty, pa.scalar(None, pa.string()), column) if pc.any(empty).as_py() else column


def _rows(data: bytes, delimiter: str, *, final: bool) -> Iterator[tuple[list[str], int, int, bool]]:
    """Rows as the standard library reads them: cells, first byte, byte after the last, whether all quotes are closed.

    Unless these are the `final` bytes of the file, a last row that may go on after them is left out.
    """
    csv.field_size_limit(_NO_LIMIT)
    place = 0
    broken = exhausted = False

    def lines() -> Iterator[str]:
        nonlocal place, broken, exhausted
        for line in data.splitlines(keepends=True):
            place += len(line)
            # A CR at the very end may be the first half of a line break.
            broken = line[-1:] == b"\n" or (line[-1:] == b"\r" and place < len(data))
            yield line.decode("utf-8", "surrogateescape")
        exhausted = True

    reader = csv.reader(lines(), delimiter=delimiter)
    start = 0
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error:
            row = []
        # A row that asked for one line more than there is has an open quote.
        if not final and (exhausted or not broken):
            return
        yield row, start, place, not exhausted
        start = place


def _plain(cell: str, encoding: str | None) -> tuple[str | None, str]:
    """The text of a cell, which holds bytes that are not UTF-8 as surrogates, and the encoding it was in."""
    if cell.isascii():
        return cell, "utf-8"
    try:
        cell.encode()
    except UnicodeEncodeError:
        if encoding is None:
            return None, "utf-8"
        try:
            return cell.encode("utf-8", "surrogateescape").decode(encoding), encoding
        except (UnicodeError, ValueError):
            return None, "utf-8"
    return cell, "utf-8"


def _unique(header: list[str]) -> list[str]:
    """The names of a header; one without a name, or that came before, goes by its number."""
    seen: set[str] = set()
    for number, name in enumerate(header, 1):
        fresh = name.strip() or f"column_{number}"
        while fresh in seen:
            fresh = f"{fresh}_{number}"
        seen.add(fresh)
        header[number - 1] = fresh
    return header
